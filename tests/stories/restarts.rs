//! A new process: what it may show before it has asked, with and without a state file.

use hex_token_exporter::{
    domain::{Check, Scope, TokenState as S, expiry::Told, heard::Remembered},
    store::persist::StateFile,
};
use jiff::SignedDuration;

use crate::{
    cast::{date, hours, mins, name, remembered_death, secs, token},
    hex::Fault,
    sim::Sim,
};

#[tokio::test(start_paused = true)]
async fn a_restart_during_an_outage_without_a_state_file_knows_nothing() {
    let sim = Sim::with([token("airflow")], |sim| sim.hex.script().outage = Some(Fault::Status(502)));
    sim.until(hours(1)).await;
    assert_eq!(sim.states("airflow"), [S::Unknown]);
    sim.hex.script().outage = None;
    sim.until(hours(1) + mins(8)).await;
    assert_eq!(sim.states("airflow"), [S::Unknown, S::Valid]);
}

#[tokio::test(start_paused = true)]
async fn a_restart_during_an_outage_with_a_state_file_still_knows_the_dead_and_no_valid_ones() {
    for state in [S::Invalid, S::Expired] {
        let sim = Sim::with([token("dead"), token("alive").requires(&[Scope::GroupsRead])], |sim| {
            sim.hex.script().outage = Some(Fault::Status(502));
            sim.remember("dead", remembered_death(state));
            let last_success = Some(date(secs(0)));
            sim.remember("alive", Remembered { told: Told::At(date(hours(90))), last_success, death: None });
        });
        assert_eq!(sim.state("dead"), state);
        let since = sim.view("dead").record.state_since();
        assert!(since < Some(date(secs(0))), "since when is remembered too");
        sim.until(hours(1)).await;
        assert_eq!(sim.states("dead"), [state]);
        assert_eq!(sim.states("alive"), [S::Unknown]);
        let view = sim.view("alive");
        assert_eq!(view.record.expiry(&view.spec).date(), Some(date(hours(90))));
        assert_eq!(view.record.granted(&view.spec, Scope::GroupsRead), None);
        assert_eq!(view.record.last_success(), Some(date(secs(0))));
    }
}

#[tokio::test(start_paused = true)]
async fn a_restart_during_an_outage_sees_a_remembered_expiry_pass() {
    let sim = Sim::with([token("airflow")], |sim| {
        sim.hex.script().outage = Some(Fault::Status(502));
        sim.remember("airflow", Remembered { told: Told::At(date(hours(1))), ..Remembered::default() });
    });
    sim.until(hours(2)).await;
    assert_eq!(sim.states("airflow"), [S::Unknown, S::Expired]);
}

