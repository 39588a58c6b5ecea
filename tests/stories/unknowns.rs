//! What Hex does not document, under every reading that seems possible.
//!
//! 1 `token.exp`; 2 `/users/me` and scopes; 3 the form of a 429; 4 whose limit it is; 5 what a dry run checks;
//! 6 403 or 404, and in which order; 7 what else a route may answer; 8 the end of a workspace token's creator,
//! and regeneration; 9 the forms of a 401; 10 tokens without a prefix.

use hex_token_exporter::domain::{Check, Exp, Expiry, Kind, Scope, TokenState as S};

use crate::{
    cast::{Token, date, exp, hours, mins, project_id, secs, token},
    hex::{Account, Fault},
    sim::Sim,
};

fn expiry(sim: &Sim) -> Expiry {
    let view = sim.view("airflow");
    view.record.expiry(&view.spec)
}

async fn seen(token: Token) -> Sim {
    let sim = Sim::start([token]);
    sim.until(mins(20)).await;
    sim
}

#[tokio::test(start_paused = true)]
async fn unknown_1_exp_is_seconds_or_milliseconds() {
    #[expect(clippy::cast_precision_loss, reason = "dates of this century are exact")]
    let seconds = date(hours(100)).as_second() as f64;
    for number in [seconds, seconds * 1_000.0] {
        let sim = seen(token("airflow").known_to_hex(|it| it.exp = Exp::Number(number))).await;
        assert_eq!(expiry(&sim), Expiry::Api(date(hours(100))));
    }
}

#[tokio::test(start_paused = true)]
async fn unknown_1_exp_null_means_never_for_workspace_tokens_and_nothing_for_others() {
    for (prefix, expected) in [("hxtw", Expiry::Never), ("hxtp", Expiry::Unknown), ("bare", Expiry::Unknown)]
    {
        let sim = seen(token("airflow").prefixed(prefix).known_to_hex(|it| it.exp = Exp::Null)).await;
        assert_eq!(expiry(&sim), expected, "{prefix}");
        assert_eq!(sim.state("airflow"), S::Valid);
    }
}

#[tokio::test(start_paused = true)]
async fn unknown_1_token_is_absent_nonsense_or_comes_and_goes() {
    for absent in [Exp::Absent, Exp::Nonsense, Exp::Number(12.0), Exp::Number(f64::MAX)] {
        let sim = seen(token("airflow").known_to_hex(|it| it.exp = absent)).await;
        assert_eq!((expiry(&sim), sim.state("airflow")), (Expiry::Unknown, S::Valid), "{absent:?}");
        sim.account("airflow", |it| it.exp = exp(hours(90)));
        sim.until(mins(40)).await;
        assert_eq!(expiry(&sim), Expiry::Api(date(hours(90))));
        sim.account("airflow", |it| it.exp = Exp::Absent);
        sim.until(mins(60)).await;
        assert_eq!(expiry(&sim), Expiry::Api(date(hours(90))), "what is not told is held");
    }
}

#[tokio::test(start_paused = true)]
async fn unknown_2_users_me_needs_a_scope_and_answers_403() {
    let sim = seen(token("airflow").requires(&[Scope::GroupsRead]).known_to_hex(|it| {
        it.faults.insert(Check::Identity, Fault::Status(403));
    }))
    .await;
    assert_eq!(sim.states("airflow"), [S::Unknown, S::Valid]);
    assert_eq!(sim.view("airflow").probe_success(), Some(true));
    assert_eq!(sim.view("airflow").counts.failures().map(|(_, count)| count).sum::<u64>(), 0);
    sim.account("airflow", |it| it.dead = true);
    sim.until(mins(40)).await;
    assert_eq!(sim.state("airflow"), S::Invalid);
}

#[tokio::test(start_paused = true)]
async fn unknown_2_users_me_is_blocked_by_a_firewall_and_that_is_no_acceptance() {
    let sim = seen(token("airflow").known_to_hex(|it| {
        it.faults.insert(Check::Identity, Fault::Page(403));
    }))
    .await;
    assert_eq!(sim.states("airflow"), [S::Unknown]);
}

