//! YAML into a tree of values, and the line of each where one is asked for.
//!
//! Duplicate keys, alias bombs and deep nesting are refused. The parser's own messages may quote the
//! text; what is said here is made from the kind of its error and the place alone.

use std::{collections::BTreeMap, marker::PhantomData};

use figment::value::{Dict, Empty, Value};
use serde::{
    Deserialize, Deserializer,
    de::{self, DeserializeOwned},
};
use serde_saphyr::{Error, Spanned};

use super::{
    MAX_CONFIG_BYTES,
    finding::{Finding, Path, Step},
};

/// Deeper than any configuration of ours.
const MAX_DEPTH: usize = 32;

/// As many as a plain text of the largest configuration has: its length is limited already.
const MAX_NODES: usize = MAX_CONFIG_BYTES;

/// A list or map is a node, of two events.
const MAX_EVENTS: usize = 2 * MAX_NODES;

/// What aliases may add to what is written: more than any configuration of ours, and little to hold.
const MAX_REPLAYED: usize = 250_000;

/// Reads one YAML document. An empty one is [`Value::Empty`].
pub(super) fn parse(text: &str) -> Result<Value, Finding> {
    read(text).map(|Plain(value)| value).map_err(|error| explain(&error))
}

/// The lines of what [`parse`] has read. It takes as long again, so it is for the one who has something to say.
pub(super) fn lines(text: &[u8]) -> Lines {
    // Of a text that was refused, nothing is asked.
    std::str::from_utf8(text).ok().and_then(|text| read(text).ok()).unwrap_or_default()
}

fn read<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    let options = serde_saphyr::options! {
        with_snippet: false,
        budget: serde_saphyr::budget! {
            max_depth: MAX_DEPTH,
            max_nodes: MAX_NODES,
            max_events: MAX_EVENTS,
            max_aliases: MAX_NODES,
            max_merge_keys: MAX_NODES,
            // Hundreds of tokens may share one anchor. What aliases add is limited below.
            enforce_alias_anchor_ratio: false,
        },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: MAX_REPLAYED },
    };
    serde_saphyr::from_str_with_options(text, options)
}

fn explain(error: &Error) -> Finding {
    let text = match cause(error) {
        Error::DuplicateMappingKey { .. } => "this key stands here twice; keep one of them",
        Error::MultipleDocuments { .. } => "a second YAML document begins here; keep one",
        Error::UnknownAnchor { .. } => "this alias has no anchor; define it earlier in the file",
        Error::NonFiniteFloat { .. } => "this number is not finite; put it in quotes if it is text",
        Error::Budget { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. }
        | Error::RecursiveReferencesRequireWeakTypes { .. } => {
            "too deep, too large or too many aliases for a configuration; write it out plainly"
        }
        _ => "not valid YAML; look for a missing quote or colon, a tab, or a wrong indentation",
    };
    match error.location() {
        Some(at) => Finding::syntax(at.line(), at.column(), text),
        None => Finding::general(text),
    }
}

/// What went wrong at the place itself, where an alias led to it.
fn cause(error: &Error) -> &Error {
    match error.without_snippet() {
        Error::AliasError { error, .. } => cause(error),
        other => other,
    }
}

/// What is made of a document.
trait Tree: Sized {
    type Key: DeserializeOwned;
    type Entry: DeserializeOwned;
    fn scalar(value: Value) -> Self;
    fn list(entries: Vec<Self::Entry>) -> Self;
    fn map(entries: Vec<(Self::Key, Self)>) -> Self;
}

/// The values alone.
struct Plain(Value);

impl Tree for Plain {
    type Key = String;
    type Entry = Self;

    fn scalar(value: Value) -> Self {
        Self(value)
    }

    fn list(entries: Vec<Self>) -> Self {
        Self(entries.into_iter().map(|Self(value)| value).collect::<Vec<_>>().into())
    }

    fn map(entries: Vec<(String, Self)>) -> Self {
        Self(entries.into_iter().map(|(key, Self(value))| (key, value)).collect::<Dict>().into())
    }
}

/// The lines of keys and entries alone.
#[derive(Default)]
pub(super) struct Lines(BTreeMap<Step, (u64, Self)>);

impl Lines {
    /// The line of the value there, or of the nearest thing around it.
    pub(super) fn of(&self, path: &Path) -> Option<u64> {
        let (mut here, mut line) = (self, None);
        for step in path.steps() {
            let Some((found, below)) = here.0.get(step) else { break };
            (here, line) = (below, Some(*found));
        }
        line
    }
}

impl Tree for Lines {
    type Key = Spanned<String>;
    type Entry = Spanned<Self>;

    fn scalar(_: Value) -> Self {
        Self::default()
    }

    fn list(entries: Vec<Spanned<Self>>) -> Self {
        let line =
            |(i, entry): (usize, Spanned<Self>)| (Step::Index(i), (entry.referenced.line(), entry.value));
        Self(entries.into_iter().enumerate().map(line).collect())
    }

    fn map(entries: Vec<(Spanned<String>, Self)>) -> Self {
        let line =
            |(key, below): (Spanned<String>, Self)| (Step::Key(key.value), (key.referenced.line(), below));
        Self(entries.into_iter().map(line).collect())
    }
}

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any(PhantomData))
    }
}

impl<'de> Deserialize<'de> for Lines {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any(PhantomData))
    }
}

struct Any<T>(PhantomData<T>);

impl<'de, T: Tree + Deserialize<'de>> de::Visitor<'de> for Any<T> {
    type Value = T;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<T, E> {
        Ok(T::scalar(Value::from(Empty::Unit)))
    }

    fn visit_none<E: de::Error>(self) -> Result<T, E> {
        self.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<T, E> {
        Ok(T::scalar(Value::from(value)))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<T, E> {
        Ok(T::scalar(Value::from(value)))
    }

    fn visit_i128<E: de::Error>(self, value: i128) -> Result<T, E> {
        Ok(T::scalar(Value::from(value)))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<T, E> {
        Ok(T::scalar(Value::from(value)))
    }

    fn visit_u128<E: de::Error>(self, value: u128) -> Result<T, E> {
        Ok(T::scalar(Value::from(value)))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<T, E> {
        Ok(T::scalar(Value::from(value)))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<T, E> {
        Ok(T::scalar(Value::from(value)))
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut entries: A) -> Result<T, A::Error> {
        let mut list = Vec::new();
        while let Some(entry) = entries.next_element()? {
            list.push(entry);
        }
        Ok(T::list(list))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut entries: A) -> Result<T, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(T::map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_taken_where_nothing_in_it_grows() {
        // More than the parser takes of itself.
        const ENTRIES: usize = 260_000;
        let read = parse(&format!("[{}]", "[],".repeat(ENTRIES))).unwrap();
        assert_eq!(read.as_array().unwrap().len(), ENTRIES);
    }

    #[test]
    fn thousands_of_tokens_may_share_what_is_written_once() {
        let token = |token| format!("t{token}: {{<<: *shared, own: 1}}\n");
        let tokens: String = (0..15_000).map(token).collect();
        let read = parse(&format!("t: &shared {{a: [1, 2], b: x, c: y}}\n{tokens}")).unwrap();
        let last = read.as_dict().unwrap()["t14999"].as_dict().unwrap();
        assert_eq!(last.keys().collect::<Vec<_>>(), ["a", "b", "c", "own"]);
    }
}
