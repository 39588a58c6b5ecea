//! Scripted troubles: what goes wrong, for whom, and when.
//!
//! Faults stand in front of everything else, as a broken proxy would: a faulty answer costs no
//! rate limit and is given whether the token is alive or not.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde::Deserialize;

use super::durations;

/// One trouble with its window and its victims. Keys left out mean: always, and everyone.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What goes wrong.
    #[serde(rename = "do")]
    pub action: Action,
    /// When the window opens, counted from the start (or from when the fault was added).
    #[serde(default, deserialize_with = "durations::plain")]
    pub after: Duration,
    /// How long the window stays open. Left out: for ever.
    #[serde(default, rename = "for", deserialize_with = "durations::optional")]
    pub lasts: Option<Duration>,
    /// The window opens again that long after it last opened.
    #[serde(default, deserialize_with = "durations::optional")]
    pub every: Option<Duration>,
    /// Only every so manieth of the requests that are hit otherwise, the first among them.
    #[serde(default = "each")]
    pub one_in: u32,
    /// Only requests with these tokens, alive or not.
    #[serde(default)]
    pub tokens: BTreeSet<String>,
    /// Only requests with tokens of these workspaces.
    #[serde(default)]
    pub workspaces: BTreeSet<String>,
    /// Only these paths below `/api/v1`, and what lies below them.
    #[serde(default)]
    pub paths: BTreeSet<String>,
    /// Only these methods.
    #[serde(default)]
    pub methods: BTreeSet<String>,
    /// Headers of the faulty answer.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The body of a `status`. Left out: the usual one of a 401 or 429, else an `e`.
    #[serde(default)]
    pub body: Option<FaultBody>,
}

fn each() -> u32 {
    1
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// The answer comes that much later; adds up, and goes with any other action.
    Latency(#[serde(deserialize_with = "durations::plain")] Duration),
    /// This status, instead of the answer.
    Status(u16),
    /// A page of HTML with status 200, as from a captive portal.
    Html,
    /// A 302 to this URL.
    Redirect(String),
    /// The right answer with the `headers` of the fault, as from a cache.
    Headers,
    /// The right answer, of which half arrives before the connection closes.
    HalfBody,
    /// The connection is reset.
    Reset,
    /// No answer, ever.
    Hang,
}

/// The body of a faulty status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultBody {
    /// Hex's older JSON form.
    T,
    /// Hex's newer JSON form.
    E,
    /// A line of text, as from a load balancer.
    Text,
    /// A page, as from a firewall or a single sign-on portal.
    Html,
    /// Nothing.
    Empty,
}

impl Fault {
    /// `action`, always and for everyone.
    pub fn new(action: Action) -> Self {
        Self {
            action,
            after: Duration::ZERO,
            lasts: None,
            every: None,
            one_in: each(),
            tokens: BTreeSet::new(),
            workspaces: BTreeSet::new(),
            paths: BTreeSet::new(),
            methods: BTreeSet::new(),
            headers: BTreeMap::new(),
            body: None,
        }
    }

    /// Whether the window is open that long after the fault was armed.
    fn is_open(&self, armed_for: Duration) -> bool {
        let Some(since_opening) = armed_for.checked_sub(self.after) else {
            return false;
        };
        let Some(lasts) = self.lasts else {
            return true;
        };
        match self.every {
            None => since_opening < lasts,
            // Validation refuses an `every` of zero; one set by hand counts as no repetition.
            Some(every) if every.is_zero() => since_opening < lasts,
            Some(every) => since_opening.as_nanos() % every.as_nanos() < lasts.as_nanos(),
        }
    }

    fn hits(&self, request: &Target<'_>) -> bool {
        let among = |set: &BTreeSet<String>, value: Option<&str>| {
            set.is_empty() || value.is_some_and(|value| set.contains(value))
        };
        among(&self.tokens, request.token)
            && among(&self.workspaces, request.workspace)
            && among(&self.methods, Some(request.method))
            && (self.paths.is_empty() || self.paths.iter().any(|path| request.is_below(path)))
    }
}

/// What of a request decides whether a fault hits it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target<'a> {
    pub(super) token: Option<&'a str>,
    pub(super) workspace: Option<&'a str>,
    pub(super) method: &'a str,
    pub(super) path: &'a str,
}

impl Target<'_> {
    fn is_below(&self, folder: &str) -> bool {
        self.path
            .strip_prefix("/api/v1")
            .and_then(|path| path.strip_prefix(folder))
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// The faults of a stack and how often each could have struck.
#[derive(Debug, Default)]
pub(super) struct FaultBook(Vec<Armed>);

#[derive(Debug)]
struct Armed {
    fault: Fault,
    at: Duration,
    met: u32,
}

/// What befalls one request.
#[derive(Debug, Default)]
pub(super) struct Plight {
    pub(super) latency: Duration,
    /// The first matching fault that is not a latency.
    pub(super) fault: Option<Fault>,
}

impl FaultBook {
    pub(super) fn arm(&mut self, fault: Fault, now: Duration) {
        self.0.push(Armed { fault, at: now, met: 0 });
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn strike(&mut self, request: &Target<'_>, now: Duration) -> Plight {
        let mut plight = Plight::default();
        for armed in &mut self.0 {
            let armed_for = now.saturating_sub(armed.at);
            if !armed.fault.is_open(armed_for) || !armed.fault.hits(request) {
                continue;
            }
            let strikes = armed.met.is_multiple_of(armed.fault.one_in.max(1));
            armed.met = armed.met.wrapping_add(1);
            if !strikes {
                continue;
            }
            match armed.fault.action {
                Action::Latency(delay) => plight.latency += delay,
                _ if plight.fault.is_none() => plight.fault = Some(armed.fault.clone()),
                _ => {}
            }
        }
        plight
    }
}
