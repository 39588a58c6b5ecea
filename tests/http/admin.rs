//! The health paths, `/-/reload`, and what every answer has in common.

use std::sync::atomic::Ordering;

use reqwest::Method;

use crate::{
    scripted::{Script, token, workspace},
    stand::{Stand, told},
};

fn script() -> Script {
    Script::start(vec![token("airflow", &workspace("production"))])
}

#[tokio::test]
async fn health_and_readiness_follow_the_process_on_either_address() {
    let stand = Stand::start(script()).await;
    let (alone, _server) = stand.start_health().await;
    let status = async |path: &str| {
        let (status, words) = stand.told(path).await;
        let same = told(reqwest::get(format!("http://{alone}{path}")).await.unwrap()).await;
        assert_eq!(same, (status, words.clone()));
        assert!(words.ends_with('\n') && words.lines().count() == 1, "{words:?}");
        status
    };
    for (alive, ready, statuses) in
        [(true, true, (200, 200)), (true, false, (200, 503)), (false, false, (503, 503))]
    {
        stand.fares.alive.store(alive, Ordering::SeqCst);
        stand.fares.ready.store(ready, Ordering::SeqCst);
        assert_eq!((status("/-/healthy").await, status("/-/ready").await), statuses);
    }
    for path in [
        "/",
        "/metrics",
        "/api/v1/tokens",
        "/probe?name=airflow",
        "/-/reload",
        "/calendar.ics",
        "/static/style.css",
    ] {
        let response = reqwest::get(format!("http://{alone}{path}")).await.unwrap();
        assert_eq!(response.status(), 404, "{path}");
    }
}

#[tokio::test]
async fn a_reload_must_be_enabled_and_says_what_is_wrong() {
    let wrong = "tokens.airflow: unknown key\ntokens.dbt: unknown key".to_owned();
    for (enabled, status, words) in [
        (None, 403, "--web.enable-lifecycle"),
        (Some(Ok(())), 200, "reloaded"),
        (Some(Err(wrong.clone())), 500, wrong.as_str()),
    ] {
        let stand = Stand::with_reload(script(), enabled).await;
        let answer = told(stand.request(Method::POST, "/-/reload").send().await.unwrap()).await;
        assert_eq!(answer.0, status);
        assert!(answer.1.contains(words), "{answer:?}");
        let response = stand.get("/-/reload").await;
        assert_eq!(
            (response.status().as_u16(), &response.headers()["allow"]),
            (405, &"POST".parse().unwrap())
        );
    }
}

#[tokio::test]
async fn every_answer_is_guarded_and_none_repeats_what_was_asked() {
    let stand = Stand::start(script()).await;
    stand.probes.on("airflow", || async { panic!("a handler has a bad day") });
    stand.fares.alive.store(false, Ordering::SeqCst);
    for (method, path, status) in [
        (Method::GET, "/", 200),
        (Method::GET, "/metrics", 200),
        (Method::GET, "/api/v1/tokens", 200),
        (Method::GET, "/api/v1/tokens/airflow", 200),
        (Method::GET, "/-/healthy", 503),
        (Method::GET, "/probe", 400),
        (Method::GET, "/probe?name=airflow", 500),
        (Method::POST, "/-/reload", 403),
        (Method::GET, "/xyzzy?xyzzy=1", 404),
        (Method::POST, "/xyzzy", 404),
        (Method::GET, "/static/xyzzy", 404),
        (Method::GET, "/static/style.css", 200),
        (Method::GET, "/tokens/airflow", 200),
        (Method::GET, "/tokens/xyzzy", 404),
        (Method::GET, "/calendar.ics?text=xyzzy", 200),
        (Method::POST, "/metrics?xyzzy", 405),
        (Method::DELETE, "/", 405),
        (Method::OPTIONS, "/metrics", 405),
        (Method::POST, "/-/ready", 405),
    ] {
        let mut request = stand.request(method.clone(), path);
        // What may change something is refused to other sites whatever it is; see tests/web/.
        if method == Method::GET || method == Method::OPTIONS {
            request = request.header("origin", "https://evil.example");
        }
        let response = request.send().await.unwrap();
        let headers = response.headers().clone();
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(headers["referrer-policy"], "no-referrer", "{path}");
        assert_eq!(headers["cache-control"], "no-store", "{path}");
        assert!(headers["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
        assert!(headers.keys().all(|name| !name.as_str().starts_with("access-control-")), "{path}");
        let (was, page) = told(response).await;
        assert_eq!(was, status, "{method} {path}: {page}");
        assert!(!page.contains("xyzzy") && !page.contains("bad day") && !page.contains("evil"), "{page}");
        if was >= 400 {
            assert_eq!(headers["content-type"], "text/plain; charset=utf-8", "{path}");
            assert!(page.ends_with('\n') && page.len() < 200, "{page:?}");
        }
    }
    assert_eq!(stand.told("/metrics").await.0, 200, "it serves on");
}

#[tokio::test]
async fn a_large_body_is_refused() {
    let stand = Stand::with_reload(script(), Some(Ok(()))).await;
    let request = stand.request(Method::POST, "/-/reload").body(vec![b'a'; 100_000]);
    assert_eq!(request.send().await.unwrap().status(), 413);
}