#[tokio::test(start_paused = true)]
async fn unknown_2_a_stack_without_users_me_is_judged_by_its_list_of_projects_until_it_has_one() {
    let scopes = [Scope::ProjectsRead, Scope::GroupsRead];
    let sim = Sim::with([token("airflow").requires(&scopes).expires(hours(90))], |sim| {
        sim.hex.script().has_identity = false;
    });
    sim.until(hours(2)).await;
    assert_eq!(sim.states("airflow"), [S::Unknown, S::Valid]);
    let view = sim.view("airflow");
    assert_eq!((view.record.life_check(), view.probe_success()), (Check::ProjectsRead, Some(true)));
    assert_eq!(view.interval(Check::ProjectsRead).unwrap(), mins(5));
    let asked = sim.times("airflow", Check::ProjectsRead);
    assert!(asked[2..].windows(2).all(|pair| pair[1] - pair[0] == 300), "{asked:?}");
    assert!(sim.times("airflow", Check::Identity).len() <= 4, "looked for once an hour");
    // It dies and comes back.
    sim.account("airflow", |it| it.dead = true);
    sim.until(hours(2) + mins(10)).await;
    assert_eq!(sim.states("airflow"), [S::Unknown, S::Valid, S::Invalid]);
    sim.account("airflow", |it| it.dead = false);
    sim.until(hours(4)).await;
    assert_eq!(sim.states("airflow"), [S::Unknown, S::Valid, S::Invalid, S::Valid]);
    // The route comes into being.
    sim.hex.script().has_identity = true;
    sim.until(hours(7)).await;
    assert_eq!(sim.view("airflow").record.life_check(), Check::Identity);
    assert_eq!(expiry(&sim), Expiry::Api(date(hours(90))));
    assert_eq!(sim.states("airflow"), [S::Unknown, S::Valid, S::Invalid, S::Valid]);
}

#[tokio::test(start_paused = true)]
async fn unknown_2_a_stack_without_users_me_whose_list_is_forbidden_holds_a_living_token() {
    let sim = Sim::with([token("airflow").requires(&[Scope::ProjectsRead])], |sim| {
        sim.hex.script().has_identity = false;
    });
    sim.account("airflow", |it| it.scopes.clear());
    sim.until(hours(1)).await;
    assert_eq!(sim.states("airflow"), [S::Unknown, S::UnderScoped]);
}

#[tokio::test(start_paused = true)]
async fn unknown_3_a_429_comes_with_or_without_retry_after() {
    for pause in [None, Some(secs(0)), Some(secs(90))] {
        let sim = seen(token("airflow")).await;
        sim.account("airflow", |it| it.fault = Some(Fault::RateLimited(pause)));
        sim.until(mins(60)).await;
        let asked = sim.times("airflow", Check::Identity).len();
        assert!(asked <= 5 + 9, "{pause:?}: {asked}");
        assert_eq!(sim.states("airflow"), [S::Unknown, S::Valid]);
    }
}

#[tokio::test(start_paused = true)]
async fn unknown_4_the_limit_is_per_user_per_token_or_per_workspace() {
    // Per token: one pauses. Per user or workspace: two meet it within a minute, and all pause.
    for limited in [1, 2, 4] {
        let names = ["a", "b", "c", "d"];
        let sim = Sim::start(names.map(token));
        sim.until(mins(20)).await;
        for name in &names[..limited] {
            sim.account(name, |it| it.fault = Some(Fault::RateLimited(Some(mins(5)))));
        }
        sim.until(mins(50)).await;
        for name in &names[..limited] {
            sim.account(name, |it| it.fault = None);
        }
        sim.until(mins(80)).await;
        for name in names {
            assert_eq!(sim.states(name), [S::Unknown, S::Valid], "{limited}");
            assert!(*sim.times(name, Check::Identity).last().unwrap() > 70 * 60);
        }
    }
}

fn runner() -> Token {
    token("airflow").requires(&[Scope::ProjectsRead, Scope::ProjectsRun]).project("kpis")
}

#[tokio::test(start_paused = true)]
async fn unknown_5_a_dry_run_checks_the_scope_or_nothing() {
    let sim = seen(runner().known_to_hex(|it| {
        it.scopes.remove(&Scope::ProjectsRun);
    }))
    .await;
    sim.until(hours(1)).await;
    assert_eq!(sim.states("airflow"), [S::Unknown, S::UnderScoped]);
    // Where it checks only the form of the call, it is accepted, and nothing more is claimed.
    let sim = seen(runner()).await;
    assert_eq!(sim.states("airflow"), [S::Unknown, S::Valid]);
}

