//! Replays what fuzzing has found worth keeping, and as many changes of it as take a few seconds: every
//! target of `fuzz/`, on every toolchain.
//!
//! `FUZZ_RUNS=100000` tries that many changes a target, and `FUZZ_SEED=17` others. `scripts/fuzz.sh` lets
//! libFuzzer look for new ones.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test fails by panicking, and says its seed")]

#[path = "../faults/chance.rs"]
mod chance;
mod mutation;
#[path = "../../fuzz/src/lib.rs"]
pub mod targets;

use std::{
    collections::BTreeSet,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use chance::Chance;
use mutation::mutate;

/// Of each target.
const RUNS: u64 = 300;

fn replay(target: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let kept: Vec<_> =
        ["corpus", "regressions"].iter().flat_map(|kind| files(&root.join(kind).join(target))).collect();
    assert!(!kept.is_empty(), "{target} has no corpus");
    for (file, input) in &kept {
        attempt(target, input, &file.display().to_string());
    }
    let words = mutation::words(&root.join("dictionaries").join(format!("{target}.dict")));
    let (seed, runs) = (number("FUZZ_SEED", 1), number("FUZZ_RUNS", RUNS));
    for run in 0..runs {
        let mut chance = Chance::of(seed, &[run]);
        let inputs: Vec<&[u8]> = kept.iter().map(|(_, input)| input.as_slice()).collect();
        let input = mutate(&inputs, &words, &mut chance);
        attempt(target, &input, &format!("run {run} of FUZZ_SEED={seed}"));
    }
    println!("{target}: {} kept inputs, {runs} changes of them, FUZZ_SEED={seed}", kept.len());
}

/// Runs a target; where that fails, keeps the input, and says where.
fn attempt(target: &str, input: &[u8], origin: &str) {
    if catch_unwind(AssertUnwindSafe(|| targets::run(target, input))).is_err() {
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{target}"));
        fs::write(&file, input).unwrap();
        panic!("{target} fails by {origin}; the input is in {}", file.display());
    }
}

fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|file| (file.clone(), fs::read(file).unwrap())).collect()
}

fn number(variable: &str, otherwise: u64) -> u64 {
    #[expect(clippy::disallowed_methods, reason = "the settings of a test")]
    let told = std::env::var(variable);
    told.map_or(otherwise, |told| told.parse().unwrap())
}

#[test]
fn every_target_is_run_by_both_and_built_from_the_same_crates() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |name: &str| fs::read_to_string(root.join(name)).unwrap();
    let manifest = read("fuzz/Cargo.toml");
    let entries = manifest
        .lines()
        .filter_map(|line| line.strip_prefix("path = \"fuzz_targets/")?.strip_suffix(".rs\""));
    let known: Vec<&str> = targets::TARGETS.iter().map(|(name, _)| *name).collect();
    assert_eq!(entries.collect::<Vec<_>>(), known);
    for name in known {
        let entry = read(&format!("fuzz/fuzz_targets/{name}.rs"));
        assert!(entry.contains(&format!("run(\"{name}\", input)")), "{name}");
    }
    // A lock of its own may hold what only fuzzing needs; all else is what is shipped.
    let crates = |lock: &str| -> BTreeSet<String> {
        lock.split("[[package]]").skip(1).map(|it| it.lines().skip(1).take(2).collect()).collect()
    };
    let (own, shipped) = (crates(&read("fuzz/Cargo.lock")), crates(&read("Cargo.lock")));
    let more: Vec<_> = own.difference(&shipped).collect();
    let is_for_fuzzing = |it: &&&String| {
        ["arbitrary", "hex-token-exporter-fuzz", "libfuzzer-sys"].iter().any(|name| it.contains(name))
    };
    assert_eq!(
        more.iter().filter(is_for_fuzzing).count(),
        more.len(),
        "copy Cargo.lock to fuzz/ anew: {more:?}"
    );
}

#[test]
fn answers_of_hex() {
    replay("answer");
}

#[test]
fn configurations() {
    replay("config");
}

#[test]
fn overrides() {
    replay("overrides");
}

#[test]
fn requests() {
    replay("request");
}

#[test]
fn scenarios() {
    replay("scenario");
}

#[test]
fn secrets() {
    replay("secrets");
}

#[test]
fn state_files() {
    replay("state_file");
}

#[test]
fn web_configurations() {
    replay("web_config");
}
