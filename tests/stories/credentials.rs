//! Credentials that are swapped, lag behind, can't be read or move; tokens that are renamed or removed.

use std::sync::{Arc, atomic::Ordering};

use hex_token_exporter::domain::{Check, CredentialProblem, Reason, Scope, TokenState as S};

use crate::{
    cast::{exp, hours, mins, name, secs, token, workspace},
    hex::{Account, Fault},
    sim::Sim,
};

#[tokio::test(start_paused = true)]
async fn a_secret_that_kubernetes_brings_90_seconds_late_is_no_death() {
    for lag in [60, 90] {
        let mut sim = Sim::start([token("airflow"), token("other")]);
        sim.until(mins(20)).await;
        sim.account("airflow", |account| account.dead = true);
        while sim.view("airflow").record.pending().is_none() {
            sim.until(sim.now() + secs(1)).await;
        }
        assert!(sim.stale_asked.load(Ordering::Relaxed) > 0, "a 401 makes the source be read again");
        sim.until(sim.now() + secs(lag - 2)).await;
        sim.swap_credential("airflow", "airflow-2", Account::default());
        assert!(sim.view("airflow").record.pending().is_none());
        sim.until(hours(1)).await;
        assert_eq!(sim.states("airflow"), [S::Unknown, S::Valid], "{lag}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_comes_after_the_verdict_is_asked_about_at_once() {
    let mut sim = Sim::start([token("airflow")]);
    sim.account("airflow", |account| account.dead = true);
    sim.until(hours(3)).await;
    let before = sim.now();
    sim.swap_credential("airflow", "airflow-2", Account::default());
    sim.until(before + secs(2)).await;
    assert_eq!(sim.states("airflow"), [S::Unknown, S::Invalid, S::Valid]);
}

#[tokio::test(start_paused = true)]
async fn a_swapped_credential_drops_expiry_and_scopes_and_has_everything_asked_at_once() {
    let scopes = [Scope::ProjectsRead, Scope::GroupsRead];
    let mut sim = Sim::start([token("airflow").requires(&scopes).expires(hours(50))]);
    sim.until(mins(20)).await;
    let calls = sim.calls().len();
    sim.hex.script().latency = secs(1);
    let scopes = [Scope::ProjectsRead].into();
    sim.swap_credential("airflow", "two", Account { scopes, ..Account::default() });
    let view = sim.view("airflow");
    assert_eq!(view.record.expiry(&view.spec).date(), None);
    assert_eq!(view.record.granted(&view.spec, Scope::GroupsRead), None);
    assert_eq!(sim.state("airflow"), S::Valid, "the state is held");
    sim.until(mins(20) + secs(8)).await;
    let asked: Vec<Check> = sim.calls()[calls..].iter().map(|call| call.check).collect();
    assert_eq!(asked, [Check::Identity, Check::ProjectsRead, Check::GroupsRead]);
    assert_eq!(sim.state("airflow"), S::Valid, "one denial is none");
    sim.until(mins(26)).await;
    assert_eq!(sim.states("airflow"), [S::Unknown, S::Valid, S::UnderScoped]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_a_credential_that_was_swapped_meanwhile_says_nothing_of_the_new_one() {
    for old_is_dead in [true, false] {
        let mut sim = Sim::start([token("airflow").expires(hours(50))]);
        sim.until(mins(20)).await;
        sim.account("airflow", |account| account.dead = old_is_dead);
        sim.hex.script().latency = secs(5);
        let (before, calls) = (sim.now(), sim.times("airflow", Check::Identity).len());
        // In the middle of a request.
        let due = sim.times("airflow", Check::Identity).last().unwrap() + 300;
        sim.until(secs(due + 2)).await;
        assert!(before < sim.now());
        sim.swap_credential(
            "airflow",
            "two",
            Account { exp: exp(hours(90)), dead: true, ..Account::default() },
        );
        sim.until(secs(due + 6)).await;
        assert_eq!(sim.times("airflow", Check::Identity).len(), calls + 1, "the request under way has ended");
        let view = sim.view("airflow");
        assert!(view.record.pending().is_none(), "its 401 was the old one's");
        assert_eq!(view.record.expiry(&view.spec).date(), None, "its expiry was the old one's");
        sim.until(secs(due + 6 + 110)).await;
        assert_eq!(sim.states("airflow"), [S::Unknown, S::Valid, S::Invalid], "{old_is_dead}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_moved_workspace_starts_afresh_and_hears_nothing_from_the_old_one() {
    let mut sim = Sim::start([token("airflow")]);
    sim.until(mins(20)).await;
    sim.hex.script().latency = secs(5);
    let due = sim.times("airflow", Check::Identity).last().unwrap() + 300;
    sim.until(secs(due + 2)).await;
    sim.change("airflow", |token| {
        let mut moved = workspace("production");
        "https://eu.hex.example".clone_into(&mut moved.origin);
        token.spec.workspace = Arc::new(moved);
    });
    assert_eq!(sim.state("airflow"), S::Unknown, "another stack is another token");
    // The old stack's answer comes first; then the new one is down.
    sim.until(secs(due + 6)).await;
    assert_eq!(sim.state("airflow"), S::Unknown);
    sim.hex.script().outage = Some(Fault::Status(503));
    sim.until(secs(due + 30)).await;
    assert_eq!(sim.state("airflow"), S::Unknown);
    sim.hex.script().outage = None;
    sim.until(secs(due) + mins(12)).await;
    assert_eq!(sim.state("airflow"), S::Valid);
    let moved = sim.now();
    sim.until(moved + mins(30)).await;
    assert!(sim.calls().iter().filter(|it| it.start > moved).all(|it| it.origin == "https://eu.hex.example"));
}

#[tokio::test(start_paused = true)]
async fn a_token_that_moves_while_it_waits_is_not_asked_for_twice() {
    let mut sim = Sim::start([token("airflow")]);
    sim.until(mins(20)).await;
    let moved = sim.calls().len();
    sim.change("airflow", |token| token.spec.workspace = Arc::new(workspace("other")));
    sim.until(mins(80)).await;
    let calls = sim.calls().split_off(moved);
    assert!(calls.iter().all(|call| call.origin == "https://other.hex.example"));
    assert!((12..=13).contains(&calls.len()), "{} in an hour", calls.len());
}

#[tokio::test(start_paused = true)]
async fn a_token_removed_while_its_request_is_under_way_leaves_nothing_behind() {
    let mut sim = Sim::start([token("airflow"), token("other")]);
    sim.until(mins(20)).await;
    sim.hex.script().latency = secs(5);
    let due = sim.times("airflow", Check::Identity).last().unwrap() + 300;
    sim.until(secs(due + 2)).await;
    sim.configure(|tokens| tokens.retain(|token| token.spec.name.as_str() != "airflow"));
    let calls = sim.times("airflow", Check::Identity).len();
    sim.until(hours(2)).await;
    assert!(sim.store.token(&name("airflow")).is_none());
    assert_eq!(sim.times("airflow", Check::Identity).len(), calls + 1);
    sim.configure(|tokens| tokens.push(token("airflow")));
    assert_eq!(sim.state("airflow"), S::Unknown);
    sim.until(hours(2) + secs(10)).await;
    assert_eq!(sim.state("airflow"), S::Valid);
}

#[tokio::test(start_paused = true)]
async fn a_renamed_token_keeps_record_counters_and_since() {
    let mut sim = Sim::start([token("airflow").requires(&[Scope::GroupsRead]).expires(hours(50))]);
    sim.until(hours(2)).await;
    let before = sim.view("airflow");
    sim.change("airflow", |token| token.spec.name = name("dagster"));
    let after = sim.view("dagster");
    assert!(sim.store.token(&name("airflow")).is_none());
    assert_eq!(after.record, before.record);
    assert_eq!(after.counts, before.counts);
    assert_eq!(after.history, before.history);
    sim.until(hours(4)).await;
    assert_eq!(sim.states("dagster"), [S::Valid]);
    assert_eq!(sim.view("dagster").record.state_since(), before.record.state_since());
    assert!(sim.view("dagster").counts.probes > before.counts.probes);
}

#[tokio::test(start_paused = true)]
async fn edits_of_thresholds_owner_and_scopes_reset_nothing() {
    let mut sim = Sim::start([token("airflow").requires(&[Scope::GroupsRead])]);
    sim.until(hours(1)).await;
    let identities = sim.times("airflow", Check::Identity).len();
    sim.change("airflow", |token| {
        token.spec.expiry_warning = hours(1);
        token.spec.token_owner = Some("data".to_owned());
        token.spec.required_scopes = [Scope::GroupsRead, Scope::UsersRead].into();
    });
    sim.until(hours(1) + secs(5)).await;
    assert_eq!(sim.times("airflow", Check::Identity).len(), identities);
    assert_eq!(sim.times("airflow", Check::UsersRead).len(), 1, "newly required: due at once");
    assert_eq!(sim.states("airflow"), [S::Unknown, S::Valid]);
}

#[tokio::test(start_paused = true)]
async fn a_newly_required_scope_that_was_seen_denied_once_still_needs_a_repeat() {
    let mut sim = Sim::start([token("airflow").configured(|spec| spec.least_privilege = true).known_to_hex(
        |account| {
            account.scopes.remove(&Scope::UsersRead);
        },
    )]);
    sim.until(hours(1)).await;
    sim.change("airflow", |token| token.spec.required_scopes = [Scope::UsersRead].into());
    assert_eq!(sim.state("airflow"), S::Valid, "held until it has been asked again");
    sim.until(hours(1) + secs(5)).await;
    assert_eq!(sim.states("airflow"), [S::Unknown, S::Valid, S::UnderScoped]);
}

#[tokio::test(start_paused = true)]
async fn a_credential_that_cannot_be_read_sends_nothing_and_is_asked_about_once_it_can() {
    let mut sim = Sim::start([{
        let mut token = token("airflow");
        token.credential = Err(CredentialProblem::Missing);
        token
    }]);
    sim.until(hours(2)).await;
    assert!(sim.calls().is_empty());
    assert_eq!(sim.state("airflow"), S::Unknown);
    let view = sim.view("airflow");
    assert_eq!(view.probe_success(), Some(false));
    let failures: Vec<_> = view.counts.failures().filter(|(_, count)| *count > 0).map(|(it, _)| it).collect();
    assert_eq!(failures, [Reason::CredentialUnreadable]);
    assert_eq!(sim.workspace().api_up, None, "no request was made");
    sim.change("airflow", |token| token.credential = Ok("airflow".to_owned()));
    sim.until(hours(2) + secs(2)).await;
    assert_eq!(sim.states("airflow"), [S::Unknown, S::Valid]);
    // The same content comes and goes.
    sim.change("airflow", |token| token.credential = Err(CredentialProblem::Unreadable));
    sim.until(hours(3)).await;
    assert_eq!(sim.state("airflow"), S::Valid, "held");
    let asked = sim.times("airflow", Check::Identity).len();
    sim.change("airflow", |token| token.credential = Ok("airflow".to_owned()));
    sim.until(hours(3) + secs(2)).await;
    assert_eq!(sim.times("airflow", Check::Identity).len(), asked + 1, "as soon as it can be read");
    assert_eq!(sim.states("airflow"), [S::Unknown, S::Valid]);
}

#[tokio::test(start_paused = true)]
async fn a_credential_that_is_gone_while_its_request_waits_for_the_budget_is_not_sent() {
    let narrow =
        |called| token(called).configured(|spec| Arc::make_mut(&mut spec.workspace).requests_per_minute = 1);
    let mut sim = Sim::start([narrow("first"), narrow("second")]);
    sim.until(secs(10)).await;
    let (waits, other) = if sim.times("first", Check::Identity).is_empty() {
        ("first", "second")
    } else {
        ("second", "first")
    };
    assert_eq!(sim.times(other, Check::Identity).len(), 1);
    sim.change(waits, |token| token.credential = Err(CredentialProblem::Unreadable));
    sim.account(waits, |account| account.dead = true);
    sim.until(mins(3)).await;
    assert!(sim.times(waits, Check::Identity).is_empty(), "it was sent all the same");
    let view = sim.view(waits);
    let failures: Vec<_> = view.counts.failures().filter(|(_, count)| *count > 0).map(|(it, _)| it).collect();
    assert_eq!(failures, [Reason::CredentialUnreadable]);
    assert!(view.record.pending().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_rename_does_not_end_a_pause_that_hex_asked_for() {
    let mut sim = Sim::start([token("airflow")]);
    sim.account("airflow", |account| account.fault = Some(Fault::RateLimited(Some(mins(4)))));
    sim.until(secs(10)).await;
    sim.change("airflow", |token| token.spec.name = name("airflow-2"));
    sim.until(mins(4)).await;
    assert_eq!(sim.calls().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_credential_goes_to_its_own_workspace_while_a_reload_is_half_done() {
    let mut sim = Sim::start([token("airflow")]);
    sim.until(mins(20)).await;
    let before = sim.calls().len();
    sim.begin_to_configure(|tokens| {
        tokens[0].spec.workspace = Arc::new(workspace("other"));
        tokens[0].credential = Ok("of the other".to_owned());
    });
    sim.until(mins(40)).await;
    let calls = sim.calls().split_off(before);
    assert!(!calls.is_empty());
    for call in calls {
        assert_eq!((&*call.credential, &*call.origin), ("airflow", "https://production.hex.example"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_credential_that_is_readable_again_is_not_called_unreadable_while_a_reload_is_half_done() {
    let mut sim = Sim::start([token("airflow"), token("other")]);
    sim.change("airflow", |token| token.credential = Err(CredentialProblem::Missing));
    sim.until(mins(20)).await;
    sim.begin_to_configure(|tokens| tokens[0].credential = Ok("airflow".to_owned()));
    let before = sim.view("airflow").counts.probes;
    sim.until(mins(40)).await;
    assert_eq!(sim.view("airflow").counts.probes, before);
}

#[tokio::test(start_paused = true)]
async fn the_last_request_took_as_long_as_it_took_though_the_credential_is_gone() {
    let mut sim = Sim::start([token("airflow")]);
    sim.until(mins(20)).await;
    sim.change("airflow", |token| token.credential = Err(CredentialProblem::Missing));
    sim.until(mins(40)).await;
    let last = sim.view("airflow").record.last_try(Check::Identity, None).copied().unwrap();
    assert_eq!((last.reason, last.duration.as_millis()), (Reason::CredentialUnreadable, 20));
}
