//! The order in which people are told of tokens.

use std::time::Duration;

use hex_token_exporter::{
    domain::{Check, DeclaredExpiry, Exp, Facts, Scope, TokenSpec},
    store::report::{Report, Urgency},
};
use tokio::time::advance;

use crate::scripted::{START, Script, answer, at, identity, runner, status, token, workspace};

const DAY: i64 = 86_400;

#[tokio::test(start_paused = true)]
async fn the_most_urgent_comes_first_then_the_soonest_then_by_name() {
    let production = workspace("production");
    let expiring = |name, days: i64| TokenSpec {
        expires_at: Some(DeclaredExpiry::At(at(START + days * DAY))),
        ..token(name, &production)
    };
    let script = Script::start(vec![
        token("valid-b", &production),
        token("valid-a", &production),
        expiring("valid-dated", 100),
        expiring("warned-later", 12),
        expiring("warned-sooner", 10),
        token("unknown", &production),
        expiring("critical", 2),
        expiring("critical-unknown", 1),
        TokenSpec { required_scopes: [Scope::UsersRead].into(), ..token("under-scoped", &production) },
        TokenSpec { required_scopes: [].into(), ..runner("unavailable", &production) },
        expiring("dead", 200),
    ]);
    for alive in ["valid-b", "valid-a", "valid-dated", "warned-later", "warned-sooner", "critical"] {
        script.see(alive, Check::Identity, identity(Exp::Absent));
    }
    for alive in ["under-scoped", "unavailable", "dead"] {
        script.see(alive, Check::Identity, identity(Exp::Absent));
    }
    for _ in 0..3 {
        advance(Duration::from_mins(1)).await;
        script.see("valid-a", Check::Identity, identity(Exp::Absent));
        script.see("dead", Check::Identity, status(401));
        script.see("under-scoped", Check::UsersRead, status(403));
    }
    let published = answer(200, Facts::Project { unavailable: false });
    script.see_project("unavailable", Check::ProjectVisible, "kpis", published);
    let archived = answer(200, Facts::Project { unavailable: true });
    script.see_project("unavailable", Check::ProjectVisible, "churn", archived);

    let snapshot = script.store.snapshot();
    let told: Vec<_> = Report::by_urgency(&snapshot)
        .into_iter()
        .map(|report| (report.name.to_string(), report.urgency))
        .collect();
    let told: Vec<_> = told.iter().map(|(name, urgency)| (name.as_str(), *urgency)).collect();
    assert_eq!(
        told,
        [
            ("dead", Urgency::Dead),
            ("under-scoped", Urgency::UnderScoped),
            ("unavailable", Urgency::ProjectUnavailable),
            ("critical-unknown", Urgency::ExpiresCritical),
            ("critical", Urgency::ExpiresCritical),
            ("unknown", Urgency::Unknown),
            ("warned-sooner", Urgency::ExpiresWarning),
            ("warned-later", Urgency::ExpiresWarning),
            ("valid-dated", Urgency::Fine),
            ("valid-a", Urgency::Fine),
            ("valid-b", Urgency::Fine),
        ]
    );
    let mut names: Vec<_> = told.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    let by_name: Vec<_> = Report::all(&snapshot).into_iter().map(|report| report.name.to_string()).collect();
    assert_eq!(by_name, names);
}
