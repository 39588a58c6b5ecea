//! `/tokens/{name}`.

use std::time::Duration;

use hex_token_exporter::domain::{Check, Exp, Facts, Failure, Seen, TokenSpec};
use tokio::time::{advance, resume};

use crate::{
    scripted::{START, Script, answer, identity, name, runner, status, token, workspace},
    stand::Stand,
};

async fn stand() -> Stand {
    let production = workspace("production");
    let script = Script::start(vec![
        TokenSpec {
            token_owner: Some("data platform".to_owned()),
            rotate_url: Some("https://wiki.example.com/rotate?a=1&b=2".to_owned()),
            ..runner("airflow", &production)
        },
        token("silent", &production),
    ]);
    let expiry = Exp::Number(f64::from(i32::try_from(START + 10 * 86_400).unwrap()));
    script.see("airflow", Check::Identity, identity(expiry));
    script.see("airflow", Check::ProjectsRead, status(200));
    let seen = answer(200, Facts::Project { unavailable: false });
    script.see_project("airflow", Check::ProjectVisible, "kpis", seen);
    advance(Duration::from_secs(90)).await;
    script.see_project("airflow", Check::ProjectsRun, "kpis", status(403));
    script.see("airflow", Check::Identity, Seen::Failed(Failure::Timeout));
    resume();
    Stand::start(script).await
}

#[tokio::test(start_paused = true)]
async fn a_token_is_told_with_its_facts_its_rights_and_its_history() {
    let page = stand().await.page("/tokens/airflow").await;
    for words in [
        "<title>airflow: unknown · Hex tokens</title>",
        "data platform",
        "10.0 days, told by the api",
        "14 days and 3 days before",
        "href=\"https://wiki.example.com/rotate?a=1&#38;b=2\"",
        "Projects: Read</td><td class=\"granted\"",
        "Projects: Run</td><td class=\"open\"",
        "visible; runs not known yet",
        "<td>projects run of kpis</td>",
        "<span class=\"badge unclear\">timeout</span>",
        "5, 1 forbidden, 1 timeout",
        "<time datetime=\"2026-09-21T14:13:20Z\" title=\"2026-09-21T14:13:20Z\">1 min ago</time>",
    ] {
        assert!(page.contains(words), "{words} in {page}");
    }
    let rows = page.split_once("class=\"history\"").unwrap().1;
    let rows: Vec<&str> = rows.split("<tr class=").skip(1).collect();
    assert_eq!(rows.len(), 5);
    assert!(rows[0].contains("timeout") && rows[4].contains("identity"), "newest first");
}

#[tokio::test(start_paused = true)]
async fn latencies_are_drawn_and_told() {
    let page = stand().await.page("/tokens/airflow").await;
    let chart = page.split_once("class=\"latencies\"").unwrap().1.split_once("</svg>").unwrap().0;
    assert!(chart.contains("5 probes, of which 3 went well; the slowest took 250 ms."), "{chart}");
    for (shape, times) in [("r=\"3.5\"/>", 4), ("m-5 0l5-5 5 5-5 5z", 1), ("class=\"hollow\"", 1)] {
        assert_eq!(chart.matches(shape).count(), times, "{shape}");
    }
    assert!(chart.contains("<title>projects run: forbidden, 250 ms</title>"), "{chart}");
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_counts_as_no_failure_is_drawn_as_one_that_went_well() {
    let script = Script::start(vec![runner("airflow", &workspace("production"))]);
    script.see("airflow", Check::Identity, status(403));
    script.see("airflow", Check::Identity, status(404));
    script.see("airflow", Check::UsersRead, status(403));
    for found in [404, 403, 422, 400] {
        script.see_project("airflow", Check::DryRunGuard, "kpis", status(found));
    }
    resume();
    let stand = Stand::start(script).await;
    let strip = "Latest 7 probes: 7 went well, 0 refused, 0 inconclusive";
    assert!(stand.page("/").await.contains(strip));
    // A run that was found is bad, though Hex answered with a 200.
    stand.script.see_project("airflow", Check::DryRunGuard, "kpis", status(200));
    let page = stand.page("/tokens/airflow").await;
    assert!(page.contains("8 probes, of which 7 went well"), "{page}");
    let token = stand.script.store.token(&name("airflow")).unwrap();
    assert_eq!(token.counts.failures().map(|(_, count)| count).sum::<u64>(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_was_never_probed_says_so() {
    let page = stand().await.page("/tokens/silent").await;
    for words in
        ["It was not probed yet.", "None is required or looked for.", "None is listed in the configuration."]
    {
        assert!(page.contains(words), "{words} in {page}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_way_back_leads_to_the_same_list_and_row() {
    let stand = stand().await;
    let list = stand.page("/?owner=data+platform&refresh=30").await;
    assert!(list.contains("href=\"tokens/airflow?owner=data+platform&#38;refresh=30\""), "{list}");
    let page = stand.page("/tokens/airflow?owner=data+platform&refresh=30").await;
    assert!(page.contains("href=\"../?owner=data+platform&#38;refresh=30#token-airflow\""), "{page}");
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_not_there_is_not_repeated() {
    let stand = stand().await;
    for path in ["nobody", "%3Cscript%3E", "airflow%0a", "..%2Fairflow", "%ff"] {
        let response = stand.get(&format!("/tokens/{path}")).await;
        let status = response.status().as_u16();
        assert!(status == 404 || status == 400, "{path}: {status}");
        let page = response.text().await.unwrap();
        assert!(!page.contains("nobody") && !page.contains("script") && !page.contains("airflow"), "{page}");
    }
}
