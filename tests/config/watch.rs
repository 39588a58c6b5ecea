//! What is noticed while the process runs, and how soon. Time is paused: waits take none.

use std::{future::Future, sync::Arc, time::Duration};

use hex_token_exporter::{
    clock::Clock,
    config::{
        Environment, Source,
        reload::Reloader,
        watch::{Desired, Watcher},
    },
    domain::{Credential, CredentialProblem, Moment},
};
use jiff::Timestamp;
use tokio::{sync::watch::Receiver, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::support::{Place, holds, workspace_token};

pub(crate) const ONE_FILE: &str = "tokens: {airflow: {credentials_file: secret}}";
pub(crate) const DIRECTORY: &str = "token_directories: [{path: tokens}]";

/// A watcher at work, seen from where the rest of the program stands.
pub(crate) struct Watched {
    pub(crate) desired: Receiver<Arc<Desired>>,
    pub(crate) reloader: Reloader,
}

impl Watched {
    /// Waits for the next change; paused time moves on until it comes.
    pub(crate) async fn change(&mut self) -> Arc<Desired> {
        self.desired.changed().await.unwrap();
        self.now()
    }

    pub(crate) fn now(&mut self) -> Arc<Desired> {
        Arc::clone(&self.desired.borrow_and_update())
    }

    /// Ends between two looks, so that none is under way when the test goes on.
    pub(crate) async fn nothing_changes_for(&mut self, time: Duration) {
        tokio::time::sleep(time + Duration::from_secs(5)).await;
        assert!(!self.desired.has_changed().unwrap());
    }

    pub(crate) fn names(&mut self) -> Vec<String> {
        self.now().tokens.iter().map(|token| token.spec.name.to_string()).collect()
    }

    pub(crate) fn credential(&mut self) -> Credential {
        self.now().tokens[0].credential.clone()
    }
}

/// Dates that follow the paused time.
#[derive(Debug)]
pub(crate) struct PausedClock(pub(crate) Instant);

impl Clock for PausedClock {
    fn now(&self) -> Moment {
        let up = self.0.elapsed();
        Moment { at: Timestamp::from_second(1_800_000_000).unwrap() + up, up }
    }
}

pub(crate) async fn watched<F: Future<Output = ()>>(
    source: Source,
    environment: Environment,
    test: impl FnOnce(Watched) -> F,
) {
    let clock = Arc::new(PausedClock(Instant::now()));
    let (watcher, reloader, desired) = Watcher::start(source, environment, clock, |_| Vec::new()).unwrap();
    let stop = CancellationToken::new();
    tokio::select! {
        () = watcher.run(stop) => panic!("the watcher has ended"),
        () = test(Watched { desired, reloader }) => {}
    }
}

pub(crate) fn place(config: &str) -> Place {
    let place = Place::new();
    place.write("config.yaml", config);
    place
}

fn loaded_at(credential: &Credential) -> Option<Timestamp> {
    match credential {
        Credential::Loaded { loaded_at, .. } => Some(*loaded_at),
        Credential::Unreadable(_) => None,
    }
}

#[tokio::test(start_paused = true)]
async fn a_rotated_credential_is_noticed_within_ten_seconds() {
    let place = place(ONE_FILE);
    place.write("secret", workspace_token('a'));
    watched(place.source(), Environment::default(), async |mut watched| {
        assert!(holds(&watched.credential(), &workspace_token('a')));
        let start = Instant::now();
        place.write("secret", workspace_token('b'));
        let modified = place.set_age("secret", 1_700_000_000);
        watched.change().await;
        assert!(start.elapsed() <= Duration::from_millis(10_001), "{:?}", start.elapsed());
        assert!(holds(&watched.credential(), &workspace_token('b')));
        assert_eq!(loaded_at(&watched.credential()), Some(modified));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_short_interval_is_the_rhythm_of_the_looks_too() {
    let place = place(&format!("probe: {{interval: 2s, timeout: 1s}}\n{ONE_FILE}"));
    place.write("secret", "one");
    watched(place.source(), Environment::default(), async |mut watched| {
        let start = Instant::now();
        place.write("secret", "two");
        watched.change().await;
        assert!(start.elapsed() <= Duration::from_millis(2_001), "{:?}", start.elapsed());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_nudge_is_followed_at_once() {
    let place = place(ONE_FILE);
    place.write("secret", "one");
    watched(place.source(), Environment::default(), async |mut watched| {
        let start = Instant::now();
        place.write("secret", "two");
        watched.reloader.look_soon();
        watched.change().await;
        assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
        assert!(holds(&watched.credential(), "two"));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_touch_and_a_rewrite_of_the_same_change_nothing() {
    let place = place(ONE_FILE);
    place.write("secret", "one");
    let before = place.set_age("secret", 1_600_000_000);
    watched(place.source(), Environment::default(), async |mut watched| {
        place.set_age("secret", 1_700_000_000);
        watched.nothing_changes_for(Duration::from_mins(1)).await;
        place.write("secret", "one\n");
        watched.nothing_changes_for(Duration::from_mins(1)).await;
        place.remove("secret");
        watched.change().await;
        assert_eq!(watched.credential(), Credential::Unreadable(CredentialProblem::Missing));
        place.write("secret", "one");
        watched.change().await;
        assert_eq!(loaded_at(&watched.credential()), Some(before));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_swap_of_a_mounted_secret_is_noticed() {
    let place = place(DIRECTORY);
    for (version, secret) in [("..2026_1", "one"), ("..2026_2", "two")] {
        place.directory(&format!("tokens/{version}"));
        place.write(&format!("tokens/{version}/airflow"), secret);
    }
    place.link("tokens/..data", "..2026_1");
    place.link("tokens/airflow", "..data/airflow");
    watched(place.source(), Environment::default(), async |mut watched| {
        assert_eq!(watched.names(), ["airflow"]);
        assert!(holds(&watched.credential(), "one"));
        place.link("tokens/..data", "..2026_2");
        std::fs::remove_dir_all(place.path("tokens/..2026_1")).unwrap();
        watched.change().await;
        assert_eq!(watched.names(), ["airflow"]);
        assert!(holds(&watched.credential(), "two"));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_directory_may_come_after_the_start() {
    let place = place(DIRECTORY);
    watched(place.source(), Environment::default(), async |mut watched| {
        assert!(watched.names().is_empty());
        assert!(!watched.now().reload.successful);
        place.directory("tokens");
        place.write("tokens/airflow", "one");
        watched.change().await;
        assert_eq!(watched.names(), ["airflow"]);
        assert!(watched.now().reload.successful);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_directory_that_loses_everything_keeps_its_tokens() {
    let place = place(DIRECTORY);
    place.directory("tokens");
    place.write("tokens/airflow", "one");
    place.write("tokens/dbt", "two");
    watched(place.source(), Environment::default(), async |mut watched| {
        assert!(watched.now().reload.successful);
        for lose in [true, false] {
            if lose {
                place.remove("tokens/airflow");
                place.remove("tokens/dbt");
            } else {
                std::fs::rename(place.path("tokens"), place.path("elsewhere")).unwrap();
            }
            let lost = watched.change().await;
            assert!(!lost.reload.successful);
            assert_eq!(watched.names(), ["airflow", "dbt"]);
            assert_eq!(watched.credential(), Credential::Unreadable(CredentialProblem::Missing));
            watched.nothing_changes_for(Duration::from_hours(1)).await;
            if !lose {
                std::fs::rename(place.path("elsewhere"), place.path("tokens")).unwrap();
            }
            place.directory("tokens");
            place.write("tokens/dbt", "two");
            place.write("tokens/airflow", "one");
            let back = watched.change().await;
            assert!(back.reload.successful);
            assert!(back.reload.last_success > lost.reload.last_success);
            assert!(holds(&watched.credential(), "one"));
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_removed_file_leaves_after_two_minutes() {
    let place = place(DIRECTORY);
    place.directory("tokens");
    place.write("tokens/airflow", "one");
    place.write("tokens/dbt", "two");
    watched(place.source(), Environment::default(), async |mut watched| {
        let start = Instant::now();
        place.remove("tokens/airflow");
        let change = watched.change().await;
        assert_eq!(watched.names(), ["airflow", "dbt"]);
        assert_eq!(watched.credential(), Credential::Unreadable(CredentialProblem::Missing));
        assert!(change.reload.successful);
        watched.change().await;
        assert_eq!(watched.names(), ["dbt"]);
        let left = start.elapsed();
        assert!(Duration::from_mins(2) <= left && left <= Duration::from_secs(141), "{left:?}");
    })
    .await;
}
