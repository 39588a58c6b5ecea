//! `docs/CONFIGURATION.md` names every key, and no other.

use std::{collections::BTreeSet, fs};

use hex_token_exporter::config::keys;

/// The keys in the first column of the table under a heading.
fn documented(text: &str, heading: &str) -> BTreeSet<String> {
    let section = text.split("\n## ").find(|section| section.starts_with(heading));
    let section = section.unwrap_or_else(|| panic!("there is no section {heading}"));
    let cell = |line: &str| Some(line.strip_prefix("| `")?.split('`').next()?.to_owned());
    section.lines().filter_map(cell).collect()
}

#[test]
fn every_key_is_documented_and_no_other() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/CONFIGURATION.md");
    let text = fs::read_to_string(path).unwrap();
    let credential_and_directory = [keys::CREDENTIAL, keys::DIRECTORY].concat();
    for (heading, known) in [
        ("The sections", keys::TOP),
        ("`probe`", keys::PROBE),
        ("`workspaces`", keys::WORKSPACE),
        ("Per-token keys", keys::PER_TOKEN),
        ("`tokens` and `token_directories`", credential_and_directory.as_slice()),
    ] {
        let known: BTreeSet<String> = known.iter().map(|key| (*key).to_owned()).collect();
        assert_eq!(documented(&text, heading), known, "{heading}");
    }
}
