//! YAML into a tree of values, with the line of each.
//!
//! Duplicate keys, alias bombs and deep nesting are refused. The parser's own messages may quote the
//! text; what is said here is made from the kind of its error and the place alone.

use figment::value::{Dict, Empty, Value};
use serde::{Deserialize, Deserializer, de};
use serde_saphyr::{Error, Spanned};

use super::finding::{Finding, Origins, Path, Place};

/// Deeper than any configuration of ours.
const MAX_DEPTH: usize = 32;

/// Reads one YAML document. An empty one is [`Value::Empty`].
pub(super) fn parse(text: &str) -> Result<(Value, Origins), Finding> {
    let options = serde_saphyr::options! {
        with_snippet: false,
        budget: serde_saphyr::budget! { max_depth: MAX_DEPTH },
    };
    let document: Node =
        serde_saphyr::from_str_with_options(text, options).map_err(|error| explain(&error))?;
    let mut origins = Origins::default();
    let value = document.place(&Path::default(), &mut origins);
    Ok((value, origins))
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

/// A value of the file with the keys' lines still attached.
enum Node {
    Scalar(Value),
    List(Vec<Spanned<Self>>),
    Map(Vec<(Spanned<String>, Self)>),
}

impl Node {
    fn place(self, path: &Path, origins: &mut Origins) -> Value {
        match self {
            Self::Scalar(value) => value,
            Self::List(entries) => {
                let placed = entries.into_iter().enumerate().map(|(i, entry)| {
                    let path = path.index(i);
                    origins.note(path.clone(), Place::Line(entry.referenced.line()));
                    entry.value.place(&path, origins)
                });
                Value::from(placed.collect::<Vec<_>>())
            }
            Self::Map(entries) => {
                let placed = entries.into_iter().map(|(key, node)| {
                    let path = path.key(&key.value);
                    origins.note(path.clone(), Place::Line(key.referenced.line()));
                    let value = node.place(&path, origins);
                    (key.value, value)
                });
                Value::from(placed.collect::<Dict>())
            }
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyNode)
    }
}

struct AnyNode;

impl<'de> de::Visitor<'de> for AnyNode {
    type Value = Node;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::from(Empty::Unit)))
    }

    fn visit_none<E: de::Error>(self) -> Result<Node, E> {
        self.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Scalar(Value::from(value)))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Scalar(Value::from(value)))
    }

    fn visit_i128<E: de::Error>(self, value: i128) -> Result<Node, E> {
        Ok(Node::Scalar(Value::from(value)))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Scalar(Value::from(value)))
    }

    fn visit_u128<E: de::Error>(self, value: u128) -> Result<Node, E> {
        Ok(Node::Scalar(Value::from(value)))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Scalar(Value::from(value)))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Scalar(Value::from(value)))
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(entry) = entries.next_element()? {
            list.push(entry);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Node::Map(map))
    }
}
