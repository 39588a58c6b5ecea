//! What a reader asks to see: the query of the pages and of the calendar.
//!
//! Everything that can be chosen is a link or a field of a form, so no script is needed, and an address
//! says all: it can be kept, sent, and read again by itself.

use url::form_urlencoded;

use crate::{
    domain::TokenState,
    store::report::{Report, Urgency},
};

/// The most that is read of any value.
const LONGEST: usize = 100;

/// Tokens on one page.
const PAGE: usize = 100;

/// How often a page may be read again by itself, in seconds.
const REFRESH: std::ops::RangeInclusive<u32> = 5..=3_600;

/// Which tokens are shown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::http) struct Filter {
    pub(super) text: String,
    pub(super) state: Option<Choice>,
    pub(super) owner: Option<String>,
    pub(super) workspace: Option<String>,
}

/// One of the states, or a group that people ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    /// All that somebody must look at.
    Attention,
    /// All that live and expire within a threshold.
    Expiring,
    /// One state.
    State(TokenState),
}

impl Choice {
    /// All, in the order in which they are offered.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        [Self::Attention, Self::Expiring].into_iter().chain(TokenState::ALL.map(Self::State))
    }

    /// The one of that value.
    fn parse(value: &str) -> Option<Self> {
        Self::all().find(|choice| choice.value() == value)
    }

    /// Its value in a query.
    pub(super) fn value(self) -> &'static str {
        match self {
            Self::Attention => "attention",
            Self::Expiring => "expiring",
            Self::State(state) => state.as_label(),
        }
    }

    /// Its words.
    pub(super) fn words(self) -> String {
        match self {
            Self::Attention => "needs attention".to_owned(),
            Self::Expiring => "expires soon".to_owned(),
            Self::State(state) => super::words::words(state.as_label()),
        }
    }

    pub(super) fn holds(self, report: &Report<'_>) -> bool {
        match self {
            Self::Attention => report.urgency != Urgency::Fine,
            Self::Expiring => report.urgency.is_by_expiry(),
            Self::State(state) => report.state == state,
        }
    }
}

impl Filter {
    /// Reads a query. What it does not know it leaves alone.
    pub(in crate::http) fn parse(query: &str) -> Self {
        let mut filter = Self::default();
        for (key, value) in form_urlencoded::parse(query.as_bytes()) {
            let value: String = value.trim().chars().take(LONGEST).collect();
            let given = (!value.is_empty()).then_some(value);
            match &*key {
                "text" => filter.text = given.unwrap_or_default(),
                "state" => filter.state = given.as_deref().and_then(Choice::parse),
                "owner" => filter.owner = given,
                "workspace" => filter.workspace = given,
                _ => {}
            }
        }
        filter
    }

    /// Whether this token is asked for.
    pub(in crate::http) fn holds(&self, report: &Report<'_>) -> bool {
        let is = |asked: &Option<String>, found| asked.as_deref().is_none_or(|asked| Some(asked) == found);
        self.state.is_none_or(|choice| choice.holds(report))
            && is(&self.owner, report.token_owner)
            && is(&self.workspace, Some(report.workspace.as_str()))
            && self.finds(report)
    }

    fn finds(&self, report: &Report<'_>) -> bool {
        let text = self.text.to_lowercase();
        let fields = [report.name.as_str(), report.workspace.as_str()]
            .into_iter()
            .chain(report.token_owner)
            .chain(report.cause.as_deref())
            .chain(report.projects.iter().map(|project| project.name.as_str()));
        text.is_empty() || fields.into_iter().any(|field| field.to_lowercase().contains(&text))
    }

    /// Whether anything is asked for.
    pub(super) fn is_set(&self) -> bool {
        *self != Self::default()
    }

    /// As a query with its question mark; nothing where nothing is asked for.
    pub(super) fn query(&self) -> String {
        written(self, &[])
    }
}

/// What is shown, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct View {
    pub(super) filter: Filter,
    /// The page, from 1 on.
    pub(super) page: usize,
    /// After how many seconds it is read again. Off unless asked for: who reads or types must not be
    /// interrupted.
    pub(super) refresh: Option<u32>,
}

