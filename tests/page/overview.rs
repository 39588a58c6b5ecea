//! `/`.

use std::{sync::atomic::Ordering, time::Duration};

use hex_token_exporter::{
    domain::{Check, DeclaredExpiry, Exp, Facts, Failure, Scope, Seen, TokenSpec},
    store::ReloadStatus,
};
use tokio::time::{advance, resume};

use crate::{
    scripted::{START, Script, answer, at, identity, runner, status, token, workspace},
    stand::Stand,
};

/// The part of a page that tells of this token.
pub(crate) fn row<'a>(page: &'a str, name: &str) -> &'a str {
    let row = page.split_once(&format!("id=\"token-{name}\"")).unwrap().1;
    row.split_once("</tr>").unwrap().0
}

/// Everything that a token can be, by script.
async fn troubles() -> Stand {
    let production = workspace("production");
    let days = |days: i64| Some(DeclaredExpiry::At(at(START + days * 86_400)));
    let script = Script::start(vec![
        TokenSpec { token_owner: Some("data".to_owned()), ..token("good", &production) },
        TokenSpec { expires_at: days(10), ..token("warned", &production) },
        TokenSpec { expires_at: days(28), ..token("half", &production) },
        token("dead", &production),
        TokenSpec { required_scopes: [Scope::UsersRead].into(), ..token("lacking", &production) },
        TokenSpec { required_scopes: [].into(), ..runner("projected", &production) },
        TokenSpec { least_privilege: true, ..token("excessive", &production) },
        token("silent", &production),
        token("doubted", &production),
    ]);
    for name in ["good", "warned", "half", "dead", "lacking", "projected", "excessive", "doubted"] {
        script.see(name, Check::Identity, identity(Exp::Absent));
    }
    for _ in 0..3 {
        advance(Duration::from_mins(1)).await;
        script.see("good", Check::Identity, identity(Exp::Null));
        script.see("dead", Check::Identity, status(401));
        script.see("lacking", Check::UsersRead, status(403));
    }
    script.see("doubted", Check::Identity, status(401));
    script.see("excessive", Check::GroupsRead, status(200));
    script.see("excessive", Check::UsersRead, status(403));
    script.see("half", Check::Identity, Seen::Failed(Failure::Dns));
    let archived = answer(200, Facts::Project { unavailable: true });
    script.see_project("projected", Check::ProjectVisible, "churn", archived);
    resume();
    Stand::start(script).await
}

