//! The crash campaign: the real binary is killed at random moments of reloads, rotations and scrapes, its
//! state file is harmed, and it is started again, by seeds.
//!
//! Whatever happened, it starts, serves, never calls a token valid that it has not seen valid since its
//! start, and knows of the dead what an unharmed state file says.
//!
//! `CRASH_KILLS` sets how often it is killed, `CRASH_SEED` where the draws start.

#![expect(clippy::unwrap_used, reason = "what cannot be set up is a failed test")]

#[path = "../faults/chance.rs"]
#[expect(dead_code, reason = "the fault campaign draws more")]
mod chance;
mod disk;
#[path = "../support/exporter.rs"]
#[expect(dead_code, reason = "the fault campaign needs more of it")]
mod exporter;
mod stand;

use std::{ops::Range, process::Command, time::Duration};

use chance::Chance;
use exporter::{Exporter, state, value};
use stand::{Harm, Stand};
use tokio::time::{Instant, timeout};

/// So many fit into the time of a normal test.
const KILLS: u64 = 42;

/// How many exporters are tormented at the same time; they mostly wait.
const LANES: u64 = 3;

/// How soon a killed exporter must serve again. It takes some 30 ms; a loaded machine may be slow.
const SERVES_WITHIN: Duration = Duration::from_secs(10);

/// What `docs/RELIABILITY.md` promises of a machine that has time for it.
const PROMISED: Duration = Duration::from_secs(1);

/// What a machine without time may add: so many times what it takes to start the binary for nothing, which
/// is some 5 ms.
const SLOWNESS: u32 = 10;

#[expect(clippy::disallowed_methods, reason = "how far to go is for whoever starts the campaign")]
fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_it_starts_and_calls_nobody_valid_unseen() {
    let first = number("CRASH_SEED").unwrap_or_default();
    let each = number("CRASH_KILLS").unwrap_or(KILLS).div_ceil(LANES);
    let lane = |lane: u64| torment(first + lane * each..first + (lane + 1) * each);
    let (a, b, c) = tokio::join!(lane(0), lane(1), lane(2));
    let (slow, memories) = (a.0 + b.0 + c.0, a.1 + b.1 + c.1);
    println!("{} ends, {slow} slow starts, a dead token remembered {memories} times", each * LANES);
    assert!(memories > 0 || each * LANES < KILLS, "no whole state file was ever put to use");
    assert!(slow * 4 <= each * LANES, "{slow} starts took more than {PROMISED:?} and what the machine adds");
}

/// Kills and starts one exporter again and again. Returns how many starts were slow, and how often a dead
/// token was remembered.
#[expect(clippy::print_stdout, reason = "whoever repeats a failure needs its seed")]
async fn torment(seeds: Range<u64>) -> (u64, u64) {
    let mut stand = Stand::new().await;
    let mut slow = 0;
    for seed in seeds {
        println!("CRASH_SEED={seed}");
        let mut chance = Chance::of(seed, &[]);
        let allowed = PROMISED + start_for_nothing() * SLOWNESS;
        let started = Instant::now();
        let mut exporter = Exporter::start(stand.config());
        let page = exporter.metrics().await;
        let took = started.elapsed();
        assert!(took < SERVES_WITHIN, "it served after {took:?}");
        slow += u64::from(took > allowed);
        nobody_is_valid_unseen(&stand, &page);
        if stand.hex_is_down() {
            let page = exporter.shows("a whole round", stand::asked).await;
            nobody_is_valid_unseen(&stand, &page);
            stand.dead_are_remembered(&page);
            stand.hex_is_back();
        }
        exporter.shows("the living", |page| stand.living_are_told_by(page)).await;
        if stand.has_forgotten_the_dead() && chance.percent(40) {
            // An orderly end writes the state file, of which the next starts can be told.
            exporter.shows("the dead", |page| stand.dead_are_told_by(page)).await;
            exporter.signal("TERM");
            assert!(exporter.ended().success());
        } else {
            let moment = Duration::from_millis(u64::try_from(chance.below(300)).unwrap());
            let trouble = async {
                loop {
                    stand.happen(&mut chance, &exporter).await;
                }
            };
            // Whatever it is doing by then.
            assert!(timeout(moment, trouble).await.is_err());
            exporter.signal("KILL");
        }
        drop(exporter);
        stand.harm(Harm::of(seed), &mut chance);
    }
    (slow, stand.memories())
}

/// How long the binary takes to say what it is, at this moment and with all that the machine has to do.
fn start_for_nothing() -> Duration {
    let started = Instant::now();
    let version = Command::new(env!("CARGO_BIN_EXE_hex-token-exporter")).arg("--version").output().unwrap();
    assert!(version.status.success());
    started.elapsed()
}

fn nobody_is_valid_unseen(stand: &Stand, page: &str) {
    for token in stand::TOKENS {
        let success =
            format!("hex_token_last_success_timestamp_seconds{{token=\"{token}\",workspace=\"main\"}}");
        let shown = state(page, token);
        if stand.hex_is_down() {
            assert_ne!(shown, "valid", "{token} was not seen since the start");
        } else if shown == "valid" {
            let seen = stand.accepted_since_the_start(token);
            assert!(seen, "{token} is shown as valid, and Hex was not asked: {:?}", value(page, &success));
        }
        assert!(["valid", "unknown", "invalid"].contains(&shown), "{token} is shown as {shown}");
    }
}