/// What a state file keeps of a token for the next process.
fn kept(sim: &Sim, token: &str) -> Remembered {
    let (home, view) = (tempfile::tempdir().unwrap(), sim.view(token));
    let path = home.path().join("state.json");
    let (file, _) = StateFile::open(&path).unwrap();
    file.save(|| sim.store.snapshot()).unwrap();
    let (file, error) = StateFile::open(&path).unwrap();
    assert!(error.is_none());
    file.remembered(&view.spec, &view.credential.digest.unwrap()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_death_by_date_is_remembered_with_its_time() {
    let sim = Sim::start([token("airflow").expires(hours(1))]);
    sim.until(mins(30)).await;
    assert_eq!(kept(&sim, "airflow").death, None);
    sim.hex.script().outage = Some(Fault::Status(502));
    sim.until(hours(2)).await;
    assert_eq!(sim.states("airflow"), [S::Unknown, S::Valid, S::Expired]);
    let since = sim.view("airflow").record.state_since().unwrap();
    assert_eq!(kept(&sim, "airflow").death, Some((S::Expired, since)));
}

#[tokio::test(start_paused = true)]
async fn a_death_by_a_date_that_is_to_come_was_seen_by_a_wrong_clock() {
    for (told, expected) in [(Told::At(date(hours(9))), S::Unknown), (Told::At(date(secs(0))), S::Expired)] {
        let sim = Sim::with([token("airflow")], |sim| {
            sim.hex.script().outage = Some(Fault::Status(502));
            sim.remember("airflow", Remembered { told, ..remembered_death(S::Expired) });
        });
        sim.until(hours(1)).await;
        assert_eq!(sim.states("airflow"), [expected]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_disproved_date_is_not_remembered() {
    let sim = Sim::start([token("airflow").expires(mins(1))]);
    sim.until(mins(3)).await;
    assert_eq!(kept(&sim, "airflow").told, Told::At(date(mins(1))));
    sim.until(mins(20)).await;
    assert_eq!(kept(&sim, "airflow").told, Told::Nothing);
}

#[tokio::test(start_paused = true)]
async fn a_restart_of_a_dead_token_without_a_state_file_takes_three_401s() {
    let sim = Sim::start([token("airflow").known_to_hex(|account| account.dead = true)]);
    sim.until(mins(3)).await;
    assert_eq!(sim.states("airflow"), [S::Unknown, S::Invalid]);
    assert_eq!(sim.changed_at("airflow"), 90);
}

#[tokio::test(start_paused = true)]
async fn a_restart_of_a_dead_token_with_a_state_file_shows_it_from_the_first_second_and_asks_in_the_first_round()
 {
    let sim = Sim::with([token("airflow").known_to_hex(|account| account.dead = true)], |sim| {
        sim.remember("airflow", remembered_death(S::Expired));
    });
    sim.until(hours(2)).await;
    assert_eq!(sim.states("airflow"), [S::Expired]);
    let times = sim.times("airflow", Check::Identity);
    assert_eq!(times[..6], [0, 60, 180, 480, 1080, 2880]);
}

#[tokio::test(start_paused = true)]
async fn a_remembered_death_that_hex_disproves_ends_at_once_and_shows_no_unknown() {
    let sim = Sim::with([token("airflow").requires(&[Scope::GroupsRead])], |sim| {
        sim.remember("airflow", remembered_death(S::Invalid));
    });
    sim.until(mins(1)).await;
    assert_eq!(sim.states("airflow"), [S::Invalid, S::Valid]);
}

#[tokio::test(start_paused = true)]
async fn a_remembered_death_that_hex_disproves_with_a_scope_missing_does_not_linger() {
    let sim = Sim::with(
        [token("airflow").requires(&[Scope::GroupsRead]).known_to_hex(|account| account.scopes.clear())],
        |sim| sim.remember("airflow", remembered_death(S::Invalid)),
    );
    sim.until(mins(1)).await;
    assert_eq!(sim.states("airflow"), [S::Invalid, S::UnderScoped]);
}

#[tokio::test(start_paused = true)]
async fn an_expiry_that_came_somewhat_before_its_date_is_remembered() {
    let sim = Sim::with([token("airflow")], |sim| {
        sim.hex.script().outage = Some(Fault::Status(502));
        let death = Some((S::Expired, date(secs(0))));
        sim.remember("airflow", Remembered { told: Told::At(date(secs(100))), death, last_success: None });
    });
    sim.until(mins(30)).await;
    assert_eq!(sim.states("airflow"), [S::Expired]);
}

#[tokio::test(start_paused = true)]
async fn a_date_of_hexs_is_not_disproved_by_our_clock() {
    let sim = Sim::with([token("airflow")], |sim| {
        let mut script = sim.hex.script();
        script.skew = Some(SignedDuration::from_mins(-10));
        script.accounts.entry("airflow".to_owned()).or_default().dead = true;
        drop(script);
        // Hex's clock was ten minutes behind then too.
        let told = Told::At(date(mins(1)).checked_sub(SignedDuration::from_mins(10)).unwrap());
        sim.remember("airflow", Remembered { told, death: None, last_success: Some(date(secs(0))) });
    });
    sim.until(hours(1)).await;
    assert_eq!(sim.states("airflow"), [S::Unknown, S::Expired]);
}

#[tokio::test(start_paused = true)]
async fn a_state_file_keeps_the_dead_while_a_token_directory_cannot_be_read() {
    let sim = Sim::start([token("airflow").known_to_hex(|account| account.dead = true)]);
    sim.until(mins(30)).await;
    assert_eq!(sim.state("airflow"), S::Invalid);
    let (home, dead) = (tempfile::tempdir().unwrap(), sim.view("airflow"));
    let path = home.path().join("state.json");
    let (file, _) = StateFile::open(&path).unwrap();
    file.save(|| sim.store.snapshot()).unwrap();
    let remembers = || {
        let (file, _) = StateFile::open(&path).unwrap();
        file.remembered(&dead.spec, &dead.credential.digest.unwrap()).is_some_and(|it| it.death.is_some())
    };

    // The next process comes up before the directory does.
    let (file, _) = StateFile::open(&path).unwrap();
    let mut next = sim.store.snapshot();
    next.tokens.clear();
    next.reload.successful = false;
    file.save(|| next.clone()).unwrap();
    assert!(remembers());

    // The token is really gone.
    next.reload.successful = true;
    file.save(|| next.clone()).unwrap();
    assert!(!remembers());
}

#[tokio::test(start_paused = true)]
async fn a_state_file_holds_one_word_about_a_credential_whatever_its_token_is_called() {
    let mut sim = Sim::start([token("airflow").known_to_hex(|account| account.dead = true)]);
    sim.until(mins(30)).await;
    let home = tempfile::tempdir().unwrap();
    let (file, _) = StateFile::open(&home.path().join("state.json")).unwrap();
    file.save(|| sim.store.snapshot()).unwrap();
    // Renamed, and alive again, while a token directory can't be read.
    sim.account("airflow", |account| account.dead = false);
    sim.change("airflow", |token| token.spec.name = name("dagster"));
    sim.until(hours(2)).await;
    assert_eq!(sim.state("dagster"), S::Valid);
    let mut now = sim.store.snapshot();
    now.reload.successful = false;
    file.save(|| now.clone()).unwrap();
    let dagster = sim.view("dagster");
    let remembered = file.remembered(&dagster.spec, &dagster.credential.digest.unwrap()).unwrap();
    assert_eq!(remembered.death, None);
}
