//! What the store knows of tokens and workspaces.

use std::{collections::BTreeSet, time::Duration};

use hex_token_exporter::{
    domain::{Check, DeclaredExpiry, Exp, Facts, Failure, Reason, Scope, Seen, TokenSpec, TokenState},
    metrics,
};
use proptest::prelude::*;
use tokio::time::advance;

use crate::{
    exposed::Page,
    own, scrape,
    scripted::{START, Script, answer, at, identity, name, runner, status, token, workspace},
};

const DAY: i64 = 86_400;

fn exp(seconds: i64) -> Exp {
    Exp::Number(f64::from(i32::try_from(seconds).unwrap()))
}

/// A token of which all can be told, after a first round in which all went well.
pub(crate) fn all_told() -> Script {
    let production = workspace("production");
    let script = Script::start(vec![TokenSpec {
        least_privilege: true,
        token_owner: Some("data-platform".to_owned()),
        rotate_url: Some("https://wiki.example.com/rotate".to_owned()),
        ..runner("airflow", &production)
    }]);
    let mut me = identity(exp(START + 10 * DAY));
    if let Seen::Answer(answer) = &mut me {
        answer.date = Some(at(START + 3));
    }
    script.see("airflow", Check::Identity, me);
    script.see("airflow", Check::ProjectsRead, answer(200, Facts::Projects { count: 1, more: true }));
    for project in ["kpis", "churn"] {
        let seen = answer(200, Facts::Project { unavailable: false });
        script.see_project("airflow", Check::ProjectVisible, project, seen);
        script.see_project("airflow", Check::ProjectsRun, project, answer(201, Facts::Run { id: None }));
    }
    script.see("airflow", Check::UsersRead, status(200));
    script.see("airflow", Check::GroupsRead, status(403));
    let interval = [(Check::Identity, Duration::from_mins(5)), (Check::ProjectsRun, Duration::from_hours(6))];
    script.store.note_intervals(&name("airflow"), interval.into());
    script
}

#[tokio::test(start_paused = true)]
async fn a_healthy_token_is_told_to_the_last_value() {
    let script = all_told();
    advance(Duration::from_mins(1)).await;
    let page = scrape(&script);
    let start = f64::from(i32::try_from(START).unwrap());
    for (series, value) in [
        ("hex_token_probe_success", 1.0),
        ("hex_token_probe_duration_seconds{check=identity}", 0.25),
        ("hex_token_probe_http_status_code{check=projects_run}", 201.0),
        ("hex_token_probe_http_status_code{check=groups_read}", 403.0),
        ("hex_token_probe_interval_seconds{check=identity}", 300.0),
        ("hex_token_probe_interval_seconds{check=projects_run}", 21_600.0),
        // A minute later, and three seconds later still on Hex's clock.
        ("hex_token_days_until_expiry", 10.0 - 63.0 / 86_400.0),
        ("hex_token_expiry_timestamp_seconds", start + 864_000.0),
        ("hex_token_expiry_warning_seconds", 1_209_600.0),
        ("hex_token_expiry_critical_seconds", 259_200.0),
        ("hex_token_state_since_timestamp_seconds", start),
        ("hex_token_rejection_pending", 0.0),
        ("hex_token_scope_granted{scope=projects_read}", 1.0),
        ("hex_token_scope_granted{scope=projects_run}", 1.0),
        ("hex_token_scope_granted{scope=users_read}", 1.0),
        ("hex_token_scope_granted{scope=groups_read}", 0.0),
        ("hex_token_scope_required{scope=projects_run}", 1.0),
        ("hex_token_scope_required{scope=users_read}", 0.0),
        ("hex_token_scope_required{scope=cells_read}", 0.0),
        ("hex_token_excess_read_scopes", 1.0),
        ("hex_token_project_visible{project=kpis}", 1.0),
        ("hex_token_project_runnable{project=churn}", 1.0),
        ("hex_token_last_probe_timestamp_seconds", start),
        ("hex_token_last_conclusive_timestamp_seconds{check=groups_read}", start),
        ("hex_token_last_success_timestamp_seconds", start),
        ("hex_token_credential_loaded_timestamp_seconds", start - 86_400.0),
        ("hex_token_probes_total", 8.0),
        ("hex_token_probe_failures_total{reason=forbidden}", 0.0),
        (
            "hex_token_info{kind=workspace,rotate_url=https://wiki.example.com/rotate,token_owner=data-platform}",
            1.0,
        ),
    ] {
        assert_eq!(page.of_token("airflow", "production", series), Some(value), "{series}");
    }
    // Nobody has asked yet.
    assert_eq!(page.of_token("airflow", "production", "hex_token_scope_granted{scope=cells_read}"), None);
    for (series, value) in [
        ("hex_api_up", 1.0),
        ("hex_api_rejects_all_tokens", 0.0),
        ("hex_api_dry_run_unsafe", 0.0),
        ("hex_api_budget_requests_per_minute", 30.0),
        ("hex_api_planned_requests_per_minute", 2.5),
        ("hex_api_clock_skew_seconds", 3.0),
        ("hex_api_budget_wait_seconds_total", 0.0),
        ("hex_token_exporter_tokens", 1.0),
    ] {
        assert_eq!(page.value(&format!("{series}{{workspace=production}}")), Some(value), "{series}");
    }
    for (series, value) in [
        ("hex_token_exporter_config_last_reload_successful", 1.0),
        ("hex_token_exporter_config_last_reload_success_timestamp_seconds", start),
        ("hex_token_exporter_schedule_lag_seconds", 0.0),
        ("hex_token_exporter_shard", 2.0),
        ("hex_token_exporter_total_shards", 5.0),
    ] {
        assert_eq!(page.value(series), Some(value), "{series}");
    }
}

