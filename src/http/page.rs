//! `/`: every token at a glance, for people. Everything on it is escaped, and it needs no script.

use std::fmt::{self, Display, Write};

use axum::{
    extract::State,
    http::{HeaderValue, header},
    response::{Html, IntoResponse, Response},
};

use super::{Parts, answer};
use crate::{
    domain::TokenState,
    store::{
        Snapshot,
        report::{Report, Second},
    },
};

/// The style stands in the page, and nothing else may be loaded.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
);

const HEAD: &str = "<!DOCTYPE html>
<html lang=\"en\">
<head>
<meta charset=\"utf-8\">
<meta name=\"viewport\" content=\"width=device-width\">
<title>Hex token exporter</title>
<style>
:root { color-scheme: light dark; font-family: system-ui, sans-serif }
body { margin: 1.5rem }
table { border-collapse: collapse }
th, td { padding: .4rem .8rem; border-bottom: 1px solid #8884; text-align: left; vertical-align: top }
td.number { text-align: right }
</style>
</head>
<body>
<h1>Hex token exporter</h1>
";

const FOOT: &str = "<p><a href=\"metrics\">Metrics</a> · <a href=\"api/v1/tokens\">JSON</a> · \
<a href=\"-/healthy\">Health</a> · <a href=\"-/ready\">Readiness</a></p>
</body>
</html>
";

/// Lists the tokens, the most urgent first.
pub(super) async fn index(State(parts): State<Parts>) -> Response {
    match page(&parts.store.snapshot()) {
        Ok(page) => ([(header::CONTENT_SECURITY_POLICY, POLICY)], Html(page)).into_response(),
        Err(fmt::Error) => answer::failed(),
    }
}

fn page(snapshot: &Snapshot) -> Result<String, fmt::Error> {
    let mut page = String::from(HEAD);
    writeln!(page, "<p>{}</p>", summary(snapshot))?;
    page.push_str("<table>\n<thead><tr><th>Token</th><th>Workspace</th><th>State</th><th>Days left</th>");
    page.push_str("<th>Last probe</th><th>Cause</th><th>Remedy</th><th>Owner</th></tr></thead>\n<tbody>\n");
    for report in Report::by_urgency(snapshot) {
        row(&mut page, &report)?;
    }
    page.push_str("</tbody>\n</table>\n");
    page.push_str(FOOT);
    Ok(page)
}

fn summary(snapshot: &Snapshot) -> String {
    let count = |state| snapshot.tokens.iter().filter(|token| token.record.state() == state).count();
    let states: Vec<String> = TokenState::ALL
        .into_iter()
        .map(|state| (state, count(state)))
        .filter(|(_, count)| *count > 0)
        .map(|(state, count)| format!("{count} {}", words(state.as_label())))
        .collect();
    match snapshot.tokens.len() {
        0 => "No token is configured.".to_owned(),
        1 => format!("1 token: {}.", states.join(", ")),
        tokens => format!("{tokens} tokens: {}.", states.join(", ")),
    }
}

fn row(page: &mut String, report: &Report<'_>) -> fmt::Result {
    let Report { name, workspace, .. } = report;
    writeln!(page, "<tr><td><a href=\"api/v1/tokens/{0}\">{0}</a></td>", Escaped(name.as_str()))?;
    writeln!(page, "<td>{}</td><td>{}</td>", Escaped(workspace.as_str()), words(report.state))?;
    let days = report.expiry.days.map_or_else(|| words(report.expiry.source), |days| format!("{days:.1}"));
    writeln!(page, "<td class=\"number\">{}</td>", Escaped(&days))?;
    let last_probe = report.last_probe.map_or_else(String::new, |Second(at)| format!("{at:.0}"));
    writeln!(page, "<td>{}</td>", Escaped(&last_probe))?;
    writeln!(page, "<td>{}</td>", Escaped(report.cause.as_deref().unwrap_or_default()))?;
    write!(page, "<td>{}", Escaped(report.remedy.as_deref().unwrap_or_default()))?;
    // A link to anything but a web address could run in the reader's browser.
    if let Some(url) =
        report.rotate_url.filter(|url| url.starts_with("https://") || url.starts_with("http://"))
    {
        write!(page, " <a href=\"{}\">How to rotate it</a>", Escaped(url))?;
    }
    writeln!(page, "</td><td>{}</td></tr>", Escaped(report.token_owner.unwrap_or_default()))
}

/// A label as words.
fn words(label: &str) -> String {
    label.replace('_', " ")
}

/// Text that is safe between tags and within a quoted attribute.
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '"' => f.write_str("&quot;"),
            '\'' => f.write_str("&#39;"),
            c => f.write_char(c),
        })
    }
}
