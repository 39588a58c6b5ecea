//! Typed reading of the merged tree: each value is taken once, with its limits, and what is wrong with
//! it is noted with its path. Nothing here stops at the first mistake, and no message holds a value.

use std::{ops::RangeInclusive, time::Duration};

use figment::value::{Dict, Value};

use super::{
    finding::{Path, Report},
    keys,
};
use crate::domain::{Name, secret};

/// A map of the configuration with a known set of keys.
pub(super) struct Section<'a> {
    pub(super) report: &'a Report,
    pub(super) path: Path,
    entries: Option<&'a Dict>,
    broken: bool,
}

/// An entry of a list or map, with its path.
pub(super) struct Entry<'a> {
    pub(super) path: Path,
    pub(super) value: &'a Value,
}

impl<'a> Section<'a> {
    /// The map `value`, in which only `known` keys may stand. Nothing at all counts as an empty map.
    pub(super) fn open(report: &'a Report, entry: &Entry<'a>, known: &[&str]) -> Self {
        let entries = map(report, entry);
        let broken = entries.is_none() && !matches!(entry.value, Value::Empty(..));
        let section = Self { report, path: entry.path.clone(), entries, broken };
        for key in section.entries.into_iter().flat_map(Dict::keys) {
            if !known.contains(&key.as_str()) {
                let advice = keys::advice(key, known);
                report.error(&section.path.key(key), format!("unknown key; {advice}"));
            }
        }
        section
    }

    /// The path of the value at `key`.
    pub(super) fn at(&self, key: &str) -> Path {
        self.path.key(key)
    }

    /// The value at `key`; a key without a value counts as absent.
    pub(super) fn entry(&self, key: &str) -> Option<Entry<'a>> {
        let value = self.entries?.get(key)?;
        (!matches!(value, Value::Empty(..))).then(|| Entry { path: self.at(key), value })
    }

    /// Whether what must stand here can't be looked for, since this is no map, which has been reported.
    pub(super) fn is_broken(&self) -> bool {
        self.broken
    }

    /// Whether there is no value at `key`, or a list or map of nothing.
    pub(super) fn is_empty(&self, key: &str) -> bool {
        self.entry(key).is_none_or(|entry| match entry.value {
            Value::Dict(_, dict) => dict.is_empty(),
            Value::Array(_, values) => values.is_empty(),
            _ => false,
        })
    }

    /// Text that is not empty and holds no control characters.
    pub(super) fn text(&self, key: &str) -> Option<&'a str> {
        text(self.report, &self.entry(key)?)
    }

    /// `true` or `false`.
    pub(super) fn flag(&self, key: &str) -> Option<bool> {
        let entry = self.entry(key)?;
        let flag = entry.value.to_bool();
        if flag.is_none() {
            wrong_type(self.report, &entry, "true or false");
        }
        flag
    }

    /// A whole number within `limits`.
    pub(super) fn number(&self, key: &str, limits: RangeInclusive<u32>) -> Option<u32> {
        let entry = self.entry(key)?;
        let whole = entry.value.to_u128().or_else(|| entry.value.to_i128()?.try_into().ok());
        if whole.is_none() && entry.value.to_i128().is_none() {
            match entry.value {
                Value::Num(..) => {
                    self.report.error(&entry.path, "must be a whole number, written as digits alone");
                }
                _ => wrong_type(self.report, &entry, "a whole number"),
            }
            return None;
        }
        let number = whole.and_then(|whole| u32::try_from(whole).ok()).filter(|n| limits.contains(n));
        if number.is_none() {
            let (least, most) = (limits.start(), limits.end());
            self.report.error(&entry.path, format!("must be a number from {least} to {most}"));
        }
        number
    }

    /// A length of time within `limits`, written with its unit.
    pub(super) fn duration(&self, key: &str, limits: RangeInclusive<Duration>) -> Option<Duration> {
        let entry = self.entry(key)?;
        let parsed = match entry.value {
            Value::String(_, text) => super::duration::parse(text, &limits),
            Value::Num(..) => Err("needs a unit; write it as in 30s, 5m, 1h or 14d".to_owned()),
            _ => {
                wrong_type(self.report, &entry, "a length of time such as 30s, 5m, 1h or 14d");
                return None;
            }
        };
        parsed.map_err(|problem| self.report.error(&entry.path, problem)).ok()
    }

    /// The entries of a list.
    pub(super) fn list(&self, key: &str) -> Option<Vec<Entry<'a>>> {
        let entry = self.entry(key)?;
        let Some(values) = entry.value.as_array() else {
            wrong_type(self.report, &entry, "a list");
            return None;
        };
        let entries = values.iter().enumerate();
        Some(entries.map(|(i, value)| Entry { path: entry.path.index(i), value }).collect())
    }

    /// The entries of a map whose keys are names. Those whose names are not legal are noted and left out.
    pub(super) fn named(&self, key: &str) -> Option<Vec<(Name, Entry<'a>)>> {
        let entry = self.entry(key)?;
        let entries = map(self.report, &entry)?;
        let mut named = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let path = entry.path.key(key);
            match Name::parse(key) {
                Ok(name) => named.push((name, Entry { path, value })),
                Err(problem) => self.report.error(&path, format!("is not a name; {problem}")),
            }
        }
        Some(named)
    }
}

