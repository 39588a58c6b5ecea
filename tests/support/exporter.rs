//! The real binary as a child process, and what it serves.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Condvar, Mutex},
    time::Duration,
};

use tokio::time::{Instant, interval};

/// Long enough for any machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// A running exporter. Dropping it kills it.
pub(crate) struct Exporter {
    process: Child,
    address: String,
    log: Arc<Log>,
}

/// What it logs.
#[derive(Default)]
struct Log {
    said: Mutex<Said>,
    more: Condvar,
}

#[derive(Default)]
struct Said {
    text: String,
    /// Nothing more will come.
    is_all: bool,
}

impl Log {
    fn add(&self, change: impl FnOnce(&mut Said)) {
        change(&mut self.said.lock().unwrap());
        self.more.notify_all();
    }

    /// Waits until it is so, or nothing more will come. Returns the log, and whether it is so.
    fn wait(&self, is_so: impl Fn(&Said) -> bool) -> (String, bool) {
        let goes_on = |said: &mut Said| !is_so(said) && !said.is_all;
        let (said, _) = self.more.wait_timeout_while(self.said.lock().unwrap(), PATIENCE, goes_on).unwrap();
        (said.text.clone(), is_so(&said))
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        // Where it is gone already, all is well.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Exporter {
    /// The binary, to be given arguments or an environment of its own. A shell can lower its limits first.
    pub(crate) fn command(limits: &str) -> Command {
        let binary = env!("CARGO_BIN_EXE_hex-token-exporter");
        let mut command = if limits.is_empty() {
            Command::new(binary)
        } else {
            let mut shell = Command::new("sh");
            shell.args(["-c", &format!("{limits}; exec \"$0\" \"$@\""), binary]);
            shell
        };
        command.env_clear().args(["--web.listen-address", "127.0.0.1:0"]);
        command
    }

    /// Starts it on a configuration file.
    pub(crate) fn start(config: &Path) -> Self {
        Self::run(Self::command("").arg("--config.file").arg(config))
    }

    /// Starts a command, and waits until it listens.
    pub(crate) fn run(command: &mut Command) -> Self {
        let process = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut exporter = Self { process, address: String::new(), log: Arc::default() };
        let lines = BufReader::new(exporter.process.stderr.take().unwrap()).lines().map_while(Result::ok);
        let log = exporter.log.clone();
        // What is not read would block it.
        std::thread::spawn(move || {
            lines.for_each(|line| log.add(|said| said.text.extend([&line, "\n"])));
            log.add(|said| said.is_all = true);
        });
        exporter.address = exporter.addresses(1).remove(0);
        exporter
    }

    /// Waits until it listens at so many addresses, and returns them.
    pub(crate) fn addresses(&self, count: usize) -> Vec<String> {
        let listens = "listening on ";
        let (text, _) = self.log.wait(|said| said.text.matches(listens).count() >= count);
        let after = text.split(listens).skip(1);
        let addresses: Vec<_> = after.map(|it| it.split(['"', ' ']).next().unwrap().to_owned()).collect();
        assert!(addresses.len() >= count, "it did not start: {text}");
        addresses
    }

    /// Where it serves.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// All that it has logged so far.
    pub(crate) fn said(&self) -> String {
        self.log.said.lock().unwrap().text.clone()
    }

    /// Waits until it has logged these words.
    pub(crate) fn says(&self, words: &str) {
        let (text, has_said) = self.log.wait(|said| said.text.contains(words));
        assert!(has_said, "never said: {words}\n{text}");
    }

    /// What it answers at a path, and with which status. `None`: nothing.
    pub(crate) async fn get(&self, path: &str) -> Option<(u16, String)> {
        let client = reqwest::Client::builder().pool_max_idle_per_host(0).timeout(PATIENCE).build().unwrap();
        let answer = client.get(format!("http://{}{path}", self.address)).send().await.ok()?;
        Some((answer.status().as_u16(), answer.text().await.ok()?))
    }

    /// Its metrics.
    pub(crate) async fn metrics(&self) -> String {
        self.get("/metrics").await.unwrap().1
    }

    /// Waits until its metrics are as wanted, and returns them.
    pub(crate) async fn shows(&self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + PATIENCE;
        let mut look_again = interval(Duration::from_millis(25));
        loop {
            look_again.tick().await;
            let page = self.metrics().await;
            if wanted(&page) {
                return page;
            }
            assert!(Instant::now() < deadline, "never shown: {what}\n{page}\n{}", self.said());
        }
    }

    /// Its number.
    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, name: &str) {
        let mut kill = Command::new("kill");
        assert!(kill.args(["-s", name, &self.pid().to_string()]).status().unwrap().success());
    }

    /// Waits for its end: nothing more is logged then.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let (text, has_ended) = self.log.wait(|said| said.is_all);
        assert!(has_ended, "it does not end: {text}");
        self.process.wait().unwrap()
    }
}

/// The state that a page shows of a token of the workspace `main`.
pub(crate) fn state<'a>(page: &'a str, token: &str) -> &'a str {
    let start = format!("hex_token_state{{token=\"{token}\",workspace=\"main\",state=\"");
    let mut lines = page.lines().filter_map(|line| line.strip_prefix(&start)?.strip_suffix("\"} 1"));
    lines.next().unwrap_or("nothing")
}

/// The value of the series that begins so.
pub(crate) fn value(page: &str, series: &str) -> Option<f64> {
    page.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok())
}
