//! Dates of expiry: told, moved, passed, disproved, and seen through a wrong clock.

use std::sync::Arc;

use hex_token_exporter::domain::{Check, DeclaredExpiry, Exp, Expiry, TokenState as S, Workspace};
use jiff::SignedDuration;

use crate::{
    cast::{Token, date, exp, hours, mins, name, secs, token, workspace},
    hex::Fault,
    sim::Sim,
};

fn expiry(sim: &Sim, token: &str) -> Expiry {
    let view = sim.view(token);
    view.record.expiry(&view.spec)
}

#[tokio::test(start_paused = true)]
async fn exp_moving_earlier_and_later_is_followed_at_the_next_identity() {
    let sim = Sim::start([token("airflow").expires(hours(100))]);
    sim.until(mins(10)).await;
    assert_eq!(expiry(&sim, "airflow"), Expiry::Api(date(hours(100))));
    for moved in [hours(50), hours(200), hours(30)] {
        sim.account("airflow", |account| account.exp = exp(moved));
        sim.until(sim.now() + mins(8)).await;
        assert_eq!(expiry(&sim, "airflow"), Expiry::Api(date(moved)));
    }
    sim.account("airflow", |account| account.exp = Exp::Null);
    sim.until(sim.now() + mins(8)).await;
    assert_eq!(expiry(&sim, "airflow"), Expiry::Never);
    assert_eq!(sim.states("airflow"), [S::Unknown, S::Valid]);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_expires_is_seen_within_two_minutes_thanks_to_one_extra_identity() {
    let date = hours(2) + mins(1);
    let sim = Sim::start([token("airflow").expires(date)]);
    sim.until(date).await;
    sim.account("airflow", |account| account.dead = true);
    sim.until(hours(3)).await;
    assert_eq!(sim.states("airflow"), [S::Unknown, S::Valid, S::Expired]);
    let times = sim.times("airflow", Check::Identity).into_iter();
    let after: Vec<u64> = times.filter_map(|at| at.checked_sub(date.as_secs())).collect();
    assert_eq!(after[..3], [30, 60, 120]);
}

#[tokio::test(start_paused = true)]
async fn the_extra_identity_after_an_expiry_is_one_though_hexs_clock_ticks_in_seconds() {
    for skew in [0, 300, 700, 950] {
        let date = hours(2) + mins(1);
        let sim = Sim::start([token("airflow").expires(date)]);
        sim.until(hours(2)).await;
        // `Date` has whole seconds: the skew that it tells wanders by up to one.
        sim.hex.script().skew = Some(SignedDuration::from_millis(-skew));
        sim.until(date + secs(29)).await;
        sim.hex.script().skew = Some(SignedDuration::from_millis(-999));
        let before = sim.times("airflow", Check::Identity).len();
        sim.until(date + secs(40)).await;
        assert_eq!(sim.times("airflow", Check::Identity).len() - before, 1, "{skew}");
    }
}

#[tokio::test(start_paused = true)]
async fn exp_passing_during_an_outage_is_expired_all_the_same_and_valid_again_if_hex_disagrees() {
    let sim = Sim::start([token("airflow").expires(hours(2)), token("other")]);
    sim.until(hours(1)).await;
    sim.hex.script().outage = Some(Fault::Status(503));
    sim.until(hours(2) + secs(299)).await;
    assert_eq!(sim.state("airflow"), S::Valid);
    sim.until(hours(2) + secs(302)).await;
    assert_eq!(sim.states("airflow"), [S::Unknown, S::Valid, S::Expired]);
    assert_eq!(sim.states("other"), [S::Unknown, S::Valid]);
    sim.account("airflow", |account| account.exp = exp(hours(50)));
    sim.hex.script().outage = None;
    sim.until(hours(2) + mins(15)).await;
    assert_eq!(sim.states("airflow"), [S::Unknown, S::Valid, S::Expired, S::Valid]);
}

#[tokio::test(start_paused = true)]
async fn a_date_that_hex_disproves_is_unknown_and_no_expiry() {
    let sim = Sim::start([token("airflow").expires(hours(2))]);
    sim.until(hours(2) + mins(20)).await;
    assert_eq!(expiry(&sim, "airflow"), Expiry::Unknown);
    assert_eq!(sim.states("airflow"), [S::Unknown, S::Valid]);
    sim.account("airflow", |account| account.dead = true);
    sim.until(hours(3)).await;
    assert_eq!(sim.state("airflow"), S::Invalid);
}

#[tokio::test(start_paused = true)]
async fn an_identity_forbidden_after_the_date_is_an_acceptance_too() {
    let sim = Sim::start([token("airflow").expires(hours(2))]);
    sim.until(hours(1)).await;
    sim.account("airflow", |account| {
        account.faults.insert(Check::Identity, Fault::Status(403));
    });
    sim.until(hours(1) + mins(30)).await;
    assert_eq!(expiry(&sim, "airflow"), Expiry::Api(date(hours(2))), "the last value holds");
    assert_eq!(sim.view("airflow").probe_success(), Some(true));
    sim.until(hours(3)).await;
    assert_eq!(sim.states("airflow"), [S::Unknown, S::Valid]);
}

#[tokio::test(start_paused = true)]
async fn a_local_clock_a_day_ahead_or_behind_makes_no_token_expire_early_or_late() {
    for local_is_ahead in [true, false] {
        // Hex's date minus the local one.
        let skew = SignedDuration::from_hours(if local_is_ahead { -24 } else { 24 });
        let on_hexs_clock = |after: std::time::Duration| {
            let local = SignedDuration::try_from(after).unwrap() + skew;
            #[expect(clippy::cast_precision_loss, reason = "dates of this century are exact")]
            Exp::Number(date(secs(0)).checked_add(local).unwrap().as_second() as f64)
        };
        let sim = Sim::with([token("airflow"), token("later")], |sim| {
            sim.hex.script().skew = Some(skew);
        });
        let after = hours(2) + mins(1);
        sim.account("airflow", |account| account.exp = on_hexs_clock(after));
        sim.account("later", |account| account.exp = on_hexs_clock(hours(10)));
        sim.until(after).await;
        assert_eq!(sim.states("airflow"), [S::Unknown, S::Valid], "{local_is_ahead}");
        sim.account("airflow", |account| account.dead = true);
        sim.until(hours(3)).await;
        assert_eq!(sim.states("airflow"), [S::Unknown, S::Valid, S::Expired]);
        assert_eq!(sim.changed_at("airflow"), after.as_secs() + 120);
        assert_eq!(sim.states("later"), [S::Unknown, S::Valid]);
        assert_eq!(sim.workspace().skew_seconds, Some(skew.as_secs_f64()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_declared_date_makes_a_rejection_an_expiry_and_nothing_else() {
    let declared = Some(DeclaredExpiry::At(date(hours(2))));
    let sim = Sim::start([token("airflow").prefixed("hxtp").configured(|spec| spec.expires_at = declared)]);
    sim.hex.script().outage = Some(Fault::Status(503));
    sim.until(hours(3)).await;
    assert_eq!(sim.states("airflow"), [S::Unknown], "a declared date alone kills nobody");
    sim.hex.script().outage = None;
    sim.account("airflow", |account| account.dead = true);
    sim.until(hours(4)).await;
    assert_eq!(sim.states("airflow"), [S::Unknown, S::Expired]);
}

#[tokio::test(start_paused = true)]
async fn a_workspace_under_another_name_keeps_its_clock() {
    for stays in [false, true] {
        let tokens = [token("airflow").expires(mins(45)), token("other").expires(hours(100))];
        let mut sim = Sim::with(tokens, |sim| sim.hex.script().skew = Some(SignedDuration::from_mins(-60)));
        sim.until(mins(60)).await;
        sim.hex.script().outage = Some(Fault::Status(503));
        sim.configure(|tokens| {
            let renamed = Workspace { name: name("prod"), ..(*tokens[0].spec.workspace).clone() };
            for token in tokens.iter_mut().take(if stays { 1 } else { 2 }) {
                token.spec.workspace = Arc::new(renamed.clone());
            }
        });
        sim.until(mins(70)).await;
        assert_eq!(sim.states("airflow"), [S::Unknown, S::Valid], "by Hex's clock it is not even due");
        sim.until(hours(2)).await;
        assert_eq!(sim.states("airflow"), [S::Unknown, S::Valid, S::Expired]);
    }
}

#[tokio::test(start_paused = true)]
async fn two_workspaces_that_swap_their_names_keep_their_clocks() {
    let at = |called, token: Token| token.configured(|spec| spec.workspace = Arc::new(workspace(called)));
    let tokens = [at("one", token("airflow").expires(mins(45))), at("two", token("dagster"))];
    let mut sim = Sim::with(tokens, |sim| sim.hex.script().skew = Some(SignedDuration::from_mins(-60)));
    sim.until(mins(60)).await;
    sim.hex.script().outage = Some(Fault::Status(503));
    sim.configure(|tokens| {
        for (token, called) in tokens.iter_mut().zip(["two", "one"]) {
            let swapped = Workspace { name: name(called), ..(*token.spec.workspace).clone() };
            token.spec.workspace = Arc::new(swapped);
        }
    });
    sim.until(mins(70)).await;
    assert_eq!(sim.states("airflow"), [S::Unknown, S::Valid]);
}

/// As after a machine was suspended, in which our uptime stands still.
#[tokio::test(start_paused = true)]
async fn what_hex_has_just_accepted_does_not_expire_because_its_clock_has_moved() {
    let sim = Sim::start([token("a").expires(hours(24)), token("b").expires(hours(24 * 30))]);
    sim.until(mins(20)).await;
    sim.hex.script().skew = Some(SignedDuration::from_hours(72));
    sim.until(hours(2)).await;
    assert_eq!(sim.workspace().skew_seconds, Some(72.0 * 3600.0));
    assert_eq!(sim.states("a"), [S::Unknown, S::Valid]);
    assert_eq!(expiry(&sim, "a"), Expiry::Unknown);
}

/// One answer that comes from another time must not make anybody expire, or come back from it.
#[tokio::test(start_paused = true)]
async fn a_single_date_far_off_sets_no_clock_and_two_that_agree_do() {
    let tokens = ["a", "b", "c"].map(|it| token(it).expires(hours(24 * 30)));
    let sim = Sim::start(tokens);
    for (days, status) in [(60, 200), (60, 401), (60, 403), (-9_000, 200)] {
        sim.until(sim.now() + mins(20)).await;
        let fault = (status != 200).then_some(Fault::Status(status));
        sim.account("a", |account| account.fault = fault);
        sim.hex.script().skew = Some(SignedDuration::from_hours(24 * days));
        sim.scheduler.probe_now(&name("a")).unwrap().await.unwrap();
        sim.hex.script().skew = Some(SignedDuration::ZERO);
        sim.account("a", |account| account.fault = None);
        sim.until(sim.now() + mins(10)).await;
        assert_eq!(sim.workspace().skew_seconds, Some(0.0), "{days} days at {status}");
        for token in ["a", "b", "c"] {
            assert_eq!(sim.states(token), [S::Unknown, S::Valid], "{days} days at {status}");
        }
    }
    let skew = SignedDuration::from_mins(-60);
    sim.hex.script().skew = Some(skew);
    for token in ["a", "b", "c"] {
        assert_eq!(sim.workspace().skew_seconds, Some(0.0));
        sim.scheduler.probe_now(&name(token)).unwrap().await.unwrap();
        // The second comes too soon after the first.
        sim.until(sim.now() + secs(31)).await;
    }
    assert_eq!(sim.workspace().skew_seconds, Some(skew.as_secs_f64()));
}
