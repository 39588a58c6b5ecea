//! The architecture as a test: reads the sources as text and holds them to `docs/ARCHITECTURE.md`.
//!
//! Who may import whom, and which crate has which door, is read from the tables of that document, so that
//! it cannot say one thing while the code does another. Test code is held to less: it may name what it
//! likes.

#![expect(clippy::unwrap_used, reason = "what cannot be read is a failed test")]

#[path = "tidy/source.rs"]
mod source;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    fs,
};

use source::{Source, all_sources, root, sources};

const LONGEST_FILE: usize = 400;

#[test]
fn the_reader_of_sources_sees_what_is_named_and_nothing_else() {
    let text = r##"//! crate::comment
use std::{env, io::{self, Read as _}}; // std::comment
use crate::{
    domain::Name,
    store::{Store, view},
};
fn code<'a>(text: &'a str) -> char { let _ = ("crate::\"quoted", r#"crate::"raw"#); super::there(); '"' }
#[cfg(test)]
mod tests {
    use crate::tested;
}
pub use self::last;
"##;
    let source = Source::of("src/http/page.rs", text);
    let named: Vec<_> = source.paths.iter().map(|(line, path)| format!("{line} {path}")).collect();
    let long: Vec<_> = named.iter().filter(|path| path.contains("::")).map(String::as_str).collect();
    assert_eq!(
        long,
        [
            "2 std::env",
            "2 std::io::self",
            "2 std::io::Read",
            "3 crate::domain::Name",
            "3 crate::store::Store",
            "3 crate::store::view",
            "7 super::there",
            "12 self::last"
        ]
    );
    let absolute: Vec<_> = source.absolute_paths().map(|(_, path)| path.join("::")).collect();
    assert_eq!(absolute, ["domain::Name", "store::Store", "store::view", "http::there"]);
}

#[test]
fn folders_import_only_what_the_architecture_allows() {
    let allowed: BTreeMap<String, Vec<String>> = table("## Who may import whom")
        .into_iter()
        .map(|row| (quoted(&row[0]).concat(), quoted(&row[1])))
        .collect();
    let modules = top_modules();
    let mut problems = Vec::new();
    for file in sources("src") {
        let from = file.module().first().cloned().unwrap_or_else(|| "lib".to_owned());
        for (line, path) in file.absolute_paths() {
            let Some(to) = path.first().filter(|to| modules.contains(*to) && **to != from) else { continue };
            if !allowed.get(&from).is_some_and(|list| list.contains(to)) {
                problems.push(format!("{}:{line}: `{from}` must not import `{to}`", file.name));
            }
        }
    }
    let unnamed = modules.iter().filter(|module| !allowed.contains_key(*module));
    problems.extend(unnamed.map(|module| format!("src: `{module}` has no row in the table")));
    report(problems, "the arrows are in docs/ARCHITECTURE.md, \"Who may import whom\"");
}

#[test]
fn crates_are_named_only_behind_their_doors() {
    let mut doors: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in table("## One crate, one door") {
        for what in quoted(&row[0]) {
            doors.entry(what).or_default().extend(quoted(&row[1]));
        }
    }
    let mut problems = Vec::new();
    for file in sources("src") {
        for (line, path) in &file.paths {
            for (what, places) in &doors {
                let named = match what.strip_suffix("()") {
                    Some(function) => path.ends_with(&format!("::{function}")) || path == function,
                    None => path.starts_with(&format!("{what}::")),
                };
                if named && !places.iter().any(|place| file.is_in(place)) {
                    problems.push(format!("{}:{line}: `{what}` belongs in {}", file.name, places.join(", ")));
                }
            }
        }
    }
    report(problems, "the doors are in docs/ARCHITECTURE.md, \"One crate, one door\"");
}

#[test]
fn the_middle_is_pure() {
    let pure: BTreeMap<String, Vec<String>> = table("### What the pure middle may name")
        .into_iter()
        .map(|row| (quoted(&row[0]).concat(), quoted(&row[1])))
        .collect();
    let crates = dependencies();
    let mut problems = Vec::new();
    for file in sources("src").into_iter().filter(|file| file.is_in("domain/")) {
        for (line, path) in &file.paths {
            let Some((root, _)) = path.split_once("::") else { continue };
            let allowed = pure.get(root).is_some_and(|places| places.iter().any(|place| file.is_in(place)));
            if crates.contains(root) && !allowed {
                problems.push(format!("{}:{line}: `{root}` has no place in the pure middle", file.name));
            }
        }
        let waits = ["async ", ".await"].into_iter().filter(|word| file.code.contains(word));
        problems.extend(waits.map(|word| format!("{}: `{}` in the pure middle", file.name, word.trim())));
    }
    report(problems, "see docs/ARCHITECTURE.md, \"What the pure middle may name\"");
}

#[test]
fn the_architecture_names_only_what_exists_and_every_module() {
    let text = architecture();
    let is_path = |name: &String| {
        !name.contains(['*', '{', '<', ' ', '=', '$'])
            && !name.starts_with(['/', '-', '.'])
            && (name.ends_with('/')
                || [".rs", ".md", ".sh", ".py", ".toml"].iter().any(|end| name.ends_with(end)))
    };
    let exists = |name: &String| root().join(name).exists() || root().join("src").join(name).exists();
    let mut problems: Vec<_> = quoted(&text)
        .into_iter()
        .filter(|name| is_path(name) && !exists(name))
        .map(|name| format!("docs/ARCHITECTURE.md: there is no `{name}`"))
        .collect();
    for module in top_modules() {
        let (folder, file) = (format!("`{module}/`"), format!("`{module}.rs`"));
        if !text.contains(&folder) && !text.contains(&file) {
            problems.push(format!("docs/ARCHITECTURE.md: does not name `{module}`"));
        }
    }
    report(problems, "the document is read by people: keep it true");
}

#[test]
fn files_are_short_and_say_what_they_are_for() {
    let mut problems = Vec::new();
    for file in all_sources() {
        let lines = file.text.lines().count();
        if lines > LONGEST_FILE {
            problems.push(format!("{}: {lines} lines, of at most {LONGEST_FILE}: split it", file.name));
        }
        if !file.text.starts_with("//!") {
            problems.push(format!("{}: must begin with `//!` and its rule", file.name));
        }
        let catch_all = ["utils.rs", "util.rs", "common.rs", "types.rs", "helpers.rs", "misc.rs"];
        if file.name.starts_with("src/") && catch_all.iter().any(|name| file.name.ends_with(name)) {
            problems.push(format!("{}: a name that catches all says nothing", file.name));
        }
    }
    report(problems, "one idea a file");
}

#[test]
fn nothing_is_silenced_or_put_off() {
    let mut problems = Vec::new();
    for file in all_sources() {
        let flat: String = file.code.split_whitespace().collect();
        for (found, why) in [
            ("#[allow(", "use `#[expect(lint, reason = \"...\")]`"),
            ("#![allow(", "use `#[expect(lint, reason = \"...\")]`"),
            ("#[ignore", "a test runs, or it goes"),
            ("thread::sleep", "wait for the thing, not for a while"),
        ] {
            if flat.contains(found) {
                problems.push(format!("{}: `{found}`: {why}", file.name));
            }
        }
        for expectation in flat.split("#[expect(").skip(1) {
            if !expectation.split(")]").next().is_some_and(|inside| inside.contains("reason=")) {
                problems.push(format!("{}: an `#[expect(...)]` without a reason", file.name));
            }
        }
        for mark in ["TODO", "FIXME", "XXX"] {
            if file.name != "tests/tidy.rs" && file.text.contains(mark) {
                problems.push(format!("{}: {mark}: do it, or file it", file.name));
            }
        }
    }
    // Clippy finds a bare unwrap better than a search of the text would; here it is kept from being told
    // not to look.
    let manifest = read("Cargo.toml");
    for lint in ["unwrap_used", "expect_used", "allow_attributes", "allow_attributes_without_reason"] {
        if !manifest.contains(&format!("\n{lint} = \"warn\"\n")) {
            problems.push(format!("Cargo.toml: the lint `{lint}` must warn"));
        }
    }
    for ban in read("clippy.toml").lines().filter(|line| line.contains("path = ")) {
        if !ban.contains("reason = ") {
            problems.push(format!("clippy.toml: a ban without a reason: {}", ban.trim()));
        }
    }
    report(problems, "scripts/test.sh turns every warning of clippy into an error");
}

#[test]
fn tests_do_not_sleep() {
    // What stands in for a slow upstream may be slow, and time that tokio pauses costs none.
    let may = |file: &Source| {
        file.name.contains("/support/")
            || file.name.starts_with("tests/stories/")
            || ["start_paused = true", "start_paused(true)", "time::pause()"]
                .iter()
                .any(|paused| file.text.contains(paused))
    };
    let sleeps = |file: &Source| file.paths.iter().any(|(_, path)| path.ends_with("sleep"));
    let problems = sources("tests").into_iter().filter(|file| sleeps(file) && !may(file));
    let problems = problems.map(|file| format!("{}: sleeps", file.name)).collect();
    report(problems, "wait for the thing itself, within a deadline");
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn architecture() -> String {
    read("docs/ARCHITECTURE.md")
}

/// The rows of the first table below a heading, as cells.
fn table(heading: &str) -> Vec<Vec<String>> {
    let text = architecture();
    let below = text.lines().skip_while(|line| *line != heading).skip(1);
    let rows = below.skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let cells = |line: &str| line.split('|').skip(1).map(|cell| cell.trim().to_owned()).collect();
    let rows: Vec<Vec<String>> = rows.skip(2).map(cells).collect();
    assert!(!rows.is_empty(), "docs/ARCHITECTURE.md has no table below \"{heading}\"");
    rows
}

/// What stands between backticks.
fn quoted(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn top_modules() -> BTreeSet<String> {
    let entries = fs::read_dir(root().join("src")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    names.map(|name| name.trim_end_matches(".rs").to_owned()).filter(|name| name != "lib").collect()
}

/// The crates of the manifest, as the code writes them.
fn dependencies() -> BTreeSet<String> {
    let manifest = read("Cargo.toml");
    let section = manifest.lines().skip_while(|line| *line != "[dependencies]").skip(1);
    let lines = section.take_while(|line| !line.starts_with('['));
    lines.filter_map(|line| Some(line.split_once(" = ")?.0.replace('-', "_"))).collect()
}

fn report(mut problems: Vec<String>, hint: &str) {
    problems.dedup();
    let list = problems.iter().fold(String::new(), |mut list, problem| {
        let _ = writeln!(list, "  {problem}");
        list
    });
    assert!(problems.is_empty(), "{} found ({hint}):\n{list}", problems.len());
}
