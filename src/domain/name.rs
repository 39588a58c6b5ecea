//! The configured names of tokens, workspaces and projects: the only identity shown outside.

use std::{borrow::Borrow, fmt, sync::Arc};

/// A configured name: a letter or digit, then up to 62 letters, digits, dots, underscores and dashes.
///
/// The alphabet needs no escaping in a label, a path or a page.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

/// The text is no name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a name starts with a letter or digit and holds at most 63 letters, digits, dots, underscores and dashes"
)]
pub struct NotAName;

impl Name {
    /// Takes a text that is a legal name. A text that looks like a Hex token is none: names are shown.
    pub fn parse(text: &str) -> Result<Self, NotAName> {
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let starts_well = text.starts_with(|c: char| c.is_ascii_alphanumeric());
        if starts_well
            && text.len() <= 63
            && text.chars().all(legal)
            && super::secret::token_like(text).is_none()
        {
            Ok(Self(text.into()))
        } else {
            Err(NotAName)
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl serde::Serialize for Name {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Name;

    #[test]
    fn names_are_bounded_and_need_no_escaping() {
        let longest = "a".repeat(63);
        for good in ["a", "9", "airflow-prod_2.eu", longest.as_str()] {
            assert!(Name::parse(good).is_ok(), "{good}");
        }
        let too_long = "a".repeat(64);
        let token = format!("hxtp_{}", "0a".repeat(8));
        for bad in ["", "-a", ".a", "_a", "a b", "a\"", "ä", "a\n", &too_long, &token] {
            assert!(Name::parse(bad).is_err(), "{bad}");
        }
    }
}
