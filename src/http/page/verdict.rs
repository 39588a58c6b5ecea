//! What both pages say of a token: its state, its days, its trouble and the way out.

use jiff::Timestamp;

use super::{
    picture::Bar,
    words::{Time, Tone, days, words},
};
use crate::{
    domain::Expiry,
    store::{
        TokenView,
        report::{Report, Second, Urgency},
    },
};

/// One token.
#[derive(Debug)]
pub(super) struct Verdict<'a> {
    pub(super) report: Report<'a>,
    /// How urgent it is.
    pub(super) tone: Tone,
    pub(super) state: String,
    pub(super) state_tone: Tone,
    pub(super) since: Option<Time>,
    /// A 401 awaits confirmation.
    pub(super) pending: bool,
    /// Days left, or why there are none.
    pub(super) left: String,
    pub(super) bar: Option<Bar>,
    pub(super) last_probe: Option<Time>,
    pub(super) rotate_url: Option<&'a str>,
}

impl<'a> Verdict<'a> {
    pub(super) fn of(token: &'a TokenView, report: Report<'a>, now: Timestamp) -> Self {
        let time = |at: Option<Second>| at.map(|Second(at)| Time::new(at, now));
        // A verdict that is held while probes fail is nothing to rest on.
        let tone = match Tone::of(report.urgency) {
            Tone::Good if report.cause.is_some() => Tone::Unclear,
            tone => tone,
        };
        let warning = token.spec.expiry_warning.as_secs_f64() / 86_400.0;
        let (left, bar) = match report.expiry.days {
            Some(left) => {
                let tone = Tone::of(Urgency::of_expiry(&token.spec, Some(left)));
                (days(left), Some(Bar::of_days(left, warning, tone)))
            }
            None if report.expiry.source == Expiry::Never => ("never expires".to_owned(), None),
            None => ("not known".to_owned(), None),
        };
        Self {
            tone,
            state: words(report.state.as_label()),
            state_tone: Tone::of_state(report.state),
            since: time(report.state_since),
            pending: token.record.pending().is_some(),
            left,
            bar,
            last_probe: time(report.last_probe),
            rotate_url: report.rotate_url.filter(|url| is_web(url)),
            report,
        }
    }
}

/// A link to anything but a web address could run in the reader's browser.
fn is_web(url: &str) -> bool {
    url.starts_with("https://") || url.starts_with("http://")
}
