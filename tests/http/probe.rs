//! `/probe?name=NAME`.

use std::{future::pending, sync::Arc, time::Duration};

use hex_token_exporter::domain::{Check, Exp};
use reqwest::Method;
use tokio::{sync::Notify, time::timeout};

use crate::{
    scripted::{Script, identity, token, workspace},
    stand::{Stand, told},
};

/// Long enough for any machine.
const PATIENCE: Duration = Duration::from_mins(1);

async fn stand() -> Stand {
    let production = workspace("production");
    Stand::start(Script::start(vec![token("airflow", &production), token("dbt", &production)])).await
}

#[tokio::test]
async fn it_waits_for_the_probe_and_answers_with_that_token_alone() {
    let stand = stand().await;
    let script = stand.script.clone();
    stand.probes.on("airflow", move || {
        let script = script.clone();
        async move {
            tokio::task::yield_now().await;
            script.see("airflow", Check::Identity, identity(Exp::Null));
        }
    });
    let response = stand.get("/probe?name=airflow").await;
    assert_eq!(response.headers()["content-type"], "text/plain; version=0.0.4");
    let (status, page) = told(response).await;
    assert_eq!(status, 200);
    assert!(page.contains("hex_token_state{token=\"airflow\",workspace=\"production\",state=\"valid\"} 1\n"));
    assert!(page.contains("# TYPE hex_token_info gauge\nhex_token_info{token=\"airflow\""));
    assert!(!page.contains("dbt") && !page.contains("hex_api_") && !page.contains("process_"));
    assert_eq!(stand.probes.asked(), ["airflow"]);
}

#[tokio::test]
async fn a_probe_that_takes_too_long_is_answered_from_the_store() {
    let stand = stand().await;
    stand.probes.on("airflow", pending);
    let request = stand.request(Method::GET, "/probe?name=airflow");
    let response = request.header("X-Prometheus-Scrape-Timeout-Seconds", "0.6").send().await.unwrap();
    let (status, page) = told(response).await;
    assert_eq!(status, 200);
    assert!(page.contains("state=\"unknown\"} 1\n"));
}

#[tokio::test]
async fn a_caller_chooses_a_configured_name_and_nothing_else() {
    let stand = stand().await;
    stand.probes.on("airflow", || async {});
    for (query, status, words) in [
        ("", 400, "/probe?name=NAME"),
        ("?", 400, "/probe?name=NAME"),
        ("?name", 400, "/probe?name=NAME"),
        ("?name=", 400, "/probe?name=NAME"),
        ("?name=nobody", 404, "no token of that name"),
        ("?name=../etc/passwd", 404, "no token of that name"),
        // Known to the store, and not to the schedule.
        ("?name=dbt", 404, "no token of that name"),
        ("?name=airflow&name=dbt", 400, "one name"),
        ("?name=airflow&target=https://evil.example", 400, "never by a caller"),
        ("?target=airflow", 400, "never by a caller"),
        ("?url=https://evil.example", 400, "never by a caller"),
    ] {
        let (was, page) = stand.told(&format!("/probe{query}")).await;
        assert_eq!(was, status, "{query}: {page}");
        assert!(page.contains(words), "{query}: {page}");
        assert!(!page.contains("evil") && !page.contains("nobody") && !page.contains("passwd"), "{page}");
    }
    assert!(!stand.probes.asked().contains(&"airflow".to_owned()), "{:?}", stand.probes.asked());
}

#[tokio::test]
async fn a_token_in_a_query_is_refused_and_not_repeated() {
    let stand = stand().await;
    let secret = format!("hxtw_{}", "0123456789abcdef".repeat(6));
    for path in [
        format!("/probe?name={secret}"),
        format!("/probe?name={}", secret.replace('_', "%5F")),
        format!("/probe?name=airflow&token={secret}"),
        format!("/probe?{secret}"),
        format!("/metrics?token={secret}"),
        format!("/api/v1/tokens?token={secret}"),
    ] {
        let (status, page) = stand.told(&path).await;
        assert_eq!(status, 400, "{page}");
        assert!(page.contains("hxtw_...") && !page.contains("01234567"), "{page}");
    }
    assert_eq!(stand.probes.asked(), [""; 0]);
}

#[tokio::test]
async fn a_server_that_stops_answers_what_is_under_way() {
    let stand = stand().await;
    let (asked, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (told_asked, may_go_on) = (asked.clone(), go_on.clone());
    stand.probes.on("airflow", move || {
        let (asked, go_on) = (told_asked.clone(), may_go_on.clone());
        async move {
            asked.notify_one();
            go_on.notified().await;
        }
    });
    let request = stand.request(Method::GET, "/probe?name=airflow").send();
    let under_way = async {
        tokio::join!(request, async {
            asked.notified().await;
            stand.shut_down();
            go_on.notify_one();
        })
    };
    let (response, ()) = timeout(PATIENCE, under_way).await.unwrap();
    assert_eq!(response.unwrap().status(), 200);
    let address = stand.address;
    timeout(PATIENCE, stand.stop()).await.unwrap();
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "nobody listens any more");
}
