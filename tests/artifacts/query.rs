//! Finds in a query what does not exist: metrics, labels, and values of labels with a closed list.

use std::collections::{BTreeMap, BTreeSet};

use hex_token_exporter::{
    domain::{Check, Expiry, Kind, Reason, Scope, TokenState},
    metrics::catalogue,
};

/// What a scrape adds to every series.
const OF_THE_SCRAPE: [&str; 2] = ["job", "instance"];

/// What follows the name of a histogram, and of a counter's words that are no part of a name.
const OF_A_HISTOGRAM: [&str; 3] = ["_bucket", "_sum", "_count"];

/// Words before a list of labels.
const GROUPINGS: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];

/// All names that a query may use.
#[derive(Debug)]
pub(crate) struct Names {
    metrics: BTreeMap<String, BTreeSet<&'static str>>,
    recorded: BTreeSet<String>,
    labels: BTreeSet<&'static str>,
    values: BTreeMap<&'static str, BTreeSet<&'static str>>,
}

impl Names {
    pub(crate) fn of_the_catalogue() -> Self {
        let mut metrics = BTreeMap::new();
        for metric in catalogue::ALL {
            let labels = metric.subject.labels().iter().chain(metric.labels).copied();
            let labels: BTreeSet<_> = labels.chain(OF_THE_SCRAPE).collect();
            if metric.kind == catalogue::Kind::Histogram {
                for end in OF_A_HISTOGRAM {
                    let labels = labels.iter().copied().chain(["le"]).collect();
                    metrics.insert(format!("{}{end}", metric.name), labels);
                }
            } else {
                metrics.insert(metric.name.to_owned(), labels);
            }
        }
        // `shard` is what count_values makes of a value.
        let labels = metrics.values().flatten().copied().chain(["shard"]).collect();
        let values = BTreeMap::from([
            ("state", TokenState::ALL.map(TokenState::as_label).into()),
            ("expiry", Expiry::LABELS.into()),
            ("check", Check::ALL.map(Check::as_label).into()),
            ("scope", Scope::ALL.map(Scope::as_label).into()),
            ("reason", Reason::ALL.map(Reason::as_label).into()),
            ("kind", [Kind::Personal, Kind::Workspace, Kind::Unknown].map(Kind::as_label).into()),
        ]);
        Self { metrics, recorded: BTreeSet::new(), labels, values }
    }

    /// With the names that recording rules give.
    pub(crate) fn and_recorded(mut self, names: &[&str]) -> Self {
        self.recorded.extend(names.iter().map(|name| (*name).to_owned()));
        self
    }

    /// Whether any series has this label.
    pub(crate) fn has_label(&self, label: &str) -> bool {
        self.labels.contains(label)
    }

    /// All that is wrong with a query.
    pub(crate) fn problems(&self, query: &str) -> Vec<String> {
        let mut problems = Vec::new();
        let mut rest = query;
        let mut word = "";
        while let Some(first) = rest.chars().next() {
            if first.is_ascii_alphabetic() || first == '_' {
                let end = rest.find(|it: char| !(it.is_ascii_alphanumeric() || it == '_' || it == ':'));
                (word, rest) = rest.split_at(end.unwrap_or(rest.len()));
                problems.extend(self.problem_of_a_name(word));
            } else if first == '{' {
                let (matchers, after) = rest[1..].split_once('}').expect("a brace is closed");
                problems.extend(self.problems_of_matchers(word, matchers));
                rest = after;
            } else if first == '(' && GROUPINGS.contains(&word) {
                let (labels, after) = rest[1..].split_once(')').expect("a list of labels is closed");
                let unknown =
                    labels.split(',').map(str::trim).filter(|it| !it.is_empty() && !self.has_label(it));
                problems.extend(unknown.map(|label| format!("there is no label {label}")));
                (word, rest) = ("", after);
            } else if first == '"' {
                let (_, after) = rest[1..].split_once('"').expect("a text is closed");
                rest = after;
            } else {
                // Whatever stands between a name and its braces, they are not its own then.
                word = if first.is_whitespace() { word } else { "" };
                rest = &rest[first.len_utf8()..];
            }
        }
        problems
    }

    fn problem_of_a_name(&self, name: &str) -> Option<String> {
        if name.contains(':') {
            return (!self.recorded.contains(name)).then(|| format!("nothing records {name}"));
        }
        let ours = name.starts_with("hex_token") || name.starts_with("hex_api");
        (ours && !self.metrics.contains_key(name)).then(|| format!("there is no metric {name}"))
    }

    fn problems_of_matchers(&self, metric: &str, matchers: &str) -> Vec<String> {
        let mut problems = Vec::new();
        for matcher in matchers.split(',').filter(|it| !it.trim().is_empty()) {
            let at = matcher.find(['=', '!']).expect("a matcher compares");
            let (label, compared) =
                (matcher[..at].trim(), matcher[at..].trim_start_matches(['=', '!', '~', ' ']));
            let values = compared.trim().trim_matches('"').split('|');
            if label == "__name__" {
                problems.extend(values.filter_map(|name| self.problem_of_a_name(name)));
                continue;
            }
            if self.metrics.get(metric).is_some_and(|labels| !labels.contains(label)) {
                problems.push(format!("{metric} has no label {label}"));
            }
            if let Some(known) = self.values.get(label).filter(|_| compared.starts_with('"')) {
                let unknown = values.filter(|value| !known.contains(value));
                problems.extend(unknown.map(|value| format!("{label} is never {value}")));
            }
        }
        problems
    }
}
