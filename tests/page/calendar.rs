//! `/calendar.ics`.

use std::time::Duration;

use hex_token_exporter::domain::{Check, DeclaredExpiry, Exp, TokenSpec};
use tokio::time::{advance, resume};

use crate::{
    scripted::{START, Script, identity, status, token, workspace},
    stand::Stand,
};

/// One of each: a date from the API, one from the configuration, none.
async fn stand(external: Option<&str>) -> Stand {
    let production = workspace("production");
    let script = Script::start(vec![
        TokenSpec {
            token_owner: Some("data, \"platform\"; \\ & more\r\nEND:VCALENDAR".to_owned()),
            rotate_url: Some("https://wiki.example.com/rotate?a=1,2;3".to_owned()),
            ..token("airflow", &production)
        },
        TokenSpec {
            expires_at: Some(DeclaredExpiry::At("2027-03-01T00:00:00Z".parse().unwrap())),
            expiry_warning: Duration::from_hours(36),
            expiry_critical: Duration::from_hours(36),
            token_owner: Some("bi".to_owned()),
            ..token("dbt", &production)
        },
        token("eternal", &production),
        token("unknown", &production),
    ]);
    let expiry = Exp::Number(f64::from(i32::try_from(START + 10 * 86_400).unwrap()));
    script.see("airflow", Check::Identity, identity(expiry));
    script.see("dbt", Check::Identity, identity(Exp::Absent));
    script.see("eternal", Check::Identity, identity(Exp::Null));
    resume();
    match external {
        Some(url) => Stand::with_external_url(script, url).await,
        None => Stand::start(script).await,
    }
}

/// The content lines, unfolded.
fn lines(calendar: &str) -> Vec<String> {
    assert!(calendar.ends_with("\r\n"));
    for line in calendar.split_terminator("\r\n") {
        assert!(line.len() <= 75, "{line}");
        assert!(!line.contains(['\r', '\n']) && !line.is_empty(), "{line:?}");
    }
    calendar.replace("\r\n ", "").split_terminator("\r\n").map(str::to_owned).collect()
}

#[tokio::test(start_paused = true)]
async fn each_dated_token_is_one_entry_with_alarms_at_its_thresholds() {
    let stand = stand(Some("https://monitoring.example/hex")).await;
    let response = stand.get("/calendar.ics").await;
    assert_eq!(response.headers()["content-type"], "text/calendar; charset=utf-8");
    let calendar = lines(&response.text().await.unwrap());
    let expected = "\
BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//hex-token-exporter//calendar//EN
NAME:Hex tokens
X-WR-CALNAME:Hex tokens
REFRESH-INTERVAL;VALUE=DURATION:PT1H
X-PUBLISHED-TTL:PT1H
BEGIN:VEVENT
UID:airflow@production.hex-token-exporter
DTSTAMP:20260920T141320Z
DTSTART:20261001T141320Z
SUMMARY:Hex token airflow expires
DESCRIPTION:Create its successor in Hex under Settings > API keys\\, and replace it where the exporter and the jobs read it\\, before that day.\\nWorkspace: production\\nOwner: data\\, \"platform\"\\; \\\\ & more\\nEND:VCALENDAR\\nHow to rotate it: https://wiki.example.com/rotate?a=1\\,2\\;3
URL:https://monitoring.example/hex/tokens/airflow
CATEGORIES:Hex tokens
TRANSP:TRANSPARENT
BEGIN:VALARM
ACTION:DISPLAY
TRIGGER:-P14D
DESCRIPTION:Hex token airflow expires
END:VALARM
BEGIN:VALARM
ACTION:DISPLAY
TRIGGER:-P3D
DESCRIPTION:Hex token airflow expires
END:VALARM
END:VEVENT
BEGIN:VEVENT
UID:dbt@production.hex-token-exporter
DTSTAMP:20260920T141320Z
DTSTART:20270301T000000Z
SUMMARY:Hex token dbt expires
DESCRIPTION:Create its successor in Hex under Settings > API keys\\, and replace it where the exporter and the jobs read it\\, before that day.\\nWorkspace: production\\nOwner: bi
URL:https://monitoring.example/hex/tokens/dbt
CATEGORIES:Hex tokens
TRANSP:TRANSPARENT
BEGIN:VALARM
ACTION:DISPLAY
TRIGGER:-PT36H
DESCRIPTION:Hex token dbt expires
END:VALARM
END:VEVENT
END:VCALENDAR";
    assert_eq!(calendar.join("\n"), expected);
}

#[tokio::test(start_paused = true)]
async fn the_same_tokens_are_the_same_bytes_at_any_time() {
    let one = stand(None).await;
    let before = one.page("/calendar.ics").await;
    tokio::time::pause();
    advance(Duration::from_hours(5)).await;
    one.script.see("airflow", Check::Identity, status(503));
    resume();
    assert_eq!(one.page("/calendar.ics").await, before);
    assert!(!before.contains("\r\nURL"), "nobody has said where the page is");
}

#[tokio::test(start_paused = true)]
async fn a_calendar_can_be_of_some_tokens_alone() {
    let stand = stand(None).await;
    for (query, uids) in [
        ("", vec!["airflow", "dbt"]),
        ("?owner=bi", vec!["dbt"]),
        ("?workspace=production&text=air", vec!["airflow"]),
        ("?owner=nobody", vec![]),
    ] {
        let calendar = lines(&stand.page(&format!("/calendar.ics{query}")).await);
        let found: Vec<&str> = calendar
            .iter()
            .filter_map(|line| line.strip_prefix("UID:")?.split_once('@').map(|(name, _)| name))
            .collect();
        assert_eq!(found, uids, "{query}");
    }
    let page = stand.page("/?owner=bi").await;
    assert!(page.contains("href=\"calendar.ics?owner=bi\""), "{page}");
}
