//! What is wrong with a configuration, and where.
//!
//! A finding names paths, lines, variables and limits. It never holds a value: a value may be a secret
//! that stands in the wrong place. Of keys, only legal names are shown.

use std::{
    cell::{OnceCell, RefCell},
    collections::HashSet,
    fmt,
    rc::Rc,
};

use zeroize::Zeroizing;

use super::yaml::{self, Lines};
use crate::domain::{Name, secret};

/// One thing that is wrong, or that deserves a look, with what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Finding {
    path: String,
    place: Option<Place>,
    text: String,
}

impl Finding {
    /// A finding about the configuration as a whole.
    pub(super) fn general(text: impl Into<String>) -> Self {
        Self { path: String::new(), place: None, text: text.into() }
    }

    /// A finding about an environment variable.
    pub(super) fn variable(name: &str, text: impl Into<String>) -> Self {
        Self { path: String::new(), place: Some(Place::variable(name)), text: text.into() }
    }

    /// A finding about something that can't be read as YAML.
    pub(super) fn syntax(line: u64, column: u64, text: impl Into<String>) -> Self {
        Self { path: String::new(), place: Some(Place::Column(line, column)), text: text.into() }
    }

    /// A finding about a configured thing, found when its files were read.
    pub(super) fn about(path: &Path, text: impl Into<String>) -> Self {
        Self { path: path.to_string(), place: None, text: text.into() }
    }

    /// A finding about a workspace that is configured rightly and can't be had that way.
    pub fn workspace(name: &Name, text: impl Into<String>) -> Self {
        Self::about(&Path::default().key("workspaces").key(name.as_str()), text)
    }

    fn line(&self) -> Option<u64> {
        match self.place {
            Some(Place::Line(line)) => Some(line),
            _ => None,
        }
    }

    /// Where in the configuration: `tokens.airflow.required_scopes[0]`; empty where it is about all of it.
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.path.as_str(), &self.place) {
            ("", None) => {}
            ("", Some(place)) => write!(f, "{place}: ")?,
            (path, None) => write!(f, "{path}: ")?,
            (path, Some(place)) => write!(f, "{path} ({place}): ")?,
        }
        f.write_str(&self.text)
    }
}

/// All that is wrong with a configuration; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors(Vec<Finding>);

impl ConfigErrors {
    /// The findings, from the top of the file to its end.
    pub fn findings(&self) -> &[Finding] {
        &self.0
    }
}

impl From<Vec<Finding>> for ConfigErrors {
    fn from(findings: Vec<Finding>) -> Self {
        Self(findings)
    }
}

impl From<Finding> for ConfigErrors {
    fn from(finding: Finding) -> Self {
        Self(vec![finding])
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, finding) in self.0.iter().enumerate() {
            let separator = if i == 0 { "" } else { "\n" };
            write!(f, "{separator}{finding}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// Where a value was set.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Place {
    /// A line of the file.
    Line(u64),
    /// A line and column of the file.
    Column(u64, u64),
    /// An environment variable.
    Variable(String),
}

impl Place {
    /// A variable under its name, where that is an ordinary one.
    pub(super) fn variable(name: &str) -> Self {
        let ordinary = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        let shown = if name.chars().all(ordinary) { secret::redact(name) } else { "environment".into() };
        Self::Variable(shown)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line}"),
            Self::Column(line, column) => write!(f, "line {line}, column {column}"),
            Self::Variable(name) => f.write_str(name),
        }
    }
}

/// The way to a value: keys and indices from the top. A longer way shares the shorter one: a configuration of
/// thousands of tokens is walked through at every load, and mostly nothing is found.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Path(Option<Rc<Link>>);

/// The last step comes first, since two paths mostly differ in it.
#[derive(PartialEq, Eq, Hash)]
struct Link {
    step: Step,
    around: Path,
}

/// One step of a [`Path`].
#[derive(PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Step {
    /// To the value of a key.
    Key(String),
    /// To an entry of a list, counted from 0.
    Index(usize),
}

impl Path {
    /// The value below `key`.
    pub(super) fn key(&self, key: &str) -> Self {
        self.step(Step::Key(key.to_owned()))
    }

    /// The entry at `index`, counted from 0.
    pub(super) fn index(&self, index: usize) -> Self {
        self.step(Step::Index(index))
    }

    fn step(&self, step: Step) -> Self {
        Self(Some(Rc::new(Link { step, around: self.clone() })))
    }

    /// From the top.
    pub(super) fn steps(&self) -> Vec<&Step> {
        let mut steps: Vec<_> = self.outwards().filter_map(|path| Some(&path.0.as_ref()?.step)).collect();
        steps.reverse();
        steps
    }

    /// Whether it is `other`, or leads through it.
    fn is_within(&self, other: &Self) -> bool {
        self.outwards().any(|path| path == other)
    }