#[tokio::test(start_paused = true)]
async fn unknown_5_a_dry_run_counts_against_the_limit_and_is_refused_for_it() {
    let sim = seen(runner()).await;
    sim.account("airflow", |it| {
        it.faults.insert(Check::ProjectsRun, Fault::RateLimited(Some(mins(15))));
    });
    sim.until(hours(14)).await;
    assert_eq!(sim.states("airflow"), [S::Unknown, S::Valid]);
    let identities = sim.times("airflow", Check::Identity);
    assert!(identities.windows(2).all(|pair| pair[1] - pair[0] <= 901 + 450), "it does not starve the rest");
}

#[tokio::test(start_paused = true)]
async fn unknown_6_an_unscoped_token_and_a_missing_project_are_told_apart_by_two_requests() {
    // The scope lacks and the project is there, or not, whichever Hex looks at first.
    for status in [403, 404] {
        let sim = seen(runner().known_to_hex(|it| {
            it.scopes.clear();
            it.faults.insert(Check::ProjectVisible, Fault::Status(status));
        }))
        .await;
        sim.until(hours(1)).await;
        assert_eq!(sim.states("airflow").last(), Some(&S::UnderScoped), "{status}");
    }
    // The scope is there and the project is not.
    for status in [403, 404] {
        let sim = seen(runner().known_to_hex(|it| {
            it.projects.remove(&project_id("kpis"));
            it.faults.insert(Check::ProjectVisible, Fault::Status(status));
        }))
        .await;
        sim.until(hours(1)).await;
        assert_eq!(sim.states("airflow").last(), Some(&S::ProjectUnavailable), "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn unknown_7_a_scope_route_of_another_form_holds_what_was_known() {
    for fault in [Fault::Status(404), Fault::Status(400), Fault::OtherShape, Fault::Page(200)] {
        let sim = seen(token("airflow").requires(&[Scope::GuidesRead])).await;
        sim.account("airflow", |it| {
            it.faults.insert(Check::GuidesRead, fault);
        });
        sim.until(hours(5)).await;
        assert_eq!(sim.states("airflow"), [S::Unknown, S::Valid], "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn unknown_8_a_workspace_token_dies_narrows_or_lives_on_when_its_creator_leaves() {
    let scoped = || token("airflow").requires(&[Scope::GroupsRead]);
    let sim = seen(scoped()).await;
    sim.account("airflow", |it| it.dead = true);
    sim.until(hours(2)).await;
    assert_eq!(sim.states("airflow"), [S::Unknown, S::Valid, S::Invalid]);
    let sim = seen(scoped()).await;
    sim.account("airflow", |it| it.scopes.clear());
    sim.until(hours(2)).await;
    assert_eq!(sim.states("airflow"), [S::Unknown, S::Valid, S::UnderScoped]);
}

#[tokio::test(start_paused = true)]
async fn unknown_8_a_regenerated_workspace_token_leaves_the_old_one_alive_or_dead() {
    for old_lives in [true, false] {
        let mut sim = seen(token("airflow")).await;
        sim.account("airflow", |it| it.dead = !old_lives);
        sim.until(sim.now() + secs(40)).await;
        sim.swap_credential("airflow", "new", Account::default());
        sim.until(hours(1)).await;
        assert_eq!(sim.states("airflow"), [S::Unknown, S::Valid]);
    }
}

#[tokio::test(start_paused = true)]
async fn unknown_9_a_401_with_or_without_a_challenge_is_one_and_the_last_exp_tells_expired_from_the_rest() {
    for (fault, date, expected) in [
        (None, hours(1), S::Expired),
        (None, hours(30), S::Invalid),
        (Some(Fault::Status(401)), hours(1), S::Expired),
        (Some(Fault::Status(401)), hours(30), S::Invalid),
    ] {
        let sim = seen(token("airflow").expires(date)).await;
        sim.until(hours(1)).await;
        sim.account("airflow", |it| {
            it.fault = fault;
            it.dead = true;
        });
        sim.until(hours(2)).await;
        assert_eq!(sim.states("airflow"), [S::Unknown, S::Valid, expected], "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn unknown_10_an_unprefixed_token_is_told_apart_by_its_answer_or_not_at_all() {
    let kind = |sim: &Sim| sim.view("airflow").record.kind();
    for (user, expected) in [(true, Kind::Personal), (false, Kind::Workspace)] {
        let sim = seen(token("airflow").prefixed("bare").known_to_hex(|it| it.describes_user = user)).await;
        assert_eq!(kind(&sim), expected);
    }
    let sim = seen(token("airflow").prefixed("bare").known_to_hex(|it| {
        it.faults.insert(Check::Identity, Fault::Status(403));
    }))
    .await;
    assert_eq!((kind(&sim), sim.state("airflow")), (Kind::Unknown, S::Valid));
}
