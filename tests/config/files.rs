//! `testdata/config`: good configurations, and bad ones each beside the exact words that refuse them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use hex_token_exporter::config::{Environment, Source, load};

use crate::support::lines;

fn examples(prefix: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/testdata/config");
    let is_example = |path: &PathBuf| {
        path.extension().is_some_and(|extension| extension == "yaml")
            && path.file_name().unwrap().to_str().unwrap().starts_with(prefix)
    };
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut examples: Vec<_> = entries.filter(is_example).collect();
    examples.sort();
    examples
}

/// `UPDATE_EXPECTED=1` writes the messages instead of comparing them, for a review in the diff.
#[test]
fn bad_configurations_are_refused_in_exact_words() {
    let examples = examples("bad-");
    assert!(examples.len() >= 40, "only {} bad configurations", examples.len());
    let update = Environment::of_process().get("UPDATE_EXPECTED").is_some();
    for example in examples {
        let refusal = load(&Source::File(example.clone()), &Environment::default());
        let found = format!("{}\n", refusal.expect_err(&example.display().to_string()));
        let beside = example.with_extension("txt");
        if update {
            fs::write(&beside, &found).unwrap();
        }
        let expected = fs::read_to_string(&beside).expect("each bad configuration has its message");
        assert_eq!(found, expected, "{}", example.display());
    }
}

#[test]
fn good_configurations_are_taken() {
    let examples = examples("good-");
    assert!(examples.len() >= 8, "only {} good configurations", examples.len());
    for example in examples {
        let loaded = load(&Source::File(example.clone()), &Environment::default());
        let loaded = loaded.unwrap_or_else(|errors| panic!("{}: {errors}", example.display()));
        let expected = fs::read_to_string(example.with_extension("txt")).unwrap_or_default();
        assert_eq!(lines(&loaded.warnings), expected.trim_end(), "{}", example.display());
    }
}

#[test]
fn the_example_that_is_shipped_is_good() {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/hex-token-exporter.yaml");
    let loaded = load(&Source::File(shipped), &Environment::default()).unwrap();
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
}
