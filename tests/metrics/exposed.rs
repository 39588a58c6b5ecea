//! A strict reader of Prometheus' text format, written without a look at the writer.

use std::collections::{BTreeMap, BTreeSet};

pub(crate) type Labels = BTreeMap<String, String>;

pub(crate) struct Family {
    pub(crate) help: String,
    pub(crate) kind: String,
}

/// A page. Series are known as `name{a=1,b=2}`, labels in alphabetical order and values unquoted.
pub(crate) struct Page {
    pub(crate) families: BTreeMap<String, Family>,
    pub(crate) values: BTreeMap<String, f64>,
    series: Vec<(String, Labels, f64)>,
}

impl Page {
    /// Panics at the first thing that a strict reader would refuse.
    pub(crate) fn parse(text: &str) -> Self {
        let mut page = Self { families: BTreeMap::new(), values: BTreeMap::new(), series: Vec::new() };
        let mut open = String::new();
        let mut lines = text.split('\n').peekable();
        while let Some(line) = lines.next() {
            if lines.peek().is_none() {
                assert_eq!(line, "", "the page ends in a newline");
            } else if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, help) = help.split_once(' ').unwrap();
                let kind = lines.next().unwrap().strip_prefix(&format!("# TYPE {name} ")).unwrap().to_owned();
                let family = Family { help: unescape(help, false), kind };
                assert!(page.families.insert(name.to_owned(), family).is_none(), "{name} comes twice");
                name.clone_into(&mut open);
            } else {
                page.sample(&open, line);
            }
        }
        let told: BTreeSet<&String> = page.series.iter().map(|(family, ..)| family).collect();
        assert!(page.families.keys().all(|family| told.contains(family)), "a family is empty");
        page
    }

    fn sample(&mut self, family: &str, line: &str) {
        let end = line.find(['{', ' ']).unwrap_or_else(|| panic!("no sample: {line:?}"));
        let (name, rest) = line.split_at(end);
        assert!(name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_'), "{name:?}");
        let suffixes: &[&str] = match self.families[family].kind.as_str() {
            "histogram" => &["_bucket", "_sum", "_count"],
            "gauge" | "counter" => &[""],
            other => panic!("{family} is a {other:?}"),
        };
        assert!(suffixes.iter().any(|suffix| name == format!("{family}{suffix}")), "{name} in {family}");
        let (labels, value) = match rest.strip_prefix('{') {
            Some(rest) => labels(rest),
            None => (Labels::new(), rest),
        };
        let value = value.strip_prefix(' ').unwrap();
        assert!(!value.contains(' '), "no timestamps: {line:?}");
        let value = match value {
            "+Inf" => f64::INFINITY,
            value => value.parse().unwrap(),
        };
        let pairs: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let series =
            if pairs.is_empty() { name.to_owned() } else { format!("{name}{{{}}}", pairs.join(",")) };
        assert!(self.values.insert(series, value).is_none(), "a series comes twice: {line:?}");
        self.series.push((family.to_owned(), labels, value));
    }

    pub(crate) fn value(&self, series: &str) -> Option<f64> {
        self.values.get(series).copied()
    }

    /// A series of a token, named without the labels that all of these have.
    pub(crate) fn of_token(&self, token: &str, workspace: &str, series: &str) -> Option<f64> {
        let (name, own) = series.trim_end_matches('}').split_once('{').unwrap_or((series, ""));
        let subject = [format!("token={token}"), format!("workspace={workspace}")];
        let mut labels: Vec<&str> = own.split(',').filter(|pair| !pair.is_empty()).collect();
        labels.extend(subject.iter().map(String::as_str));
        labels.sort_unstable();
        self.value(&format!("{name}{{{}}}", labels.join(",")))
    }

    pub(crate) fn series_of(&self, family: &str) -> Vec<(&Labels, f64)> {
        let of = self.series.iter().filter(|(of, ..)| of == family);
        of.map(|(_, labels, value)| (labels, *value)).collect()
    }

    pub(crate) fn labels_of(&self, family: &str) -> impl Iterator<Item = &Labels> {
        self.series.iter().filter(move |(of, ..)| of == family).map(|(_, labels, _)| labels)
    }
}

/// The labels up to the closing brace, and what follows it.
fn labels(mut rest: &str) -> (Labels, &str) {
    let mut labels = Labels::new();
    loop {
        let (name, quoted) = rest.split_once("=\"").unwrap();
        assert!(name.bytes().all(|c| c.is_ascii_lowercase() || c == b'_'), "{name:?}");
        let mut escaped = false;
        let end = quoted.find(|c| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        let (value, after) = quoted.split_at(end.unwrap());
        assert!(labels.insert(name.to_owned(), unescape(value, true)).is_none(), "{name} comes twice");
        let after = &after[1..];
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None => return (labels, after.strip_prefix('}').unwrap()),
        }
    }
}

fn unescape(text: &str, quoted: bool) -> String {
    let mut plain = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        plain.push(match letter {
            '\\' => match letters.next() {
                Some('n') => '\n',
                Some('\\') => '\\',
                Some('"') if quoted => '"',
                other => panic!("no such escape: {other:?}"),
            },
            letter => letter,
        });
    }
    plain
}
