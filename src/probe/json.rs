//! Reads a JSON text for a handful of keys, two levels deep, and forgets the rest while reading.
//!
//! Whatever the text holds, only the known keys are kept, so the memory is bounded by the text itself;
//! and what lies deeper is skipped without recursion, so no depth can exhaust the stack.

use std::{collections::BTreeMap, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// The keys that anything here asks for.
const KEPT: [&str; 16] = [
    "after",
    "archivedAt",
    "code",
    "email",
    "exp",
    "id",
    "lastPublishedAt",
    "message",
    "org",
    "pagination",
    "reason",
    "runId",
    "token",
    "trashedAt",
    "users",
    "values",
];

/// How deep objects are read: `token.exp`.
const DEPTH: u8 = 2;

/// A JSON value, as far as it matters.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Json {
    /// `null`.
    Null,
    /// A string.
    Text(String),
    /// A number.
    Number(f64),
    /// An array of so many values.
    List(usize),
    /// An object, with the known ones of its keys.
    Object(BTreeMap<&'static str, Self>),
    /// A boolean, or an object too deep to matter.
    Other,
}

impl Json {
    /// Parses a whole text. `None` where it is no JSON.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let json = Value { depth: 0 }.deserialize(&mut deserializer).ok()?;
        deserializer.end().ok()?;
        Some(json)
    }

    /// What stands under a key of an object.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Object(entries) => entries.get(key),
            _ => None,
        }
    }

    /// The text under a key of an object.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        match self.get(key) {
            Some(Self::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// Whether something other than null stands under a key of an object.
    pub(super) fn has(&self, key: &str) -> bool {
        self.get(key).is_some_and(|value| *value != Self::Null)
    }
}

struct Value {
    depth: u8,
}

impl<'de> DeserializeSeed<'de> for Value {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Json, E> {
        Ok(Json::Other)
    }

    #[expect(clippy::cast_precision_loss, reason = "a date in milliseconds is exact up to the year 287396")]
    fn visit_u64<E: Error>(self, number: u64) -> Result<Json, E> {
        Ok(Json::Number(number as f64))
    }

    #[expect(clippy::cast_precision_loss, reason = "as above")]
    fn visit_i64<E: Error>(self, number: i64) -> Result<Json, E> {
        Ok(Json::Number(number as f64))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Json, E> {
        Ok(Json::Number(number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Json, A::Error> {
        let mut count = 0;
        while values.next_element::<IgnoredAny>()?.is_some() {
            count += 1;
        }
        Ok(Json::List(count))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json, A::Error> {
        if self.depth == DEPTH {
            while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            return Ok(Json::Other);
        }
        let mut kept = BTreeMap::new();
        while let Some(key) = entries.next_key_seed(Key)? {
            match key {
                Some(key) => {
                    kept.insert(key, entries.next_value_seed(Self { depth: self.depth + 1 })?);
                }
                None => {
                    entries.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(Json::Object(kept))
    }
}

/// A key, where it is one to keep.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Option<&'static str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key {
    type Value = Option<&'static str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Self::Value, E> {
        Ok(KEPT.into_iter().find(|kept| *kept == key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Check;

    #[test]
    fn known_keys_are_kept_two_levels_deep_and_the_rest_is_forgotten() {
        let json =
            Json::parse(r#"{"token":{"exp":1.5,"id":{"x":1}},"secret":"s","org":null,"values":[1,{}]}"#);
        let token = BTreeMap::from([("exp", Json::Number(1.5)), ("id", Json::Other)]);
        let kept = [("token", Json::Object(token)), ("org", Json::Null), ("values", Json::List(2))];
        assert_eq!(json, Some(Json::Object(BTreeMap::from(kept))));
    }

    #[test]
    fn depth_and_breadth_do_no_harm() {
        for (open, close) in [("[", "]"), (r#"{"org":"#, "}"), (r#"{"x":"#, "}")] {
            let deep = format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
            assert!(Json::parse(&deep).is_some());
            assert_eq!(Json::parse(&open.repeat(100_000)), None);
        }
        let broad: Vec<String> = (0..50_000).map(|n| format!(r#""{n}":[{n}]"#)).collect();
        let broad = format!("{{{}}}", broad.join(","));
        assert_eq!(Json::parse(&broad), Some(Json::Object(BTreeMap::new())));
    }

    #[test]
    fn what_is_no_json_is_none() {
        for text in ["", " ", "{", "{}x", "{}{}", "nul", "'a'", r#"{"a":}"#, r#"{"org":1e999}"#, "\u{feff}{}"]
        {
            assert_eq!(Json::parse(text), None, "{text}");
        }
    }

    #[test]
    fn every_key_that_a_check_expects_is_kept() {
        for check in Check::ALL {
            assert!(check.expected_keys().iter().all(|key| KEPT.contains(key)), "{check:?}");
        }
    }
}