#[tokio::test(start_paused = true)]
async fn before_the_first_probe_only_what_is_known_is_told() {
    let airflow = TokenSpec { least_privilege: true, ..runner("airflow", &workspace("production")) };
    let page = scrape(&Script::start(vec![airflow]));
    let told: BTreeSet<&str> =
        page.families.keys().map(String::as_str).filter(|it| it.starts_with("hex_token_")).collect();
    for absent in [
        "hex_token_probe_success",
        "hex_token_probe_duration_seconds",
        "hex_token_probe_http_status_code",
        "hex_token_days_until_expiry",
        "hex_token_expiry_timestamp_seconds",
        "hex_token_scope_granted",
        "hex_token_excess_read_scopes",
        "hex_token_project_visible",
        "hex_token_project_runnable",
        "hex_token_last_probe_timestamp_seconds",
        "hex_token_last_conclusive_timestamp_seconds",
        "hex_token_last_success_timestamp_seconds",
        "hex_api_up",
        "hex_api_clock_skew_seconds",
    ] {
        assert!(!told.contains(absent), "{absent}");
    }
    assert_eq!(page.of_token("airflow", "production", "hex_token_probes_total"), Some(0.0));
    let info = "hex_token_info{kind=workspace,rotate_url=,token_owner=}";
    assert_eq!(page.of_token("airflow", "production", info), Some(1.0));
    for reason in Reason::ALL {
        let series = format!("hex_token_probe_failures_total{{reason={}}}", reason.as_label());
        let expected = (reason != Reason::Ok).then_some(0.0);
        assert_eq!(page.of_token("airflow", "production", &series), expected, "{series}");
    }
    assert_only_one(&page, "airflow", "hex_token_state", "unknown", TokenState::ALL.len());
    assert_only_one(&page, "airflow", "hex_token_expiry", "unknown", 4);
}

