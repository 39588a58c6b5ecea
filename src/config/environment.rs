//! The environment of the process as a value: what is read from it, and the overrides that it holds.
//!
//! Overrides begin with `HEX_TOKEN_EXPORTER__`. The double underscore keeps them apart from variables
//! that Kubernetes sets for a Service of that name (`HEX_TOKEN_EXPORTER_PORT=tcp://...`).
//! Credentials are read by name and are no overrides: figment would take one of digits for a number.

use std::{collections::BTreeMap, fmt, sync::Arc};

use figment::value::{Dict, Value};

use super::finding::Path;

/// What every override begins with.
pub const OVERRIDE_PREFIX: &str = "HEX_TOKEN_EXPORTER__";

/// No setting lies deeper.
const MAX_STEPS: usize = 8;

/// No value of ours nests deeper; figment's parser recurses without a limit of its own.
const MAX_BRACKETS: usize = 64;

/// Environment variables, taken once and passed in. Its `Debug` shows no value. Clones share one copy, since
/// credentials are in it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Environment(Arc<BTreeMap<String, String>>);

impl Environment {
    /// The environment of this process. Bytes that are no UTF-8 are replaced, and so unusable.
    pub fn of_process() -> Self {
        let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
        std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect()
    }

    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// This environment with the variables of `file` that it does not have itself.
    pub(super) fn over(&self, file: BTreeMap<String, String>) -> Self {
        let mut variables = file;
        variables.extend(BTreeMap::clone(&self.0));
        Self(Arc::new(variables))
    }

    /// The overrides, those of a whole map before those of a key in it.
    pub(super) fn overrides(&self) -> Vec<Override<'_>> {
        let overrides = self.0.iter().filter_map(|(variable, value)| {
            let keys = variable.strip_prefix(OVERRIDE_PREFIX)?.split("__").collect();
            Some(Override { variable, keys, value })
        });
        let mut overrides: Vec<_> = overrides.collect();
        overrides.sort_by_key(|known| known.keys.len());
        overrides
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        Self(Arc::new(variables.into_iter().collect()))
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Environment({} variables)", self.0.len())
    }
}

/// One variable that overrides the file.
pub(super) struct Override<'a> {
    /// Its full name.
    pub(super) variable: &'a str,
    keys: Vec<&'a str>,
    value: &'a str,
}

/// A value and where it belongs.
pub(super) struct Setting {
    keys: Vec<String>,
    value: Value,
}

impl Setting {
    /// The path of the value.
    pub(super) fn path(&self) -> Path {
        self.keys.iter().fold(Path::default(), |path, key| path.key(key))
    }

    /// Puts the value in place of all that stands there.
    pub(super) fn put_into(self, tree: &mut Dict) {
        put(tree, &self.keys, self.value);
    }
}

fn put(tree: &mut Dict, keys: &[String], value: Value) {
    match keys {
        [] => {}
        [key] => drop(tree.insert(key.clone(), value)),
        [key, below @ ..] => {
            let mut inner = match tree.remove(key) {
                Some(Value::Dict(_, dict)) => dict,
                _ => Dict::new(),
            };
            put(&mut inner, below, value);
            tree.insert(key.clone(), inner.into());
        }
    }
}

/// The variable sets nothing in the configuration. Holds what is wrong and what to do.
pub(super) struct NoPath(pub(super) &'static str);

impl Override<'_> {
    /// Whether it is about a workspace of another name.
    pub(super) fn is_of_workspace_beside(&self, name: &str) -> bool {
        matches!(self.keys.as_slice(), [first, second, ..] if folded(first) == "workspaces" && folded(second) != name)
    }

    /// What the variable sets within `tree`.
    ///
    /// A step means the key that reads the same when case is ignored and dashes and dots are taken as
    /// underscores, since a shell allows neither in a name. Where there is none, it is a new key in
    /// lower case.
    pub(super) fn resolve(&self, tree: &Dict) -> Result<Setting, NoPath> {
        if self.keys.len() > MAX_STEPS || self.keys.iter().any(|key| key.is_empty()) {
            return Err(NoPath("leads to no setting; write the keys of the path with `__` between them"));
        }
        if self.is_garbled_by_escapes() {
            let problem = "has `\\` and letters beyond ASCII in quotes, which are not read well together here; \
                           set it in the file, or leave out the quotes";
            return Err(NoPath(problem));
        }
        let mut keys = Vec::new();
        let mut here = Some(tree);
        for step in &self.keys {
            let key = meant(step, here)?;
            here = here.and_then(|dict| dict.get(&key)).and_then(Value::as_dict);
            keys.push(key);
        }
        Ok(Setting { keys, value: self.parsed() })
    }

    /// figment cuts a quoted text at its first escape, and counts letters where it should count bytes: what
    /// comes before loses its end, or the process panics.
    fn is_garbled_by_escapes(&self) -> bool {
        self.value.contains('"') && self.value.contains('\\') && !self.value.is_ascii()
    }

    /// The value in figment's notation: `[a, b]`, `{a = b}`, numbers, `true`, and text.
    fn parsed(&self) -> Value {
        let brackets = self.value.bytes().filter(|byte| matches!(byte, b'[' | b'{')).count();
        if brackets > MAX_BRACKETS {
            return Value::from(self.value);
        }
        let parsed = self.value.parse().unwrap_or_else(|never: std::convert::Infallible| match never {});
        without_characters(parsed)
    }
}