/// Text that is not empty and holds no control characters.
pub(super) fn text<'a>(report: &Report, entry: &Entry<'a>) -> Option<&'a str> {
    let Some(text) = entry.value.as_str() else {
        wrong_type(report, entry, "text");
        return None;
    };
    if text.trim().is_empty() {
        report.error(&entry.path, "is empty; give it a value or leave the key out");
        return None;
    }
    if text.chars().any(char::is_control) {
        report.error(&entry.path, "holds control characters or line breaks; leave them out");
        return None;
    }
    Some(text.trim())
}

fn map<'a>(report: &Report, entry: &Entry<'a>) -> Option<&'a Dict> {
    let dict = entry.value.as_dict();
    if dict.is_none() && !matches!(entry.value, Value::Empty(..)) {
        wrong_type(report, entry, "a map of keys and values");
    }
    dict
}

fn wrong_type(report: &Report, entry: &Entry<'_>, expected: &str) {
    let (found, advice) = match entry.value {
        Value::String(..) | Value::Char(..) => ("text", ""),
        Value::Bool(..) => ("true or false", "; put it in quotes"),
        Value::Num(..) => ("a number", "; put it in quotes"),
        Value::Empty(..) => ("nothing", ""),
        Value::Dict(..) => ("a map", ""),
        Value::Array(..) => ("a list", ""),
    };
    let advice = if expected == "text" { advice } else { "" };
    report.error(&entry.path, format!("must be {expected}, and is {found}{advice}"));
}

/// Refuses a text that looks like a token. `true`: it does.
pub(super) fn refuse_token(report: &Report, path: &Path, text: &str) -> bool {
    let found = secret::token_like(text);
    if let Some(redacted) = found {
        report.refuse(
            path,
            format!(
                "looks like a Hex token ({redacted}); a token is never in the configuration: put it into a \
                 file, name that in `credentials_file`, and revoke this one if others can read it"
            ),
        );
    }
    found.is_some()
}

/// Refuses everything in the tree, keys included, that looks like a token.
pub(super) fn refuse_tokens(report: &Report, entry: &Entry<'_>) {
    // Paths are for the one who has something to say.
    if holds_token(entry.value) {
        refuse_tokens_below(report, entry);
    }
}

fn holds_token(value: &Value) -> bool {
    let looks_like_one = |text: &str| secret::token_like(text).is_some();
    match value {
        Value::String(_, text) => looks_like_one(text),
        Value::Dict(_, dict) => dict.iter().any(|(key, value)| looks_like_one(key) || holds_token(value)),
        Value::Array(_, values) => values.iter().any(holds_token),
        _ => false,
    }
}

fn refuse_tokens_below(report: &Report, entry: &Entry<'_>) {
    match entry.value {
        Value::String(_, text) => {
            refuse_token(report, &entry.path, text);
        }
        Value::Dict(_, dict) => {
            for (key, value) in dict {
                let path = entry.path.key(key);
                refuse_token(report, &path, key);
                refuse_tokens_below(report, &Entry { path, value });
            }
        }
        Value::Array(_, values) => {
            for (i, value) in values.iter().enumerate() {
                refuse_tokens_below(report, &Entry { path: entry.path.index(i), value });
            }
        }
        _ => {}
    }
}
