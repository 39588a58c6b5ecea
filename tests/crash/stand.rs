//! A fake Hex, a home with configuration, credentials and a state file, and what is done to them.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use hex_token_exporter::fake_hex::{Action, FakeHex, Fault, Scenario, World};
use tokio::net::TcpListener;

use crate::{
    chance::Chance,
    exporter::{Exporter, state},
};

/// The tokens. The last is rotated now and then, the one before dies and comes back.
pub(crate) const TOKENS: [&str; 4] = ["steady", "dead", "fickle", "rotated"];

/// How the state file tells of a death.
const INVALID: &str = "\"state\": \"invalid\"";

/// What is done to the state file while nobody is there to mind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Harm {
    Nothing,
    Truncated,
    Corrupted,
    OtherVersion,
    Emptied,
    Removed,
    Directory,
}

impl Harm {
    pub(crate) const ALL: [Self; 7] = [
        Self::Nothing,
        Self::Truncated,
        Self::Corrupted,
        Self::OtherVersion,
        Self::Emptied,
        Self::Removed,
        Self::Directory,
    ];

    /// One after the other, and nothing in between.
    pub(crate) fn of(seed: u64) -> Self {
        let (turn, odd) = (usize::try_from(seed / 2).unwrap(), seed % 2 == 1);
        if odd { Self::Nothing } else { Self::ALL[turn % Self::ALL.len()] }
    }
}

/// See the module.
pub(crate) struct Stand {
    hex: FakeHex,
    home: tempfile::TempDir,
    config: PathBuf,
    down: bool,
    /// When the process was killed, on Hex's watch.
    killed_at: Duration,
    /// The dead that an unharmed state file knows.
    remembered: BTreeSet<&'static str>,
    revoked: BTreeSet<&'static str>,
    memories: u64,
}

