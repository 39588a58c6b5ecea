//! Who watches the watcher: a task that dies ends the process, a loop that stands still is told to all who
//! ask, and systemd hears of every turn.

use std::{
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixDatagram},
    },
    sync::Arc,
    time::Duration,
};

use hex_token_exporter::{
    clock::ManualClock,
    domain::{Cadence, Credential, DigestKey, Observation, Question, Secret, TokenSpec, Workspace},
    http::{
        self, Health,
        server::{Limits, Server},
    },
    lifecycle::{Tasks, systemd::Supervisor},
    metrics::OwnMetrics,
    probe::Prober,
    schedule::{Assignment, Scheduler, Settings, round::Round},
    store::Store,
};
use jiff::Timestamp;
use tokio::{net::TcpListener, time::timeout};

use crate::{
    exporter::Exporter,
    stage::{self, START},
};

/// Long enough for any machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// A prober that never comes back, or worse.
#[derive(Clone, Copy)]
enum Ill {
    Hangs,
    Panics,
}

impl Prober for Ill {
    async fn ask(&self, _: &Arc<Workspace>, _: &Secret, _: Question) -> Observation {
        match self {
            Self::Hangs => std::future::pending().await,
            Self::Panics => panic!("a prober panics, for the test"),
        }
    }
}

struct Watched(Arc<Scheduler<Ill>>);

impl Health for Watched {
    fn is_alive(&self) -> bool {
        self.0.is_moving()
    }

    fn is_ready(&self) -> bool {
        true
    }
}

/// A store that knows one token, and who is to be asked about it.
struct Lone {
    clock: Arc<ManualClock>,
    store: Arc<Store>,
    workspace: Arc<Workspace>,
    settings: Settings,
    assignment: Assignment,
}

impl Lone {
    fn new() -> Self {
        let date = Timestamp::from_second(START).unwrap();
        let clock = Arc::new(ManualClock::at(date));
        let workspace = stage::workspace("http://127.0.0.1:1", 600);
        let store = Arc::new(Store::new(clock.clone(), DigestKey::from_bytes([7; 32])));
        let spec: Arc<TokenSpec> = stage::spec("lone", &workspace);
        let secret = Secret::credential("some-credential").unwrap();
        let credential = Credential::Loaded { secret, loaded_at: date };
        let cadence = Cadence::default();
        store.conform(cadence, [(workspace.clone(), 1.0)], [(spec.clone(), credential.clone())], |_, _| None);
        let settings = Settings { cadence, max_concurrency: 1 };
        Self { clock, store, workspace, settings, assignment: Assignment { spec, credential } }
    }
}

/// A schedule that asks this prober about one token.
fn schedule(prober: Ill, tasks: &Tasks) -> Arc<Scheduler<Ill>> {
    let Lone { clock, store, workspace, settings, assignment } = Lone::new();
    let own = Arc::new(OwnMetrics::new(0, 1).unwrap());
    let scheduler = Scheduler::new(prober, store, clock, own, tasks.clone(), || {});
    scheduler.reconcile(settings, &[workspace], vec![assignment]);
    Arc::new(scheduler)
}

/// A socket like systemd's, which nobody else knows.
fn socket(name: &str) -> (UnixDatagram, String) {
    let name = format!("hex-token-exporter-test-{}-{name}", std::process::id());
    let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    (socket, format!("@{name}"))
}

fn heard(socket: &UnixDatagram) -> Option<String> {
    let mut text = [0; 1024];
    let length = socket.recv(&mut text).ok()?;
    Some(String::from_utf8_lossy(&text[..length]).into_owned())
}

#[tokio::test]
async fn a_task_that_panics_ends_the_process_as_a_failure() {
    let tasks = Tasks::new();
    let stopping = tasks.stopping();
    tasks.spawn("patient", stopping.clone().cancelled_owned());
    tasks.spawn("fragile", async { panic!("a task panics, for the test") });
    timeout(PATIENCE, stopping.cancelled()).await.unwrap();
    assert!(!tasks.finish(Duration::from_secs(10)).await);
}

#[tokio::test]
async fn a_worker_that_panics_ends_the_process_as_a_failure() {
    let tasks = Tasks::new();
    let _scheduler = schedule(Ill::Panics, &tasks);
    timeout(PATIENCE, tasks.stopping().cancelled()).await.unwrap();
    assert!(!tasks.finish(Duration::from_secs(10)).await);
}

