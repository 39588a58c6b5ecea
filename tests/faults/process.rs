//! What can befall a process and its machine, with the real binary: it is suspended, runs out of file
//! descriptors, cannot read its files. Verdicts stand, and all goes on once it can.

use std::{fs, path::PathBuf, time::Duration};

use hex_token_exporter::fake_hex::{FakeHex, Scenario};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    time::{Instant, interval, timeout},
};

use crate::exporter::{Exporter, state, value};

const GOOD: &str = "good-value-f3a91c7e5b08d624";
const DOOMED: &str = "doomed-value-d17b40e9a6c258f3";
const WITNESS: &str = "witness-value-8a06b1f3c97d5e24";

struct Stand {
    hex: FakeHex,
    home: tempfile::TempDir,
    config: PathBuf,
}

impl Stand {
    async fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let scenario = format!(
            "stacks: [{{name: main, limits: {{user_per_minute: 10000, group_per_minute: 10000}}, tokens: {{good: {{kind: workspace, value: {GOOD}, expires_in: 20d}}, doomed: {{kind: workspace, value: {DOOMED}}}, witness: {{kind: workspace, value: {WITNESS}}}}}}}]"
        );
        let stack = Scenario::parse(&scenario).unwrap().stacks.into_iter().next().unwrap();
        let hex = FakeHex::start(TcpListener::bind("127.0.0.1:0").await.unwrap(), stack).unwrap();
        let (config, url) = (home.path().join("config.yaml"), hex.url());
        let yaml = format!(
            "probe: {{interval: 1s, timeout: 500ms, confirm_after: 1s, mass_rejection_hold: 1s, rejected_interval: 1s}}\nworkspaces: {{main: {{url: '{url}', requests_per_minute: 600}}}}\ntokens: {{good: {{credentials_file: good}}, doomed: {{credentials_file: doomed}}}}\n"
        );
        fs::write(&config, yaml).unwrap();
        let stand = Self { hex, home, config };
        stand.write("good", GOOD.as_bytes());
        stand.write("doomed", DOOMED.as_bytes());
        stand.write("witness", WITNESS.as_bytes());
        stand
    }

    fn write(&self, file: &str, bytes: &[u8]) {
        fs::write(self.home.path().join(file), bytes).unwrap();
    }

    fn remove(&self, file: &str) {
        let path = self.home.path().join(file);
        if path.is_dir() { fs::remove_dir(path).unwrap() } else { fs::remove_file(path).unwrap() }
    }
}

/// One connection that is used again and again.
struct Scraper(BufReader<TcpStream>);

impl Scraper {
    async fn connect(exporter: &Exporter) -> Self {
        Self(BufReader::new(TcpStream::connect(exporter.address()).await.unwrap()))
    }

    async fn scrape(&mut self) -> String {
        self.0.write_all(b"GET /metrics HTTP/1.1\r\nhost: exporter\r\n\r\n").await.unwrap();
        let (mut length, mut line) = (0, String::new());
        while line != "\r\n" {
            line.clear();
            assert!(self.0.read_line(&mut line).await.unwrap() > 0, "it hung up on a scraper");
            if let Some(told) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
                length = told.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).await.unwrap();
        String::from_utf8(body).unwrap()
    }
}

fn both_valid(page: &str) -> bool {
    state(page, "good") == "valid" && state(page, "doomed") == "valid"
}

fn probes(page: &str, token: &str) -> f64 {
    value(page, &format!("hex_token_probes_total{{token=\"{token}\",workspace=\"main\"}}")).unwrap()
}

fn failures(page: &str, token: &str, reason: &str) -> f64 {
    let labels = format!("token=\"{token}\",workspace=\"main\",reason=\"{reason}\"");
    value(page, &format!("hex_token_probe_failures_total{{{labels}}}")).unwrap()
}

/// How many file descriptors it may have from now on. It keeps those that it has.
fn allow_descriptors(exporter: &Exporter, limit: Rlimit) {
    let pid = Pid::from_raw(exporter.pid().cast_signed()).unwrap();
    prlimit(Some(pid), Resource::Nofile, limit).unwrap();
}

/// Waits for something of the process or of the fake Hex.
async fn until(what: &str, holds: impl Fn() -> bool) {
    let waiting = async {
        let mut look_again = interval(Duration::from_millis(25));
        while !holds() {
            look_again.tick().await;
        }
    };
    timeout(Duration::from_mins(1), waiting).await.unwrap_or_else(|_| panic!("not in time: {what}"));
}

