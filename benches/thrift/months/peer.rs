//! The peer: a probe of every token at a fixed interval, as of `blackbox_exporter` with a module a token.
//!
//! Prometheus keeps what the last probe saw until the next one, and an alert fires once that has been bad
//! for its `for`. Which `for`, the months themselves tell: the shortest with which nobody is ever paged for
//! a token that lives.

use std::time::Duration;

use super::{month::Month, spread::Spread};

/// What the alert looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    /// `probe_success == 0`: the usual one.
    Failing,
    /// `probe_http_status_code == 401`: what one who knows the API would write.
    Refused,
}

/// A stretch of bad probes of one token, ended by a good one.
#[derive(Debug, Clone, Copy)]
struct Bad {
    token: usize,
    credential: usize,
    from: Duration,
    until: Duration,
    /// When the credential in use has died, if it has.
    died: Option<Duration>,
}

/// What came of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Peer {
    /// The shortest `for` that never pages for a token that lives.
    pub(crate) hold: Duration,
    /// How many such pages there are without any `for`.
    pub(crate) false_pages: usize,
    /// From death to page, with that `for`.
    pub(crate) deaths: Spread,
    /// Dead tokens that were replaced before the page.
    pub(crate) unseen: usize,
}

impl Peer {
    /// Probes all tokens of all months.
    pub(crate) fn probe(months: &[impl AsRef<Month>], interval: Duration, signal: Signal) -> Self {
        let mut peer = Self::default();
        let stretches: Vec<Vec<Bad>> =
            months.iter().map(|month| bad(month.as_ref(), interval, signal)).collect();
        for bad in stretches.iter().flatten() {
            // Up to a death, or all of it: what a longer `for` must outlast.
            let wrong = bad.died.map_or(bad.until, |died| died.clamp(bad.from, bad.until));
            let held = wrong.saturating_sub(bad.from);
            peer.false_pages += usize::from(!held.is_zero());
            peer.hold = peer.hold.max(held);
        }
        for (month, stretches) in months.iter().zip(&stretches) {
            for bad in stretches {
                peer.page(month.as_ref(), bad);
            }
        }
        peer
    }

    fn page(&mut self, month: &Month, bad: &Bad) {
        let Some(died) = bad.died.filter(|died| *died < bad.until) else { return };
        let credentials = &month.tokens[bad.token].credentials;
        let next = credentials.get(bad.credential + 1).map_or(month.end, |next| next.from);
        if next <= died || next >= month.end {
            return;
        }
        let paged = (bad.from + self.hold).max(died);
        if paged < bad.until {
            self.deaths.add(paged.saturating_sub(month.told_since(bad.token, died, paged)));
        } else {
            self.unseen += 1;
        }
    }
}

fn bad(month: &Month, interval: Duration, signal: Signal) -> Vec<Bad> {
    let mut all = Vec::new();
    for (token, tokens_month) in month.tokens.iter().enumerate() {
        let credentials = &tokens_month.credentials;
        // As Prometheus does, with a phase of its own for each target.
        let mut at = interval.mul_f64(0.05 * f64::from(u32::try_from(token).unwrap_or_default()));
        let mut open: Option<Bad> = None;
        while at < month.end {
            let credential = credentials.iter().rposition(|it| it.from <= at).unwrap_or_default();
            let refused = !month.is_out(at) && month.rejects(token, credential, at);
            let is_bad = refused || (signal == Signal::Failing && month.is_out(at));
            let ended = open.filter(|bad| !is_bad || bad.credential != credential);
            if let Some(bad) = ended {
                all.push(Bad { until: at, ..bad });
                open = None;
            }
            if is_bad && open.is_none() {
                let died = credentials[credential].dies;
                open = Some(Bad { token, credential, from: at, until: month.end, died });
            }
            at += interval;
        }
        all.extend(open);
    }
    all
}