/// figment takes `'x'` for a character, which is text as any other.
fn without_characters(value: Value) -> Value {
    match value {
        Value::Char(_, character) => Value::from(character.to_string()),
        Value::Array(_, values) => {
            Value::from(values.into_iter().map(without_characters).collect::<Vec<_>>())
        }
        Value::Dict(_, dict) => {
            let entries = dict.into_iter().map(|(key, value)| (key, without_characters(value)));
            Value::from(entries.collect::<Dict>())
        }
        other => other,
    }
}

fn meant(step: &str, among: Option<&Dict>) -> Result<String, NoPath> {
    let lower = step.to_ascii_lowercase();
    let mut alike = among.into_iter().flat_map(Dict::keys).filter(|key| folded(key) == folded(step));
    match (alike.next(), alike.next()) {
        (None, _) => Ok(lower),
        (Some(key), None) => Ok(key.clone()),
        _ if among.is_some_and(|dict| dict.contains_key(&lower)) => Ok(lower),
        _ => Err(NoPath("may mean several keys of the file; set it in the file")),
    }
}

fn folded(key: &str) -> String {
    key.to_ascii_lowercase().replace(['-', '.'], "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(tree: &str, variable: &str, value: &str) -> Option<(String, Value)> {
        let tree = super::super::yaml::parse(tree).ok()?;
        let environment: Environment = [(variable.to_owned(), value.to_owned())].into_iter().collect();
        let found = environment.overrides().first()?.resolve(tree.as_dict()?).ok()?;
        Some((found.path().to_string(), found.value))
    }

    #[test]
    fn a_variable_finds_the_key_it_means() {
        let tree = "tokens: {Airflow-prod.eu: {expires_at: never}}";
        let variable = "HEX_TOKEN_EXPORTER__TOKENS__AIRFLOW_PROD_EU__EXPIRES_AT";
        let (path, _) = resolve(tree, variable, "2027-03-01").unwrap();
        assert_eq!(path, "tokens.Airflow-prod.eu.expires_at");
        let (path, _) = resolve(tree, "HEX_TOKEN_EXPORTER__TOKENS__NEW__EXPIRES_AT", "never").unwrap();
        assert_eq!(path, "tokens.new.expires_at");
    }

    #[test]
    fn what_is_ambiguous_or_no_path_is_refused() {
        let tree = "tokens: {a-b: {}, a.b: {}}";
        assert!(resolve(tree, "HEX_TOKEN_EXPORTER__TOKENS__A_B__EXPIRES_AT", "never").is_none());
        assert!(resolve(tree, "HEX_TOKEN_EXPORTER____A", "x").is_none());
        assert!(resolve(tree, "HEX_TOKEN_EXPORTER__", "x").is_none());
        assert!(resolve(tree, "HEX_TOKEN_EXPORTER_PORT", "tcp://10.0.0.1:80").is_none());
    }

    #[test]
    fn an_escape_beside_letters_beyond_ascii_is_refused() {
        for value in ["\"\u{20ac}\\n\"", "\"M\u{fc}ller \\\"x\\\"\"", "[\"\u{e4}\\t\"]"] {
            assert!(resolve("a: {}", "HEX_TOKEN_EXPORTER__A", value).is_none(), "{value}");
        }
        for value in ["\"M\u{fc}ller\"", "M\u{fc}ller", "\"a\\n\""] {
            assert!(resolve("a: {}", "HEX_TOKEN_EXPORTER__A", value).is_some(), "{value}");
        }
    }

    #[test]
    fn deep_brackets_are_text() {
        let deep = "[".repeat(100_000);
        let (_, value) = resolve("a: {}", "HEX_TOKEN_EXPORTER__A", &deep).unwrap();
        assert_eq!(value.as_str(), Some(deep.as_str()));
    }
}
