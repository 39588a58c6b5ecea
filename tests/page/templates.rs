//! The templates as text: what must not stand in them, whoever edits them next.

use std::{fs, path::Path};

fn files(folder: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http").join(folder);
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| (path.display().to_string(), fs::read_to_string(&path).unwrap())).collect()
}

#[test]
fn templates_escape_everything_and_hold_neither_script_nor_style() {
    let templates = files("templates");
    assert!(templates.len() >= 4);
    for (name, text) in templates {
        for banned in [
            "|safe",
            "| safe",
            "|escape",
            "escape(",
            "<script",
            "<style",
            "style=",
            "javascript:",
            "src=",
            "<iframe",
            "<object",
            "<base",
        ] {
            assert!(!text.contains(banned), "{name}: {banned}");
        }
        let handler = text.split_whitespace().find(|word| word.starts_with("on") && word.contains('='));
        assert_eq!(handler, None, "{name}");
    }
}

#[test]
fn styles_load_nothing() {
    for (name, text) in files("static") {
        for banned in ["@import", "url(", "@font-face", "<script", "href="] {
            assert!(!text.contains(banned), "{name}: {banned}");
        }
    }
}