/// Whether it is stopped, by what the kernel says of it.
fn is_suspended(exporter: &Exporter) -> bool {
    let told = fs::read_to_string(format!("/proc/{}/stat", exporter.pid())).unwrap();
    told.rsplit_once(')').unwrap().1.trim_start().starts_with('T')
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_was_suspended_goes_on_and_sees_what_happened_meanwhile() {
    let stand = Stand::new().await;
    let exporter = Exporter::start(&stand.config);
    exporter.shows("both valid", both_valid).await;
    // One with the same intervals that goes on: it tells how many probes the suspended one has missed.
    let other = stand.home.path().join("other.yaml");
    let config = fs::read_to_string(&stand.config).unwrap();
    let (settings, _) = config.split_once("tokens: ").unwrap();
    fs::write(&other, format!("{settings}tokens: {{witness: {{credentials_file: witness}}}}\n")).unwrap();
    let _other = Exporter::start(&other);
    let asked = |name: &str| {
        let requests = stand.hex.requests();
        requests.iter().filter(|request| request.token.as_deref() == Some(name)).count()
    };
    exporter.signal("STOP");
    until("it is suspended", || is_suspended(&exporter)).await;
    stand.hex.update(|world| world.revoke("doomed")).unwrap();
    let (good, doomed, witness) = (asked("good"), asked("doomed"), asked("witness"));
    until("probes of the other", || asked("witness") > witness + 4).await;
    // What it sent before may have arrived since.
    assert!(asked("good") <= good + 1 && asked("doomed") <= doomed + 1, "it probes while it is suspended");
    exporter.signal("CONT");
    let page = exporter.shows("the death", |page| state(page, "doomed") == "invalid").await;
    assert_eq!(state(&page, "good"), "valid");
    assert_eq!(exporter.get("/-/healthy").await.unwrap().0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_file_descriptors_verdicts_stand_and_probes_go_on_after() {
    let stand = Stand::new().await;
    let exporter = Exporter::start(&stand.config);
    exporter.shows("both valid", both_valid).await;
    // A scraper that keeps its connection, and has it before there are no more.
    let mut scraper = Scraper::connect(&exporter).await;
    let had = failures(&scraper.scrape().await, "good", "credential_unreadable");
    let plenty = getrlimit(Resource::Nofile);
    allow_descriptors(&exporter, Rlimit { current: Some(0), ..plenty });
    let deadline = Instant::now() + Duration::from_mins(1);
    let mut ticks = interval(Duration::from_millis(50));
    loop {
        ticks.tick().await;
        let page = scraper.scrape().await;
        assert!(both_valid(&page), "a verdict changed for want of file descriptors");
        if failures(&page, "good", "credential_unreadable") > had + 2.0 {
            break;
        }
        assert!(Instant::now() < deadline, "want of file descriptors is not felt\n{page}");
    }
    allow_descriptors(&exporter, plenty);
    let before = probes(&exporter.metrics().await, "good");
    let success = "hex_token_probe_success{token=\"good\",workspace=\"main\"}";
    let page = exporter
        .shows("probes again", |page| probes(page, "good") > before && value(page, success) == Some(1.0))
        .await;
    assert!(both_valid(&page));
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_cannot_be_read_change_no_verdict() {
    let stand = Stand::new().await;
    let exporter = Exporter::start(&stand.config);
    exporter.shows("both valid", both_valid).await;
    let mut failed = 0.0;
    let long = vec![b'x'; 100_000];
    for bad in [None, Some(&b""[..]), Some(b"\xff\xfe"), Some(b"two\nlines"), Some(long.as_slice())] {
        stand.remove("good");
        match bad {
            None => fs::create_dir(stand.home.path().join("good")).unwrap(),
            Some(bytes) => stand.write("good", bytes),
        }
        let unreadable = |page: &str| failures(page, "good", "credential_unreadable") > failed;
        let page = exporter.shows("an unreadable credential", unreadable).await;
        assert!(both_valid(&page), "a verdict changed because of an unreadable file");
        stand.remove("good");
        stand.write("good", GOOD.as_bytes());
        let success = "hex_token_probe_success{token=\"good\",workspace=\"main\"}";
        let page = exporter.shows("it is back", |page| value(page, success) == Some(1.0)).await;
        assert!(both_valid(&page));
        failed = failures(&page, "good", "credential_unreadable");
    }
    let good = fs::read(&stand.config).unwrap();
    let reloaded = "hex_token_exporter_config_last_reload_successful";
    for bad in [None, Some(&b""[..]), Some(b"\xff\xfe"), Some(b"tokens: ["), Some(b"tokens: {x: {y: z}}")] {
        stand.remove("config.yaml");
        match bad {
            None => fs::create_dir(&stand.config).unwrap(),
            Some(bytes) => stand.write("config.yaml", bytes),
        }
        exporter.signal("HUP");
        let page = exporter.shows("a refused reload", |page| value(page, reloaded) == Some(0.0)).await;
        assert!(both_valid(&page), "a verdict changed because of a bad configuration");
        stand.remove("config.yaml");
        stand.write("config.yaml", &good);
        exporter.signal("HUP");
        let page = exporter.shows("a reload", |page| value(page, reloaded) == Some(1.0)).await;
        assert!(both_valid(&page));
    }
    for piece in [&GOOD[11..], &DOOMED[13..]] {
        assert!(!exporter.said().contains(piece), "a credential is logged");
    }
}