impl Stand {
    pub(crate) async fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let tokens = TOKENS.map(|name| format!("{name}: {{kind: workspace}}")).join(", ");
        let limits = "limits: {user_per_minute: 100000, group_per_minute: 100000}";
        let scenario = format!("stacks: [{{name: main, {limits}, tokens: {{{tokens}}}}}]");
        let stack = Scenario::parse(&scenario).unwrap().stacks.into_iter().next().unwrap();
        let hex = FakeHex::start(TcpListener::bind("127.0.0.1:0").await.unwrap(), stack).unwrap();
        hex.update(|world| world.revoke("dead")).unwrap();
        let config = home.path().join("config.yaml");
        let stand = Self {
            hex,
            home,
            config,
            down: false,
            killed_at: Duration::ZERO,
            remembered: BTreeSet::new(),
            revoked: BTreeSet::from(["dead"]),
            memories: 0,
        };
        for token in TOKENS {
            stand.write_credential(token);
        }
        stand.write_config(0);
        stand
    }

    pub(crate) fn config(&self) -> &Path {
        &self.config
    }

    /// How often a dead one was found to be remembered.
    pub(crate) fn memories(&self) -> u64 {
        self.memories
    }

    pub(crate) fn hex_is_down(&self) -> bool {
        self.down
    }

    pub(crate) fn hex_is_back(&mut self) {
        self.hex.update(World::clear_faults);
        self.down = false;
    }

    /// Whether Hex has accepted this token since the last kill.
    pub(crate) fn accepted_since_the_start(&self, token: &str) -> bool {
        self.hex.requests().iter().any(|request| {
            let (by, at) = (request.token.as_deref(), request.at);
            by == Some(token) && at > self.killed_at && request.status == Some(200)
        })
    }

    /// Whether the page tells the truth about all who live.
    pub(crate) fn living_are_told_by(&self, page: &str) -> bool {
        TOKENS.iter().all(|token| self.revoked.contains(token) || state(page, token) == "valid")
    }

    /// Whether the page tells the truth about all who are dead, which takes three 401s each.
    pub(crate) fn dead_are_told_by(&self, page: &str) -> bool {
        self.revoked.iter().all(|token| state(page, token) == "invalid")
    }

    /// Whether the state file tells of nobody dead.
    pub(crate) fn has_forgotten_the_dead(&self) -> bool {
        let text = fs::read_to_string(self.home.path().join("state.json")).unwrap_or_default();
        !text.contains(INVALID)
    }

    /// The dead that an unharmed state file holds are known though Hex can't be asked.
    pub(crate) fn dead_are_remembered(&mut self, page: &str) {
        for token in &self.remembered {
            self.memories += 1;
            assert_eq!(state(page, token), "invalid", "{token} was dead, and the state file is whole");
        }
    }

    /// Something happens while the exporter runs.
    pub(crate) async fn happen(&mut self, chance: &mut Chance, exporter: &Exporter) {
        match chance.below(6) {
            0 => {
                self.write_config(chance.below(1_000));
                exporter.signal("HUP");
            }
            1 => {
                self.hex.update(|world| world.regenerate("rotated")).unwrap();
                self.write_credential("rotated");
            }
            2 if self.revoked.insert("fickle") => {
                self.hex.update(|world| world.revoke("fickle")).unwrap();
            }
            2 => {
                self.revoked.remove("fickle");
                self.hex.update(|world| world.token("fickle").map(|token| token.revoked = false)).unwrap();
            }
            3 => {
                exporter.get("/probe?name=steady").await;
            }
            _ => {
                exporter.get("/metrics").await;
            }
        }
    }

    /// The process is dead. Something is done to what it left, and Hex may go.
    pub(crate) fn harm(&mut self, harm: Harm, chance: &mut Chance) {
        let file = self.home.path().join("state.json");
        self.remembered.clear();
        if file.is_dir() {
            fs::remove_dir(&file).unwrap();
        }
        let text = fs::read_to_string(&file).unwrap_or_default();
        match harm {
            Harm::Nothing => {
                let entries = text.split("\"name\"").skip(1);
                let dead = entries.filter(|entry| entry.contains(INVALID));
                let names = dead.filter_map(|entry| entry.split('"').nth(1));
                let known: Vec<&str> = names.collect();
                // Its credential may be another by now, and its rejection may be over.
                let sure = TOKENS.into_iter().filter(|token| known.contains(token) && *token != "rotated");
                self.remembered = sure.filter(|token| self.revoked.contains(token)).collect();
            }
            Harm::Truncated => fs::write(&file, &text[..chance.below(text.len().max(1))]).unwrap(),
            Harm::Corrupted => {
                let mut bytes = text.into_bytes();
                for _ in 0..4 {
                    let length = bytes.len();
                    if let Some(byte) = bytes.get_mut(chance.below(length.max(1))) {
                        *byte ^= 1 << chance.below(8);
                    }
                }
                fs::write(&file, bytes).unwrap();
            }
            Harm::OtherVersion => fs::write(&file, text.replace("\"version\": 1", "\"version\": 2")).unwrap(),
            Harm::Emptied => fs::write(&file, "").unwrap(),
            Harm::Removed => fs::remove_file(&file).unwrap_or_default(),
            Harm::Directory => {
                fs::remove_file(&file).unwrap_or_default();
                fs::create_dir(&file).unwrap();
            }
        }
        if chance.percent(50) {
            self.hex.update(|world| world.add_fault(Fault::new(Action::Status(503))));
            self.down = true;
        }
        self.killed_at = self.hex.requests().last().map_or(Duration::ZERO, |request| request.at);
    }

    fn write_credential(&self, token: &str) {
        let value = self.hex.update(|world| world.credential(token)).unwrap();
        // As secrets are replaced by those who know how.
        let aside = self.home.path().join(".new");
        fs::write(&aside, value).unwrap();
        fs::rename(aside, self.home.path().join(token)).unwrap();
    }

    fn write_config(&self, edit: usize) {
        let tokens =
            TOKENS.map(|name| format!("{name}: {{credentials_file: {name}, token_owner: owner-{edit}}}"));
        let yaml = format!(
            "probe: {{interval: 1s, timeout: 500ms, confirm_after: 1s, mass_rejection_hold: 1s, rejected_interval: 1s}}\nstate_file: state.json\nworkspaces: {{main: {{url: '{}', requests_per_minute: 6000}}}}\ntokens: {{{}}}\n",
            self.hex.url(),
            tokens.join(", ")
        );
        fs::write(&self.config, yaml).unwrap();
    }
}

/// Whether every token has been asked about.
pub(crate) fn asked(page: &str) -> bool {
    TOKENS.iter().all(|token| {
        page.contains(&format!(
            "hex_token_last_probe_timestamp_seconds{{token=\"{token}\",workspace=\"main\"}}"
        ))
    })
}