#[tokio::test(start_paused = true)]
async fn the_page_says_who_needs_attention_why_and_what_to_do() {
    let page = troubles().await.page("/").await;
    assert!(page.contains("<h1>5 of 9 tokens need attention</h1>"), "{page}");
    assert!(page.contains("1 workspace. Next to expire: warned, in 10.0 days."), "{page}");
    assert!(page.contains("<title>5 · Hex tokens</title>"));
    for (name, told) in [
        ("dead", ["class=\"bad\"", "badge bad\">invalid", "Regenerate the token in Hex"]),
        ("lacking", ["class=\"bad\"", "badge bad\">under scoped", "users_read"]),
        (
            "projected",
            ["class=\"bad\"", "badge bad\">project unavailable", "unpublished, archived or trashed"],
        ),
        ("warned", ["class=\"warn\"", "badge good\">valid", "Create its successor"]),
        ("silent", ["class=\"unclear\"", "badge unclear\">unknown", "never</span>"]),
        ("half", ["class=\"unclear\"", "badge good\">valid", "no address"]),
        ("good", ["class=\"good\"", "badge good\">valid", "Nothing to do."]),
        ("doubted", ["class=\"unclear\"", "badge good\">valid", "a 401 is being confirmed"]),
    ] {
        let row = row(&page, name);
        for words in told {
            assert!(row.contains(words), "{name}: {words} in {row}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_most_urgent_comes_first() {
    let listed = troubles().await.listed("/").await;
    assert_eq!(
        listed,
        ["dead", "lacking", "projected", "silent", "warned", "half", "doubted", "excessive", "good"]
    );
}

#[tokio::test(start_paused = true)]
async fn days_left_are_a_bar_of_attributes_and_words() {
    let page = troubles().await.page("/").await;
    assert!(row(&page, "warned").contains("<rect class=\"warn\" width=\"17.9\""), "{}", row(&page, "warned"));
    assert!(row(&page, "warned").contains("10.0 days"));
    assert!(row(&page, "half").contains("<rect class=\"good\" width=\"50\""), "{}", row(&page, "half"));
    assert!(row(&page, "good").contains("never expires") && !row(&page, "good").contains("class=\"bar\""));
    assert!(row(&page, "silent").contains("not known"));
}

#[tokio::test(start_paused = true)]
async fn scopes_are_a_matrix_whose_cells_say_what_they_show() {
    let page = troubles().await.page("/").await;
    // Only what is told of anyone is a column.
    assert_eq!(page.matches("scope=\"col\" class=\"scope\"").count(), 2);
    assert!(page.contains("<span>users read</span>") && page.contains("<span>groups read</span>"));
    for (name, cells) in [
        ("lacking", ["users read: required and missing", "groups read: not asked for"]),
        ("excessive", ["users read: neither required nor granted", "groups read: granted without need"]),
        ("good", ["users read: not asked for", "groups read: not asked for"]),
    ] {
        for cell in cells {
            assert!(row(&page, name).contains(&format!("title=\"{cell}\"")), "{name}: {cell}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_strip_of_probes_counts_what_it_shows() {
    let page = troubles().await.page("/").await;
    let told =
        |name| row(&page, name).split_once("aria-label=\"Latest ").unwrap().1.split('"').next().unwrap();
    assert_eq!(told("dead"), "4 probes: 1 went well, 3 refused, 0 inconclusive");
    assert_eq!(told("half"), "2 probes: 1 went well, 0 refused, 1 inconclusive");
    // A scope that nobody requires may be denied.
    assert_eq!(told("excessive"), "3 probes: 3 went well, 0 refused, 0 inconclusive");
    assert!(!row(&page, "silent").contains("aria-label"));
}

#[tokio::test(start_paused = true)]
async fn workspaces_are_told_with_health_budget_and_clock() {
    let page = troubles().await.page("/").await;
    for words in
        ["production <small>https://production.hex.example</small>", "9 tokens", "2.5 of 30 a minute"]
    {
        assert!(page.contains(words), "{words} in {page}");
    }
    let script = Script::start(vec![token("a", &workspace("down"))]);
    script.see("a", Check::Identity, status(503));
    let page = Stand::start(script).await.page("/").await;
    assert!(page.contains("does not answer") && page.contains("every verdict is held"), "{page}");
}

#[tokio::test]
async fn trouble_of_the_exporter_itself_stands_above_all() {
    let script = Script::start(vec![token("a", &workspace("production"))]);
    let stand = Stand::start(script).await;
    stand.fares.alive.store(false, Ordering::SeqCst);
    assert!(stand.page("/").await.contains("The probe loop has stalled"));
    stand.script.store.note_reload(ReloadStatus { successful: false, last_success: at(START - 60) });
    let page = stand.page("/").await;
    // It fails for a directory that is gone too: the configuration may be a good one.
    assert!(page.contains("The configuration or a token directory cannot be used as it is now"), "{page}");
    assert!(page.contains("a load last succeeded at 2026-09-21T14:12:20Z"), "{page}");
}

#[tokio::test]
async fn a_page_without_tokens_says_so() {
    let page = Stand::start(Script::start(Vec::new())).await.page("/").await;
    assert!(page.contains("No token is watched here"), "{page}");
    assert!(!page.contains("<table"), "{page}");
}

#[tokio::test]
async fn hostile_texts_are_text() {
    let production = workspace("production");
    let script = Script::start(vec![
        TokenSpec {
            token_owner: Some("<script>alert('&')</script>".to_owned()),
            rotate_url: Some("https://wiki.example.com/\"onmouseover=\"x".to_owned()),
            ..token("airflow", &production)
        },
        TokenSpec { rotate_url: Some("javascript:alert(1)".to_owned()), ..token("dbt", &production) },
        TokenSpec { rotate_url: Some("data:text/html,x".to_owned()), ..token("dagster", &production) },
    ]);
    let stand = Stand::start(script).await;
    let hostile = "%3Cimg%20src%3Dx%20onerror%3D%22alert(1)%22%3E";
    for path in
        ["/", "/tokens/airflow", "/tokens/dbt", "/tokens/dagster"].map(str::to_owned).into_iter().chain(
            ["text", "state", "owner", "workspace", "page", "refresh", "x"]
                .map(|key| format!("/?{key}={hostile}")),
        )
    {
        let page = stand.page(&path).await;
        assert!(!page.contains("<script") && !page.contains("<img"), "{path}: {page}");
        assert!(!page.contains("javascript:") && !page.contains("data:text"), "{path}: {page}");
        assert!(!page.contains("\"onmouseover") && !page.contains(" onerror=\""), "{path}: {page}");
    }
}

#[tokio::test]
async fn pages_run_nothing_and_load_from_here_alone() {
    let script = Script::start(vec![token("airflow", &workspace("production"))]);
    let stand = Stand::start(script).await;
    for path in ["/", "/tokens/airflow"] {
        let response = stand.get(path).await;
        assert_eq!(response.headers()["content-type"], "text/html; charset=utf-8");
        let policy = response.headers()["content-security-policy"].to_str().unwrap();
        assert_eq!(
            policy,
            "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
        );
    }
    for (file, kind) in [("style.css", "text/css; charset=utf-8"), ("icon.svg", "image/svg+xml")] {
        let response = stand.get(&format!("/static/{file}")).await;
        assert_eq!(
            (response.status().as_u16(), &response.headers()["content-type"]),
            (200, &kind.parse().unwrap())
        );
    }
    for path in ["/static/", "/static/other.css", "/static/..%2Fmod.rs", "/static/style.css%00", "/static"] {
        assert_eq!(stand.get(path).await.status(), 404, "{path}");
    }
}

#[tokio::test]
async fn links_are_relative_and_the_canonical_one_is_external() {
    let script = Script::start(vec![token("airflow", &workspace("production"))]);
    let stand = Stand::with_external_url(script, "https://monitoring.example/hex/").await;
    for (path, canonical) in [("/", "/"), ("/tokens/airflow", "/tokens/airflow")] {
        let page = stand.page(path).await;
        assert!(
            page.contains(&format!("rel=\"canonical\" href=\"https://monitoring.example/hex{canonical}\""))
        );
        // Behind a proxy that cuts a prefix off, a link from the root would lead out of it.
        assert!(!page.contains("href=\"/") && !page.contains("action=\"/"), "{page}");
    }
}
