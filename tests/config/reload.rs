//! What comes of a configuration that is read again: by itself, or because somebody asks.

use std::{sync::Arc, time::Duration};

use hex_token_exporter::config::{Config, Environment, Finding, reload::ReloadError, watch::Watcher};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    support::{Place, holds, variables},
    watch::{ONE_FILE, PausedClock, Watched, place, watched},
};

#[tokio::test(start_paused = true)]
async fn a_bad_file_changes_nothing_but_the_note_of_it() {
    let place = place(ONE_FILE);
    place.write("secret", "one");
    watched(place.source(), Environment::default(), async |mut watched| {
        let before = watched.now();
        place.write("config.yaml", "tokens: {airflow: {}}");
        let bad = watched.change().await;
        assert!(!bad.reload.successful);
        assert_eq!(bad.reload.last_success, before.reload.last_success);
        assert!(Arc::ptr_eq(&bad.config, &before.config));
        assert_eq!(bad.tokens, before.tokens);

        place.write("secret", "two");
        let rotated = watched.change().await;
        assert!(!rotated.reload.successful);
        assert!(holds(&watched.credential(), "two"));

        place.write("config.yaml", "tokens: {airflow: {credentials_file: secret, token_owner: me}}");
        let good = watched.change().await;
        assert!(good.reload.successful);
        assert!(good.reload.last_success > bad.reload.last_success);
        assert_eq!(good.tokens[0].spec.token_owner.as_deref(), Some("me"));
        watched.nothing_changes_for(Duration::from_mins(5)).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn who_asks_for_a_reload_learns_what_came_of_it() {
    let place = place(ONE_FILE);
    place.write("secret", "one");
    watched(place.source(), Environment::default(), async |mut watched| {
        let start = Instant::now();
        watched.reloader.reload().await.unwrap();
        assert!(watched.now().reload.successful);
        place.write("config.yaml", "tokens: {airflow: {}}");
        let refused = watched.reloader.reload().await.unwrap_err();
        let ReloadError::Refused(errors) = refused else { panic!("{refused}") };
        assert_eq!(errors.findings()[0].path(), "tokens.airflow");
        assert!(!watched.now().reload.successful);
        place.write("config.yaml", "tokens: {dbt: {credentials_file: secret}}");
        watched.reloader.reload().await.unwrap();
        assert_eq!(watched.names(), ["dbt"]);
        assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_reload_of_the_same_file_is_one_too() {
    let place = place(ONE_FILE);
    place.write("secret", "one");
    watched(place.source(), Environment::default(), async |mut watched| {
        let before = watched.now();
        tokio::time::sleep(Duration::from_secs(1)).await;
        place.write("secret", "two");
        watched.reloader.reload().await.unwrap();
        let after = watched.now();
        assert!(after.reload.last_success > before.reload.last_success);
        assert_ne!(after.tokens[0].credential, before.tokens[0].credential);
        // What a reload gives a new chance hangs on that: dry runs.
        assert!(!Arc::ptr_eq(&after.config, &before.config));
        assert!(Arc::ptr_eq(&after.tokens[0].spec, &before.tokens[0].spec));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_the_configuration_names_is_watched_with_it() {
    let place =
        place(&format!("workspaces: {{main: {{url: 'https://app.hex.tech', ca_file: ca.pem}}}}\n{ONE_FILE}"));
    let certificate =
        || rcgen::generate_simple_self_signed(["hex.example.com".to_owned()]).unwrap().cert.pem();
    place.write("ca.pem", certificate());
    place.write("secret", "one");
    watched(place.source(), Environment::default(), async |mut watched| {
        let renewed = certificate();
        place.write("ca.pem", &renewed);
        watched.change().await;
        let workspace = Arc::clone(&watched.now().tokens[0].spec.workspace);
        assert_eq!(workspace.ca_pem.as_deref(), Some(renewed.as_bytes()));
        place.remove("ca.pem");
        assert!(!watched.change().await.reload.successful);
        place.write("ca.pem", &renewed);
        assert!(watched.change().await.reload.successful);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_dotenv_file_is_watched_too() {
    let place = Place::new();
    place.write(".env", "HEX_API_TOKEN=one\n");
    watched(place.zero_config(), variables(&[]), async |mut watched| {
        assert!(holds(&watched.credential(), "one"));
        place.write(".env", "HEX_API_TOKEN=two\n");
        watched.change().await;
        assert!(holds(&watched.credential(), "two"));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_dotenv_file_is_taken_once_its_mode_is_mended() {
    let place = Place::new();
    place.write(".env", "HEX_API_TOKEN=one\n");
    place.set_mode(".env", 0o600);
    watched(place.zero_config(), variables(&[]), async |mut watched| {
        place.set_mode(".env", 0o640);
        watched.change().await;
        place.set_age(".env", 1_700_000_000);
        watched.nothing_changes_for(Duration::from_mins(1)).await;
        place.write(".env", "HEX_API_TOKEN=two\n");
        place.set_mode(".env", 0o666);
        assert!(!watched.change().await.reload.successful);
        assert!(holds(&watched.credential(), "one"));
        watched.nothing_changes_for(Duration::from_mins(1)).await;
        place.set_mode(".env", 0o600);
        assert!(watched.change().await.reload.successful);
        assert!(holds(&watched.credential(), "two"));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_configuration_that_cannot_be_put_in_force_is_refused_and_credentials_go_on_changing() {
    let place = place(ONE_FILE);
    let clock = Arc::new(PausedClock(Instant::now()));
    let accept = |config: &Config| {
        let names = config.workspaces.keys().filter(|name| name.as_str() == "unreachable");
        names.map(|name| Finding::workspace(name, "cannot be connected to")).collect()
    };
    let (watcher, reloader, desired) =
        Watcher::start(place.source(), Environment::default(), clock, accept).unwrap();
    let test = async {
        let mut seen = Watched { desired, reloader };
        let unreachable = "workspaces: {default: {url: 'https://a.test'}, unreachable: {url: 'https://b.test'}}\ndefaults: {workspace: default}";
        place.write("config.yaml", format!("{ONE_FILE}\n{unreachable}\n"));
        let refused = seen.reloader.reload().await.unwrap_err().to_string();
        assert!(refused.contains("workspaces.unreachable: cannot be connected to"), "{refused}");
        seen.change().await;
        assert!(!seen.desired.borrow().reload.successful);
        place.write("secret", "another");
        seen.change().await;
        assert!(holds(&seen.credential(), "another"));
    };
    tokio::select! {
        () = watcher.run(CancellationToken::new()) => panic!("the watcher has ended"),
        () = test => {}
    }
}

#[tokio::test(start_paused = true)]
async fn the_watcher_ends_when_it_is_told_to() {
    let place = place(ONE_FILE);
    let clock = Arc::new(PausedClock(Instant::now()));
    let (watcher, reloader, _desired) =
        Watcher::start(place.source(), Environment::default(), clock, |_| Vec::new()).unwrap();
    let stop = CancellationToken::new();
    stop.cancel();
    watcher.run(stop).await;
    assert!(matches!(reloader.reload().await, Err(ReloadError::ShuttingDown)));
}