/// Of all series of a family, this one is 1 and the others are 0.
fn assert_only_one(page: &Page, token: &str, family: &str, expected: &str, count: usize) {
    let series: Vec<_> =
        page.series_of(family).into_iter().filter(|(labels, _)| labels["token"] == token).collect();
    assert_eq!(series.len(), count, "{family}");
    for (labels, value) in series {
        let own = &labels[family.trim_start_matches("hex_token_")];
        assert_eq!(value, f64::from(u8::from(own == expected)), "{family} {labels:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_probe_takes_no_series_away_and_changes_no_verdict() {
    let script = all_told();
    let before = scrape(&script);
    for check in [Check::Identity, Check::ProjectsRead, Check::UsersRead] {
        script.see("airflow", check, Seen::Failed(Failure::Timeout));
    }
    let after = scrape(&script);
    let names = |page: &Page| page.values.keys().cloned().collect::<BTreeSet<_>>();
    assert!(names(&before).is_subset(&names(&after)));
    for (series, value) in [
        ("hex_token_probe_success", 0.0),
        ("hex_token_probe_http_status_code{check=identity}", 0.0),
        ("hex_token_probe_failures_total{reason=timeout}", 3.0),
        ("hex_token_probes_total", 11.0),
        ("hex_token_state{state=valid}", 1.0),
        ("hex_token_scope_granted{scope=projects_read}", 1.0),
    ] {
        assert_eq!(after.of_token("airflow", "production", series), Some(value), "{series}");
    }
    assert_eq!(after.value("hex_api_up{workspace=production}"), Some(1.0), "it answered within a minute");
    advance(Duration::from_secs(61)).await;
    assert_eq!(scrape(&script).value("hex_api_up{workspace=production}"), Some(0.0));
}

#[tokio::test(start_paused = true)]
async fn a_token_that_dies_shows_the_repeats_and_then_its_state() {
    let script = Script::start(vec![token("airflow", &workspace("production"))]);
    script.see("airflow", Check::Identity, identity(Exp::Null));
    let page = scrape(&script);
    assert_only_one(&page, "airflow", "hex_token_state", "valid", 7);
    assert_only_one(&page, "airflow", "hex_token_expiry", "never", 4);
    for _ in 0..2 {
        script.see("airflow", Check::Identity, status(401));
        let page = scrape(&script);
        assert_eq!(page.of_token("airflow", "production", "hex_token_rejection_pending"), Some(1.0));
        assert_only_one(&page, "airflow", "hex_token_state", "valid", 7);
        advance(Duration::from_mins(1)).await;
    }
    script.see("airflow", Check::Identity, status(401));
    let page = scrape(&script);
    assert_eq!(page.of_token("airflow", "production", "hex_token_rejection_pending"), Some(0.0));
    assert_only_one(&page, "airflow", "hex_token_state", "invalid", 7);
}

#[tokio::test(start_paused = true)]
async fn expiry_dates_are_told_with_their_source_and_run_out() {
    let production = workspace("production");
    let declared = |name, expires_at| TokenSpec { expires_at, ..token(name, &production) };
    let script = Script::start(vec![
        declared("config", Some(DeclaredExpiry::At(at(START + DAY)))),
        declared("forever", Some(DeclaredExpiry::Never)),
        declared("told", Some(DeclaredExpiry::At(at(START + DAY)))),
    ]);
    script.see("told", Check::Identity, identity(exp(START + 2 * DAY)));
    advance(Duration::from_hours(36)).await;
    let page = scrape(&script);
    assert_only_one(&page, "config", "hex_token_expiry", "config", 4);
    assert_only_one(&page, "forever", "hex_token_expiry", "never", 4);
    assert_only_one(&page, "told", "hex_token_expiry", "api", 4);
    let days = |token| page.of_token(token, "production", "hex_token_days_until_expiry");
    assert_eq!((days("config"), days("forever"), days("told")), (Some(-0.5), None, Some(0.5)));
}

#[tokio::test(start_paused = true)]
async fn projects_are_not_told_of_while_none_can_be_seen() {
    let script = all_told();
    let projects = |page: &Page| {
        page.series_of("hex_token_project_visible").len() + page.series_of("hex_token_project_runnable").len()
    };
    assert_eq!(projects(&scrape(&script)), 4);
    script.see("airflow", Check::ProjectsRead, status(403));
    assert_eq!(projects(&scrape(&script)), 4, "one denial settles nothing");
    advance(Duration::from_mins(1)).await;
    script.see("airflow", Check::ProjectsRead, status(403));
    let page = scrape(&script);
    assert_eq!(projects(&page), 0);
    assert_only_one(&page, "airflow", "hex_token_state", "under_scoped", 7);
    let denied = "hex_token_scope_granted{scope=projects_read}";
    assert_eq!(page.of_token("airflow", "production", denied), Some(0.0));
}

#[tokio::test(start_paused = true)]
async fn runs_and_excess_are_told_only_where_they_are_asked_for() {
    let production = workspace("production");
    let script = Script::start(vec![
        TokenSpec { required_scopes: [Scope::ProjectsRead].into(), ..runner("reader", &production) },
        TokenSpec { least_privilege: true, ..token("personal", &production) },
        TokenSpec { least_privilege: true, ..token("without-projects", &production) },
    ]);
    let visible = answer(200, Facts::Project { unavailable: false });
    script.see_project("reader", Check::ProjectVisible, "kpis", visible);
    let page = scrape(&script);
    assert_eq!(page.series_of("hex_token_project_visible").len(), 1, "the other was not asked about yet");
    assert!(page.series_of("hex_token_project_runnable").is_empty());
    assert!(page.series_of("hex_token_excess_read_scopes").is_empty());
    let required = page.series_of("hex_token_scope_required");
    let required: Vec<_> =
        required.iter().map(|(labels, _)| (&*labels["token"], &*labels["scope"])).collect();
    let read = Scope::ALL.into_iter().filter(|it| *it != Scope::ProjectsRun && !it.is_project_bound());
    let looked_for = read.map(|scope| ("without-projects", scope.as_label()));
    // A personal token has no scopes to look for.
    assert_eq!(required, [("reader", "projects_read")].into_iter().chain(looked_for).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn the_page_of_one_token_holds_its_series_alone() {
    let production = workspace("production");
    let script = Script::start(vec![token("one", &production), token("two", &production)]);
    let two = script.store.token(&name("two")).unwrap();
    let page = Page::parse(&metrics::token_page(two, at(START)));
    assert!(page.families.keys().all(|family| family.starts_with("hex_token_")));
    assert!(page.families.contains_key("hex_token_info"));
    let whole = scrape(&script);
    let ours = whole.values.iter().filter(|(series, _)| series.contains("token=two"));
    assert_eq!(page.values, ours.map(|(series, value)| (series.clone(), *value)).collect());
}

proptest! {
    #[test]
    fn any_owner_and_address_comes_through_unharmed(owner in any::<String>(), url in "[\\\\\"\n\r a-z{}=,#]*") {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let _entered = runtime.enter();
        let script = Script::start(vec![TokenSpec {
            token_owner: Some(owner.clone()),
            rotate_url: Some(url.clone()),
            ..token("airflow", &workspace("production"))
        }]);
        let page = Page::parse(&metrics::page(&script.store.snapshot(), &own(&["production"])));
        let info = page.series_of("hex_token_info");
        prop_assert_eq!(info.len(), 1);
        prop_assert_eq!(&info[0].0["token_owner"], &owner);
        prop_assert_eq!(&info[0].0["rotate_url"], &url);
    }
}
