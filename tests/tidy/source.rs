//! Reads source files as text, and finds the paths in their code.
//!
//! It is no parser of Rust: it knows comments, quotes, test modules and `a::{b, c}`, which is enough for
//! code that rustfmt has laid out.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Where the package is.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All source files there are.
pub(crate) fn all_sources() -> Vec<Source> {
    ["src", "tests", "benches", "fuzz/src", "fuzz/fuzz_targets"].into_iter().flat_map(sources).collect()
}

/// The source files below a folder, by name.
pub(crate) fn sources(folder: &str) -> Vec<Source> {
    let mut files = Vec::new();
    let mut folders: Vec<PathBuf> = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(Source::read(&path));
            }
        }
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    files
}

/// One source file.
pub(crate) struct Source {
    /// Its path below the root, with `/`.
    pub(crate) name: String,
    pub(crate) text: String,
    /// The text without comments and what is in quotes; of `src/` also without test modules.
    pub(crate) code: String,
    /// Every path of the code, those in braces expanded, with its line.
    pub(crate) paths: Vec<(usize, String)>,
}

impl Source {
    fn read(path: &Path) -> Self {
        let name = path.strip_prefix(root()).unwrap().to_string_lossy();
        Self::of(&name, &fs::read_to_string(path).unwrap())
    }

    /// A file of that name and text.
    pub(crate) fn of(name: &str, text: &str) -> Self {
        let mut code = without_comments_and_quotes(text);
        if name.starts_with("src/") {
            code = if name.ends_with("_tests.rs") { String::new() } else { without_tests(&code) };
        }
        let paths = paths(&code);
        Self { name: name.to_owned(), text: text.to_owned(), code, paths }
    }

    /// The module that it is, from the root of the crate.
    pub(crate) fn module(&self) -> Vec<String> {
        let path = self.name.trim_start_matches("src/").trim_end_matches(".rs");
        path.split('/').filter(|part| *part != "mod" && *part != "lib").map(str::to_owned).collect()
    }

    /// Its paths that lead from the root of the crate, as segments.
    pub(crate) fn absolute_paths(&self) -> impl Iterator<Item = (usize, Vec<String>)> + '_ {
        self.paths.iter().filter_map(|(line, path)| {
            let mut segments: Vec<_> = path.split("::").map(str::to_owned).collect();
            if ["crate", "hex_token_exporter"].contains(&segments[0].as_str()) {
                return Some((*line, segments.split_off(1)));
            }
            let ups = segments.iter().take_while(|segment| *segment == "super").count();
            let mut base = self.module();
            (ups > 0 && ups <= base.len()).then(|| {
                base.truncate(base.len() - ups);
                base.extend(segments.split_off(ups));
                (*line, base)
            })
        })
    }

    /// Whether it is this file, or below this folder, of `src/`.
    pub(crate) fn is_in(&self, place: &str) -> bool {
        let below = self.name.trim_start_matches("src/");
        if place.ends_with('/') { below.starts_with(place) } else { below == place }
    }
}

fn without_comments_and_quotes(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let hashes = rest.strip_prefix('r').map_or(0, |raw| raw.len() - raw.trim_start_matches('#').len());
        let raw = hashes > 0 && rest[1 + hashes..].starts_with('"') || rest.starts_with("r\"");
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if raw && !code.ends_with(|last: char| last.is_alphanumeric() || last == '_') {
            let start = hashes + 2;
            let end = format!("\"{}", "#".repeat(hashes));
            rest[start..].find(&end).map_or(rest.len(), |found| start + found + end.len())
        } else if next == '"' {
            quote_end(rest)
        } else if rest.starts_with("'\"'") || rest.starts_with("'\\") {
            rest[2..].find('\'').map_or(rest.len(), |end| end + 3)
        } else {
            code.push(next);
            rest = &rest[next.len_utf8()..];
            continue;
        };
        code.extend(rest[..skipped].chars().filter(|kept| *kept == '\n'));
        rest = &rest[skipped..];
    }
    code
}

/// Behind the closing quote.
fn quote_end(text: &str) -> usize {
    let mut escaped = false;
    for (at, letter) in text.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Blanks every module behind `#[cfg(test)]`. rustfmt puts its closing brace below its first letter.
fn without_tests(code: &str) -> String {
    let mut kept = String::with_capacity(code.len());
    let mut lines = code.lines();
    while let Some(line) = lines.next() {
        if line.trim() != "#[cfg(test)]" {
            kept.push_str(line);
        } else if lines.next().is_some_and(|module| module.ends_with('{')) {
            let end = format!("{}}}", &line[..line.len() - line.trim_start().len()]);
            let inside = lines.by_ref().take_while(|inside| *inside != end).count();
            kept.push_str(&"\n".repeat(inside + 2));
        } else {
            kept.push('\n');
        }
        kept.push('\n');
    }
    kept
}

fn paths(code: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let (mut rest, mut line) = (code, 1);
    while let Some(start) = rest.find(|letter: char| letter.is_alphabetic() || letter == '_') {
        line += rest[..start].matches('\n').count();
        let behind = branch(&rest[start..], "", line, &mut found);
        line += rest[start..rest.len() - behind.len()].matches('\n').count();
        rest = behind;
    }
    found
}

/// Reads one path with its branches, and returns what is behind it.
fn branch<'a>(text: &'a str, prefix: &str, line: usize, found: &mut Vec<(usize, String)>) -> &'a str {
    let end = text.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(text.len());
    let (path, mut rest) = (format!("{prefix}{}", &text[..end]), &text[end..]);
    let is_open = |rest: &str| rest.starts_with(|next: char| next.is_alphabetic() || next == '_');
    if let Some(more) = rest.strip_prefix("::").filter(|more| is_open(more)) {
        return branch(more, &format!("{path}::"), line, found);
    }
    let Some(group) = rest.strip_prefix("::{") else {
        found.push((line, path));
        return rest;
    };
    rest = group.trim_start();
    while let Some(next) = rest.chars().next().filter(|next| *next != '}') {
        let is_word = next.is_alphabetic() || next == '_';
        rest =
            if is_word { branch(rest, &format!("{path}::"), line, found) } else { &rest[next.len_utf8()..] };
        if let Some(renamed) = rest.strip_prefix(" as ") {
            rest = &renamed[renamed.find([',', '}']).unwrap_or(renamed.len())..];
        }
        rest = rest.trim_start();
    }
    rest.strip_prefix('}').unwrap_or(rest)
}
