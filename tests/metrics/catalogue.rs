//! The catalogue holds every metric that is told, and the documentation holds the catalogue.

use std::{collections::BTreeSet, fmt::Write};

use hex_token_exporter::{
    domain::{Check, Reason},
    metrics::{self, catalogue},
};

use crate::{exposed::Page, own, own::request, tokens::all_told};

#[tokio::test(start_paused = true)]
async fn a_page_holds_every_metric_of_the_catalogue_and_nothing_else() {
    let script = all_told();
    let own = own(&["production"]);
    request(&own, "production", Check::Identity, 200, Reason::Ok);
    let page = Page::parse(&metrics::page(&script.store.snapshot(), &own));

    let told: BTreeSet<&str> =
        page.families.keys().map(String::as_str).filter(|it| !it.starts_with("process_")).collect();
    assert_eq!(told, catalogue::ALL.iter().map(|metric| metric.name).collect());
    assert!(page.families.len() > told.len(), "process metrics are there too");
    for metric in catalogue::ALL {
        let family = &page.families[metric.name];
        assert_eq!((family.kind.as_str(), family.help.as_str()), (metric.kind.as_str(), metric.help));
        let expected: BTreeSet<&str> = metric.subject.labels().iter().chain(metric.labels).copied().collect();
        for labels in page.labels_of(metric.name) {
            let own = labels.keys().map(String::as_str).filter(|label| *label != "le").collect();
            assert_eq!(expected, own, "{}", metric.name);
        }
    }
}

/// `docs/METRICS.md` holds the catalogue as a table. `UPDATE_DOCS=1` writes it.
#[test]
fn the_documentation_is_the_catalogue() {
    const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/METRICS.md");
    let mut table = String::from("| metric | type | labels | meaning |\n| --- | --- | --- | --- |\n");
    for metric in catalogue::ALL {
        let labels = metric.subject.labels().iter().chain(metric.labels);
        let labels: Vec<String> = labels.map(|label| format!("`{label}`")).collect();
        let row = [
            &format!("`{}`", metric.name),
            metric.kind.as_str(),
            &labels.join(" "),
            &metric.help.replace('|', "\\|"),
        ];
        writeln!(table, "| {} |", row.join(" | ")).unwrap();
    }
    let document = std::fs::read_to_string(PATH).unwrap();
    let (before, rest) = document.split_once("<!-- metrics -->\n").unwrap();
    let (_, after) = rest.split_once("<!-- /metrics -->\n").unwrap();
    let current = format!("{before}<!-- metrics -->\n{table}<!-- /metrics -->\n{after}");
    #[expect(clippy::disallowed_methods, reason = "how a person asks this test to write")]
    let update = std::env::var_os("UPDATE_DOCS").is_some();
    if update {
        std::fs::write(PATH, &current).unwrap();
    }
    assert!(update || document == current, "docs/METRICS.md has drifted: run with UPDATE_DOCS=1");
}

/// A scrape never causes a probe, so what a probe told must say how old it is.
#[test]
fn the_help_of_what_a_probe_told_says_so() {
    let configured_or_counted = [
        "hex_token_probe_interval_seconds",
        "hex_token_expiry_warning_seconds",
        "hex_token_expiry_critical_seconds",
        "hex_token_scope_required",
        "hex_token_credential_loaded_timestamp_seconds",
        "hex_token_probes_total",
        "hex_token_probe_failures_total",
        "hex_token_info",
    ];
    for metric in catalogue::ALL.iter().filter(|metric| metric.subject == catalogue::Subject::Token) {
        let probed = !configured_or_counted.contains(&metric.name);
        assert_eq!(metric.help.ends_with("as of the last probe"), probed, "{}", metric.name);
    }
}
