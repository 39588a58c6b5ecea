//! The real binary as a child process, and what it serves.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::time::{Instant, interval};

/// Long enough for any machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// A running exporter. Dropping it kills it.
pub(crate) struct Exporter {
    process: Child,
    address: String,
    said: Arc<Mutex<String>>,
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
        let mut process = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines().map_while(Result::ok);
        let mut first = String::new();
        let told = lines.find(|line| {
            first.push_str(line);
            first.push('\n');
            line.contains("listening on ")
        });
        let told = told.unwrap_or_else(|| panic!("it did not start: {first}"));
        let address = told.split("listening on ").nth(1).unwrap().split('"').next().unwrap().to_owned();
        let said = Arc::new(Mutex::new(first));
        let log = said.clone();
        // What is not read would block it.
        std::thread::spawn(move || {
            for line in lines {
                let mut log = log.lock().unwrap();
                log.push_str(&line);
                log.push('\n');
            }
        });
        Self { process, address, said }
    }

    /// Where it serves.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// All that it has logged so far.
    pub(crate) fn said(&self) -> String {
        self.said.lock().unwrap().clone()
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

    /// Waits for its end.
    pub(crate) fn ended(&mut self) -> ExitStatus {
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