    /// Itself, what is around it, and so on to the top.
    fn outwards(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |path| Some(&path.0.as_ref()?.around))
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, step) in self.steps().into_iter().enumerate() {
            match step {
                Step::Key(key) => {
                    let dot = if i == 0 { "" } else { "." };
                    write!(f, "{dot}{}", shown(key))?;
                }
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// A key as it may be shown: as it is where it is a legal name, else its place stands for it.
fn shown(key: &str) -> &str {
    match secret::token_like(key) {
        Some(redacted) => redacted,
        None if Name::parse(key).is_ok() => key,
        None => "?",
    }
}

/// Where the values of a merged configuration came from.
#[derive(Default)]
pub(super) struct Origins {
    text: Zeroizing<Vec<u8>>,
    /// Of the text. Read when first asked for: where nothing is wrong, nobody asks.
    lines: OnceCell<Lines>,
    /// What was set elsewhere, and with it all below.
    elsewhere: Vec<(Path, Place)>,
}

impl Origins {
    /// Of what was read from this text.
    pub(super) fn of_text(text: Zeroizing<Vec<u8>>) -> Self {
        Self { text, ..Self::default() }
    }

    /// Notes that a variable set the value at `path`, and with it all below.
    pub(super) fn note_variable(&mut self, path: &Path, variable: &str) {
        self.elsewhere.retain(|(known, _)| !known.is_within(path));
        self.elsewhere.push((path.clone(), Place::variable(variable)));
    }

    /// The place of the value, or of the nearest thing around it that was set.
    fn of(&self, path: &Path) -> Option<Place> {
        let around = self.elsewhere.iter().filter(|(known, _)| path.is_within(known));
        match around.max_by_key(|(known, _)| known.steps().len()) {
            Some((_, place)) => Some(place.clone()),
            None => self.lines.get_or_init(|| yaml::lines(&self.text)).of(path).map(Place::Line),
        }
    }
}

/// Collects findings while a configuration is read, so that all are told at once.
pub(super) struct Report {
    origins: Origins,
    errors: RefCell<Vec<(Path, Finding)>>,
    /// Where the errors are, and what is around them: asked for each token, of which thousands may be wrong.
    wrong: RefCell<HashSet<Path>>,
    warnings: RefCell<Vec<Finding>>,
    refused: RefCell<HashSet<Path>>,
}

impl Report {
    pub(super) fn new(origins: Origins) -> Self {
        Self {
            origins,
            errors: RefCell::default(),
            wrong: RefCell::default(),
            warnings: RefCell::default(),
            refused: RefCell::default(),
        }
    }

    /// The same with errors that are about no value of the configuration.
    pub(super) fn begun_with(mut self, errors: Vec<Finding>) -> Self {
        self.errors.get_mut().extend(errors.into_iter().map(|error| (Path::default(), error)));
        self
    }

    /// Notes what makes the configuration unusable. The same is told once.
    pub(super) fn error(&self, path: &Path, text: impl Into<String>) {
        if !self.refused.borrow().contains(path) {
            let finding = self.finding(path, text.into());
            self.errors.borrow_mut().push((path.clone(), finding));
            let mut wrong = self.wrong.borrow_mut();
            for around in path.outwards() {
                if !wrong.insert(around.clone()) {
                    // Then so is what is around it.
                    break;
                }
            }
        }
    }

    /// Notes what makes the value at `path` unusable whatever else is wrong with it, which goes unsaid.
    pub(super) fn refuse(&self, path: &Path, text: impl Into<String>) {
        self.error(path, text);
        self.refused.borrow_mut().insert(path.clone());
    }

    /// Whether the value at `path`, or one below it, is known to be wrong.
    pub(super) fn concerns(&self, path: &Path) -> bool {
        self.wrong.borrow().contains(path)
    }

    /// Notes what deserves a look.
    pub(super) fn warn(&self, path: &Path, text: impl Into<String>) {
        let finding = self.finding(path, text.into());
        self.warnings.borrow_mut().push(finding);
    }

    /// The warnings, or all errors from the top of the file to its end.
    pub(super) fn finish(self) -> Result<Vec<Finding>, ConfigErrors> {
        let mut errors = self.errors.into_inner();
        if errors.is_empty() {
            return Ok(self.warnings.into_inner());
        }
        errors.sort_by(|(path, finding), (other, another)| {
            (finding.line(), path.steps()).cmp(&(another.line(), other.steps()))
        });
        // By hash, since thousands of tokens may be wrong. Places may differ whose names can't be shown.
        let mut told = HashSet::with_capacity(errors.len());
        errors.retain(|(_, finding)| told.insert(finding.clone()));
        Err(ConfigErrors(errors.into_iter().map(|(_, finding)| finding).collect()))
    }

    fn finding(&self, path: &Path, text: String) -> Finding {
        Finding { path: path.to_string(), place: self.origins.of(path), text }
    }
}
