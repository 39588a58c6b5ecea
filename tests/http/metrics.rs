//! `/metrics`.

use std::{future::pending, io::Read};

use flate2::read::GzDecoder;
use hex_token_exporter::domain::{Check, Exp};
use reqwest::Method;

use crate::{
    scripted::{Script, identity, token, workspace},
    stand::{Stand, told},
};

async fn stand() -> Stand {
    let production = workspace("production");
    let script = Script::start(vec![token("airflow", &production), token("dbt", &production)]);
    script.see("airflow", Check::Identity, identity(Exp::Null));
    Stand::start(script).await
}

#[tokio::test]
async fn the_page_is_text_of_its_exact_type_and_causes_no_probe() {
    let stand = stand().await;
    stand.probes.on("airflow", pending);
    let response = stand.get("/metrics").await;
    assert_eq!(response.headers()["content-type"], "text/plain; version=0.0.4");
    assert!(!response.headers().contains_key("content-encoding"));
    let (status, page) = told(response).await;
    assert_eq!(status, 200);
    for line in [
        "hex_token_state{token=\"airflow\",workspace=\"production\",state=\"valid\"} 1\n",
        "hex_token_state{token=\"dbt\",workspace=\"production\",state=\"unknown\"} 1\n",
        "hex_token_exporter_total_shards 1\n",
        "process_open_fds ",
    ] {
        assert!(page.contains(line), "{line}");
    }
    assert_eq!(stand.probes.asked(), [""; 0]);
}

#[tokio::test]
async fn the_page_is_packed_for_those_who_ask() {
    let stand = stand().await;
    let request = stand.request(Method::GET, "/metrics").header("accept-encoding", "gzip");
    let response = request.send().await.unwrap();
    assert_eq!(response.headers()["content-encoding"], "gzip");
    assert_eq!(response.headers()["content-type"], "text/plain; version=0.0.4");
    let mut page = String::new();
    let packed = response.bytes().await.unwrap();
    GzDecoder::new(&*packed).read_to_string(&mut page).unwrap();
    assert!(page.contains("\nhex_token_exporter_total_shards 1\n"));
    assert!(packed.len() < page.len() / 4);
}

#[tokio::test]
async fn the_page_comes_as_its_reader_takes_it() {
    let stand = stand().await;
    for (accepted, packed) in [
        ("gzip", true),
        ("deflate, GZIP;q=0.5, br", true),
        ("gzip ; q=1.0", true),
        ("*", false),
        ("gzip;q=0", false),
        ("gzip; q=0.000, identity", false),
        ("identity", false),
        ("deflate", false),
        ("gzipped, gzip-like", false),
        ("", false),
    ] {
        let request = stand.request(Method::GET, "/metrics").header("accept-encoding", accepted);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200, "{accepted}");
        let codings: Vec<_> = response.headers().get_all("content-encoding").iter().collect();
        assert_eq!(codings, if packed { vec!["gzip"] } else { vec![] }, "{accepted}");
        if packed {
            assert!(response.headers()["vary"].to_str().unwrap().eq_ignore_ascii_case("accept-encoding"));
        }
        let body = response.bytes().await.unwrap();
        let mut page = String::new();
        let mut plain: Box<dyn Read> =
            if packed { Box::new(GzDecoder::new(&*body)) } else { Box::new(&*body) };
        plain.read_to_string(&mut page).unwrap();
        assert!(page.ends_with('\n') && page.contains("\nhex_token_exporter_total_shards 1\n"), "{accepted}");
    }
}

#[tokio::test]
async fn a_head_is_answered_without_a_body() {
    let stand = stand().await;
    let response = stand.request(Method::HEAD, "/metrics").send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/plain; version=0.0.4");
    assert_eq!(told(response).await, (200, String::new()));
}

#[tokio::test]
async fn what_is_no_longer_configured_leaves_the_next_scrape() {
    let stand = stand().await;
    stand.script.configure(vec![token("airflow", &workspace("production"))]);
    let (_, page) = stand.told("/metrics").await;
    assert!(page.contains("\"airflow\"") && !page.contains("\"dbt\""));
}