#[tokio::test]
#[should_panic(expected = "a prober panics")]
async fn a_single_round_in_which_a_probe_panics_ends_so_too() {
    let Lone { clock, store, workspace, settings, assignment } = Lone::new();
    let round = Round::new(Ill::Panics, store, clock, &[workspace], &settings, false, |_| {});
    round.run(vec![assignment], settings.cadence).await;
}

#[tokio::test(start_paused = true)]
async fn a_loop_that_stands_still_is_unhealthy_and_gives_no_sign_of_life() {
    let (systemd, address) = socket("still");
    systemd.set_nonblocking(true).unwrap();
    let variables = |name: &str| match name {
        "NOTIFY_SOCKET" => Some(address.as_str()),
        "WATCHDOG_USEC" => Some("20000000"),
        _ => None,
    };
    let supervisor = Supervisor::of(variables);
    let tasks = Tasks::new();
    let scheduler = schedule(Ill::Hangs, &tasks);
    let (watched, stop) = (scheduler.clone(), tasks.stopping());
    tasks.spawn("watchdog", async move { supervisor.reassure(|| watched.is_moving(), stop).await });
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert!(scheduler.is_moving());
    let signs = std::iter::from_fn(|| heard(&systemd)).filter(|sign| sign == "WATCHDOG=1").count();
    assert!((5..=7).contains(&signs), "{signs} signs of life in a minute, of one each 10 s");
    tokio::time::sleep(Duration::from_mins(5)).await;
    while heard(&systemd).is_some() {}
    tokio::time::sleep(Duration::from_mins(5)).await;
    assert_eq!(heard(&systemd), None, "a sign of life of a loop that stands still");
    assert!(!scheduler.is_moving());

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/-/healthy", listener.local_addr().unwrap());
    let router = http::health_router(Arc::new(Watched(scheduler)));
    let server = Server::open(router, Limits::of_health()).unwrap();
    tasks.spawn("http server", {
        let stop = tasks.stopping();
        async move { server.serve(listener, stop).await.unwrap() }
    });
    tokio::time::resume();
    assert_eq!(reqwest::get(url).await.unwrap().status(), 503);
}

#[tokio::test(flavor = "multi_thread")]
async fn systemd_is_told_of_start_reload_life_and_end() {
    let (systemd, address) = socket("turns");
    systemd.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    let home = tempfile::tempdir().unwrap();
    let mut command = Exporter::command("");
    command.env("HEX_API_TOKEN", "some-credential").env("HEX_WORKSPACE_URL", "http://127.0.0.1:1");
    command.env("NOTIFY_SOCKET", &address).env("WATCHDOG_USEC", "200000").current_dir(home.path());
    let mut exporter = Exporter::run(&mut command);
    let next = |but: &str| loop {
        let told = heard(&systemd).expect("systemd is told in time");
        if told != but {
            return told;
        }
    };
    assert_eq!(next("WATCHDOG=1"), "READY=1");
    assert_eq!(next(""), "WATCHDOG=1");
    exporter.signal("HUP");
    let reloading = next("WATCHDOG=1");
    let since = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap();
    assert!(since.parse::<u64>().unwrap() > 0);
    assert_eq!(next("WATCHDOG=1"), "READY=1");
    exporter.signal("TERM");
    assert_eq!(next("WATCHDOG=1"), "STOPPING=1");
    assert!(exporter.ended().success());
}

#[test]
fn a_watchdog_of_another_process_and_a_wrong_address_are_left_alone() {
    let (systemd, address) = socket("other");
    systemd.set_nonblocking(true).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    for (to, pid) in [(address.as_str(), "1"), ("/no/such/socket", ""), ("relative", ""), ("", "")] {
        let supervisor = Supervisor::of(|name| match name {
            "NOTIFY_SOCKET" => Some(to),
            "WATCHDOG_USEC" if pid == "1" => Some("1000"),
            "WATCHDOG_PID" => Some(pid).filter(|pid| !pid.is_empty()),
            _ => None,
        });
        let reassuring = async {
            // Where nobody waits for signs of life, this is over at once.
            timeout(Duration::from_mins(1), supervisor.reassure(|| true, Tasks::new().stopping())).await
        };
        runtime.block_on(reassuring).unwrap();
        supervisor.ready();
    }
    assert_eq!(heard(&systemd).as_deref(), Some("READY=1"));
    assert_eq!(heard(&systemd), None);
}
