//! Tokens that die, and how often the dead are asked.

use hex_token_exporter::domain::{Check, TokenState as S};

use crate::{
    cast::{exp, hours, mins, name, secs, token},
    hex::{Account, Fault},
    sim::Sim,
};

fn gaps(times: &[u64]) -> Vec<u64> {
    times.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

#[tokio::test(start_paused = true)]
async fn a_death_is_told_in_time_however_far_out_of_step_the_token_was_asked_last() {
    for seconds in (0..300).step_by(25) {
        let sim = Sim::start([token("airflow"), token("other")]);
        sim.until(mins(20) + secs(seconds)).await;
        sim.scheduler.probe_now(&name("airflow")).unwrap().await.unwrap();
        sim.account("airflow", |account| account.dead = true);
        sim.until(sim.now() + mins(5) + secs(3 * 30 + 1)).await;
        assert_eq!(sim.state("airflow"), S::Invalid, "asked {seconds} seconds out of step");
    }
}

#[tokio::test(start_paused = true)]
async fn who_was_accepted_after_another_died_is_not_held_for_it() {
    let sim = Sim::start([token("airflow"), token("other")]);
    sim.until(mins(20)).await;
    sim.account("other", |account| account.dead = true);
    while sim.view("other").record.pending().is_none() {
        sim.until(sim.now() + secs(1)).await;
    }
    sim.until(sim.now() + secs(31)).await;
    sim.scheduler.probe_now(&name("airflow")).unwrap().await.unwrap();
    sim.account("airflow", |account| account.dead = true);
    sim.until(sim.now() + secs(31)).await;
    sim.scheduler.probe_now(&name("airflow")).unwrap().await.unwrap();
    sim.until(sim.now() + secs(3 * 30 + 1)).await;
    assert_eq!(sim.states("airflow"), [S::Unknown, S::Valid, S::Invalid]);
}

#[tokio::test(start_paused = true)]
async fn a_death_takes_three_401s_and_is_then_asked_about_after_1_2_5_10_and_every_30_minutes() {
    let sim = Sim::start([token("airflow"), token("other")]);
    sim.until(mins(20)).await;
    let alive = sim.times("airflow", Check::Identity).len();
    sim.account("airflow", |account| account.dead = true);
    sim.until(hours(4)).await;
    assert_eq!(sim.states("airflow"), [S::Unknown, S::Valid, S::Invalid]);
    let times = sim.times("airflow", Check::Identity)[alive..].to_vec();
    assert_eq!(gaps(&times)[..8], [30, 60, 60, 120, 300, 600, 1800, 1800]);
    assert_eq!(sim.changed_at("airflow"), times[2]);
    assert_eq!(sim.states("other"), [S::Unknown, S::Valid]);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_dead_from_the_start_is_confirmed_too() {
    let sim = Sim::start([token("typo").known_to_hex(|account| account.dead = true)]);
    sim.until(secs(5)).await;
    assert_eq!(sim.state("typo"), S::Unknown);
    sim.until(secs(95)).await;
    assert_eq!(sim.states("typo"), [S::Unknown, S::Invalid]);
    assert_eq!(sim.times("typo", Check::Identity), [0, 30, 90]);
}

#[tokio::test(start_paused = true)]
async fn a_dead_token_meeting_an_outage_stays_dead() {
    let sim = Sim::start([token("airflow").known_to_hex(|account| account.dead = true)]);
    sim.until(mins(5)).await;
    sim.hex.script().outage = Some(Fault::Status(503));
    sim.until(hours(2)).await;
    assert_eq!(sim.states("airflow"), [S::Unknown, S::Invalid]);
}

#[tokio::test(start_paused = true)]
async fn a_deactivated_user_takes_two_tokens_down_while_a_third_lives() {
    let sim = Sim::start(["hers", "hers-too", "his"].map(token));
    sim.until(mins(20)).await;
    sim.account("hers", |account| account.dead = true);
    sim.account("hers-too", |account| account.dead = true);
    sim.until(mins(40)).await;
    assert_eq!(sim.states("hers"), [S::Unknown, S::Valid, S::Invalid]);
    assert_eq!(sim.states("hers-too"), [S::Unknown, S::Valid, S::Invalid]);
    assert_eq!(sim.states("his"), [S::Unknown, S::Valid]);
    assert!(!sim.workspace().rejects_all_tokens);
    for token in ["hers", "hers-too"] {
        assert!(sim.changed_at(token) < 20 * 60 + 12 * 60, "{}", sim.changed_at(token));
    }
}

#[tokio::test(start_paused = true)]
async fn two_names_of_one_credential_are_no_mass_rejection() {
    let mut twin = token("twin");
    twin.credential = Ok("one".to_owned());
    let sim = Sim::start([token("one"), twin]);
    sim.until(mins(20)).await;
    sim.account("one", |account| account.dead = true);
    sim.until(mins(28)).await;
    assert_eq!((sim.state("one"), sim.state("twin")), (S::Invalid, S::Invalid));
    assert!(!sim.workspace().rejects_all_tokens);
}

#[tokio::test(start_paused = true)]
async fn a_lowered_maximum_lifetime_kills_before_exp_so_the_token_is_invalid_and_not_expired() {
    let sim = Sim::start([
        token("airflow").prefixed("hxtp").expires(hours(80 * 24)),
        token("fresh").prefixed("hxtp").expires(hours(5 * 24)),
    ]);
    sim.until(mins(20)).await;
    sim.account("airflow", |account| account.dead = true);
    sim.until(hours(3)).await;
    assert_eq!(sim.states("airflow"), [S::Unknown, S::Valid, S::Invalid]);
    assert_eq!(sim.states("fresh"), [S::Unknown, S::Valid]);
}

#[tokio::test(start_paused = true)]
async fn a_revoked_token_whose_exp_then_passes_is_expired() {
    let sim = Sim::start([token("airflow").expires(hours(2))]);
    sim.until(mins(20)).await;
    sim.account("airflow", |account| account.dead = true);
    sim.until(hours(3)).await;
    assert_eq!(sim.states("airflow"), [S::Unknown, S::Valid, S::Invalid, S::Expired]);
    assert!((7501..7506).contains(&sim.changed_at("airflow")));
}

#[tokio::test(start_paused = true)]
async fn a_rejected_token_accepted_again_wakes_the_others_at_most_once_in_five_minutes() {
    let names: Vec<String> = (0..6).map(|n| format!("t{n}")).collect();
    let sim = Sim::start(names.iter().map(|it| token(it).known_to_hex(|account| account.dead = true)));
    sim.until(hours(3)).await;
    assert!(names.iter().all(|it| sim.state(it) == S::Invalid));
    // One after the other comes back, as its own turn comes; each return is told to the rest.
    let asked = || names.iter().map(|it| sim.times(it, Check::Identity).len()).collect::<Vec<_>>();
    sim.account("t0", |account| account.dead = false);
    while sim.state("t0") != S::Valid {
        sim.until(sim.now() + secs(1)).await;
    }
    let before = asked();
    sim.until(sim.now() + secs(15)).await;
    let woken = asked();
    assert!((1..6).all(|n| woken[n] - before[n] <= 1));
    let revived = sim.now();
    for it in &names[1..3] {
        sim.account(it, |account| account.dead = false);
    }
    // t1 and t2 are accepted again only at their own pace, or after another five minutes.
    while sim.state("t1") != S::Valid || sim.state("t2") != S::Valid {
        sim.until(sim.now() + secs(1)).await;
        assert!(sim.now() < revived + mins(40));
    }
    let total: usize = asked()[3..].iter().sum::<usize>() - woken[3..].iter().sum::<usize>();
    assert!(total <= 3 * 4, "{total}");
}

#[tokio::test(start_paused = true)]
async fn while_a_401_is_pending_only_the_identity_is_asked() {
    let sim = Sim::start([token("airflow").requires(&[hex_token_exporter::domain::Scope::ProjectsRead])]);
    sim.until(mins(20)).await;
    sim.account("airflow", |account| account.dead = true);
    sim.until(hours(8)).await;
    let dead: Vec<_> = sim.calls().into_iter().filter(|call| call.status == 401).collect();
    assert!(dead.iter().filter(|call| call.check != Check::Identity).count() <= 1, "{dead:?}");
}

#[tokio::test(start_paused = true)]
async fn a_401_on_another_check_makes_the_identity_due_at_once_and_changes_nothing_itself() {
    let scope = hex_token_exporter::domain::Scope::GroupsRead;
    let sim = Sim::start([token("airflow").requires(&[scope])]);
    sim.until(mins(2)).await;
    sim.account("airflow", |account| {
        account.faults.insert(Check::GroupsRead, Fault::Status(401));
    });
    sim.until(hours(6)).await;
    let identities = sim.times("airflow", Check::Identity);
    let refused: Vec<_> = sim.calls().into_iter().filter(|call| call.status == 401).collect();
    assert!(!refused.is_empty());
    for call in &refused {
        let end = call.end.as_secs();
        assert!(identities.iter().any(|at| (end..=end + 3).contains(at)), "{end}");
    }
    assert_eq!(sim.states("airflow"), [S::Unknown, S::Valid]);
    assert_eq!(sim.view("airflow").record.granted(&sim.view("airflow").spec, scope), Some(true));
    assert_eq!(sim.view("airflow").probe_success(), Some(false));
}

#[tokio::test(start_paused = true)]
async fn a_regenerated_token_goes_back_to_valid_and_never_shows_unknown() {
    let scopes = [hex_token_exporter::domain::Scope::ProjectsRead];
    let mut sim = Sim::start([token("airflow").requires(&scopes).expires(hours(100))]);
    sim.until(mins(20)).await;
    sim.account("airflow", |account| account.dead = true);
    sim.until(mins(40)).await;
    assert_eq!(sim.state("airflow"), S::Invalid);
    let swapped = sim.now();
    sim.swap_credential("airflow", "airflow-2", Account { exp: exp(hours(200)), ..Account::default() });
    assert_eq!(sim.state("airflow"), S::Invalid);
    sim.until(swapped + secs(10)).await;
    assert_eq!(sim.states("airflow"), [S::Unknown, S::Valid, S::Invalid, S::Valid]);
    let view = sim.view("airflow");
    assert_eq!(view.record.expiry(&view.spec).date(), Some(crate::cast::date(hours(200))));
}

/// It is held once at most for others that come and go.
#[tokio::test(start_paused = true)]
async fn a_token_that_flaps_does_not_keep_a_dead_one_from_being_told() {
    let sim = Sim::start(["dead", "flaps", "lives"].map(token));
    sim.until(mins(20)).await;
    sim.account("dead", |account| account.dead = true);
    while sim.view("dead").record.pending().is_none() {
        sim.until(sim.now() + secs(1)).await;
    }
    let first = sim.now();
    for _ in 0..12 {
        sim.account("flaps", |account| account.fault = None);
        sim.until(sim.now() + secs(31)).await;
        sim.scheduler.probe_now(&name("flaps")).unwrap().await.unwrap();
        sim.until(sim.now() + secs(31)).await;
        // It is rejected twice, and not a third time.
        sim.account("flaps", |account| account.fault = Some(Fault::Status(401)));
        sim.scheduler.probe_now(&name("flaps")).unwrap().await.unwrap();
        sim.until(sim.now() + secs(62)).await;
    }
    assert_eq!(sim.states("dead"), [S::Unknown, S::Valid, S::Invalid]);
    let told = secs(sim.changed_at("dead")).saturating_sub(first);
    assert!(told <= mins(10), "{told:?}");
}

/// What Hex accepts must not be called dead for as long as something else gets no answer.
#[tokio::test(start_paused = true)]
async fn a_disproved_death_does_not_outlast_the_next_acceptance() {
    use hex_token_exporter::domain::Scope::{ProjectsRead, ProjectsRun};
    for (check, fault) in [
        (Check::ProjectsRun, Fault::Status(422)),
        (Check::ProjectsRun, Fault::Status(503)),
        (Check::ProjectsRead, Fault::Status(500)),
        (Check::ProjectVisible, Fault::Page(403)),
    ] {
        let mut sim = Sim::start([
            token("airflow").requires(&[ProjectsRead, ProjectsRun]).project("kpis"),
            token("other"),
        ]);
        sim.until(mins(20)).await;
        sim.account("airflow", |account| account.dead = true);
        sim.until(mins(40)).await;
        assert_eq!(sim.state("airflow"), S::Invalid);
        let projects = sim.hex.script().account("airflow").projects.clone();
        let account = Account { projects, faults: [(check, fault)].into(), ..Account::default() };
        sim.swap_credential("airflow", "airflow-2", account);
        sim.until(sim.now() + mins(5) + secs(10)).await;
        assert_eq!(
            sim.states("airflow"),
            [S::Unknown, S::Valid, S::Invalid, S::Unknown],
            "{check:?}, {fault:?}"
        );
    }
}
