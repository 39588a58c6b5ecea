//! `/`, for people.

use hex_token_exporter::domain::{Check, Exp, TokenSpec};

use crate::{
    scripted::{Script, identity, token, workspace},
    stand::{Stand, told},
};

#[tokio::test]
async fn the_page_lists_every_token_with_links_and_runs_nothing() {
    let production = workspace("production");
    let script = Script::start(vec![
        TokenSpec {
            token_owner: Some("<script>alert('&')</script>".to_owned()),
            rotate_url: Some("https://wiki.example.com/\"onmouseover=\"x".to_owned()),
            ..token("airflow", &production)
        },
        TokenSpec { rotate_url: Some("javascript:alert(1)".to_owned()), ..token("dbt", &production) },
    ]);
    script.see("airflow", Check::Identity, identity(Exp::Null));
    let stand = Stand::start(script).await;
    let response = stand.get("/").await;
    assert_eq!(response.headers()["content-type"], "text/html; charset=utf-8");
    let policy = response.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(!policy.contains("script-src"), "{policy}");
    let (_, page) = told(response).await;
    for words in [
        "2 tokens: 1 unknown, 1 valid.",
        "<a href=\"api/v1/tokens/airflow\">airflow</a>",
        "<a href=\"metrics\">",
        "<a href=\"api/v1/tokens\">",
        "&lt;script&gt;alert(&#39;&amp;&#39;)&lt;/script&gt;",
        "href=\"https://wiki.example.com/&quot;onmouseover=&quot;x\"",
        ">never<",
    ] {
        assert!(page.contains(words), "{words} in {page}");
    }
    assert!(!page.contains("<script") && !page.contains("javascript:"), "{page}");
    // The one that is in trouble comes first.
    assert!(page.find(">dbt<") < page.find(">airflow<"));
}

#[tokio::test]
async fn a_page_without_tokens_says_so() {
    let stand = Stand::start(Script::start(Vec::new())).await;
    assert!(stand.told("/").await.1.contains("No token is configured."));
}