impl View {
    /// Reads a query.
    pub(super) fn parse(query: &str) -> Self {
        let number = |name: &str| {
            let mut pairs = form_urlencoded::parse(query.as_bytes());
            pairs.find(|(key, _)| key == name).and_then(|(_, value)| value.parse::<u32>().ok())
        };
        Self {
            filter: Filter::parse(query),
            page: number("page").map_or(1, |page| page.max(1) as usize),
            refresh: number("refresh").map(|seconds| seconds.clamp(*REFRESH.start(), *REFRESH.end())),
        }
    }

    /// As a query with its question mark; nothing where all is as usual.
    pub(super) fn query(&self) -> String {
        let page = (self.page > 1).then(|| ("page", self.page.to_string()));
        let refresh = self.refresh.map(|seconds| ("refresh", seconds.to_string()));
        let rest: Vec<_> = page.into_iter().chain(refresh).collect();
        written(&self.filter, &rest)
    }

    /// The same on another page.
    pub(super) fn on_page(&self, page: usize) -> Self {
        Self { page, ..self.clone() }
    }

    /// Another choice of states, from the first page on.
    pub(super) fn with_state(&self, state: Option<Choice>) -> Self {
        Self { filter: Filter { state, ..self.filter.clone() }, page: 1, ..self.clone() }
    }

    /// The same, read again by itself or not.
    pub(super) fn refreshed(&self, refresh: Option<u32>) -> Self {
        Self { refresh, ..self.clone() }
    }

    /// How many pages so many tokens take; at least one.
    pub(super) fn pages(tokens: usize) -> usize {
        tokens.div_ceil(PAGE).max(1)
    }

    /// Where this page begins and ends among so many tokens.
    pub(super) fn range(&self, tokens: usize) -> std::ops::Range<usize> {
        let first = (self.page - 1).saturating_mul(PAGE).min(tokens);
        first..(first + PAGE).min(tokens)
    }
}

fn written(filter: &Filter, rest: &[(&str, String)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    let texts = [
        ("text", Some(filter.text.as_str()).filter(|text| !text.is_empty())),
        ("state", filter.state.map(Choice::value)),
        ("owner", filter.owner.as_deref()),
        ("workspace", filter.workspace.as_deref()),
    ];
    for (key, value) in texts {
        if let Some(value) = value {
            query.append_pair(key, value);
        }
    }
    for (key, value) in rest {
        query.append_pair(key, value);
    }
    let query = query.finish();
    if query.is_empty() { query } else { format!("?{query}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_is_its_query_and_the_query_is_the_view() {
        for (query, canonical) in [
            ("", ""),
            ("text=&state=&owner=&workspace=", ""),
            ("state=expired", "?state=expired"),
            ("state=lost&surprise=1", ""),
            ("text=+a%26b+&owner=data+platform", "?text=a%26b&owner=data+platform"),
            ("refresh=1&page=3", "?page=3&refresh=5"),
            ("refresh=0&page=0", "?refresh=5"),
            ("refresh=-1&page=x", ""),
            ("refresh=99999", "?refresh=3600"),
            ("workspace=%ff", "?workspace=%EF%BF%BD"),
        ] {
            let view = View::parse(query);
            assert_eq!(view.query(), canonical, "{query}");
            assert_eq!(View::parse(canonical.trim_start_matches('?')), view, "{query}");
        }
        assert_eq!(Filter::parse(&format!("text={}", "ä".repeat(500))).text.chars().count(), LONGEST);
    }

    #[test]
    fn pages_hold_every_token_once() {
        for (tokens, pages) in [(0, 1), (1, 1), (100, 1), (101, 2), (1_000, 10)] {
            assert_eq!(View::pages(tokens), pages);
            let view = View::parse("");
            let shown: Vec<usize> = (1..=pages).flat_map(|page| view.on_page(page).range(tokens)).collect();
            assert_eq!(shown, (0..tokens).collect::<Vec<_>>());
        }
        assert_eq!(View::parse("page=4294967295").range(5), 5..5);
    }
}
