//! What a reader can ask to see, by the address alone.

use hex_token_exporter::domain::{Check, DeclaredExpiry, Exp, TokenSpec};

use crate::{
    scripted::{START, Script, at, identity, token, workspace},
    stand::Stand,
};

async fn stand() -> Stand {
    let (one, two) = (workspace("one"), workspace("two"));
    let owned = |name, owner: &str, workspace| TokenSpec {
        token_owner: Some(owner.to_owned()),
        ..token(name, workspace)
    };
    let soon = Some(DeclaredExpiry::At(at(START + 86_400)));
    let script = Script::start(vec![
        TokenSpec { expires_at: soon, ..owned("airflow", "data & platform", &one) },
        owned("dbt", "Analytics", &one),
        owned("looker", "bi", &two),
        token("orphan", &two),
    ]);
    for name in ["airflow", "dbt", "looker"] {
        script.see(name, Check::Identity, identity(Exp::Absent));
    }
    Stand::start(script).await
}

#[tokio::test]
async fn tokens_are_chosen_by_state_owner_workspace_and_text() {
    let stand = stand().await;
    for (query, expected) in [
        ("", vec!["airflow", "orphan", "dbt", "looker"]),
        ("?state=attention", vec!["airflow", "orphan"]),
        ("?state=expiring", vec!["airflow"]),
        ("?state=unknown", vec!["orphan"]),
        ("?state=valid&workspace=one", vec!["airflow", "dbt"]),
        ("?owner=data+%26+platform", vec!["airflow"]),
        ("?owner=bi&workspace=one", vec![]),
        ("?text=LOOK", vec!["looker"]),
        ("?text=analytics", vec!["dbt"]),
        ("?text=two", vec!["orphan", "looker"]),
        ("?text=expires+in", vec!["airflow"]),
        ("?text=&state=&owner=&workspace=", vec!["airflow", "orphan", "dbt", "looker"]),
        ("?state=nonsense&else=1", vec!["airflow", "orphan", "dbt", "looker"]),
        ("?owner=nobody", vec![]),
    ] {
        assert_eq!(stand.listed(&format!("/{query}")).await, expected, "{query}");
    }
}

#[tokio::test]
async fn the_form_keeps_what_was_asked_for() {
    let stand = stand().await;
    let page = stand.page("/?text=a%22b&state=expiring&owner=gone+team&refresh=30").await;
    for words in [
        "name=\"text\" value=\"a&#34;b\"",
        "<option value=\"expiring\" selected>expires soon</option>",
        "<option value=\"gone team\" selected>gone team</option>",
        "<option value=\"data &#38; platform\">data &#38; platform</option>",
        "name=\"refresh\" value=\"30\"",
        "No token is like that.",
        "<a href=\"./\">Show all</a>",
    ] {
        assert!(page.contains(words), "{words} in {page}");
    }
}

#[tokio::test]
async fn states_are_links_with_counts_that_keep_the_rest() {
    let page = stand().await.page("/?owner=bi&state=valid").await;
    for (link, text) in [
        ("href=\"./?owner=bi\"", "all</span> <b>4"),
        ("href=\"./?state=attention&#38;owner=bi\"", "needs attention</span> <b>2"),
        ("href=\"./?state=valid&#38;owner=bi\" aria-current=\"true\"", "valid</span> <b>3"),
    ] {
        let rest = page.split_once(link).unwrap_or_else(|| panic!("{link} in {page}")).1;
        assert!(rest.split_once("</a>").unwrap().0.contains(text), "{text}");
    }
    assert!(!page.contains("<span>expired</span>"), "what there is none of is not offered");
}

#[tokio::test]
async fn a_thousand_tokens_are_pages_that_hold_each_once() {
    let production = workspace("production");
    let names: Vec<String> = (0..1_000).map(|number| format!("token-{number:04}")).collect();
    let script = Script::start(names.iter().map(|name| token(name, &production)).collect());
    let stand = Stand::start(script).await;
    let mut seen = Vec::new();
    let mut path = "/?state=unknown".to_owned();
    loop {
        let page = stand.page(&path).await;
        assert!(page.len() < 400_000, "{}", page.len());
        seen.extend(stand.listed(&path).await);
        let Some(next) = page.split_once("rel=\"next\"") else { break };
        let link = next.0.rsplit_once("href=\"./").unwrap().1.split('"').next().unwrap();
        path = format!("/{}", link.replace("&#38;", "&"));
    }
    assert_eq!(seen, names);
    assert_eq!(path, "/?state=unknown&page=10");
    let page = stand.page("/?page=3").await;
    assert!(page.contains("201 to 300 of 1000 tokens") && page.contains("Page 3 of 10"), "{page}");
    // Beyond the last is the last.
    assert_eq!(stand.listed("/?page=4000000000").await.last(), names.last());
}

#[tokio::test]
async fn a_page_is_read_again_only_where_that_is_asked_for() {
    let stand = stand().await;
    let still = stand.page("/?state=valid").await;
    assert!(!still.contains("http-equiv"));
    assert!(still.contains("href=\"./?state=valid&#38;refresh=30\">refresh by itself"), "{still}");
    let moving = stand.page("/?state=valid&refresh=30").await;
    assert!(
        moving.contains("<meta http-equiv=\"refresh\" content=\"30; url=./?state=valid&#38;refresh=30\">")
    );
    assert!(moving.contains("href=\"./?state=valid\">stop refreshing"), "{moving}");
    let detail = stand.page("/tokens/dbt?refresh=30").await;
    assert!(detail.contains("href=\"dbt\">stop refreshing"), "{detail}");
    for (asked, given) in [("1", "5"), ("99999", "3600")] {
        let page = stand.page(&format!("/?refresh={asked}")).await;
        assert!(
            page.contains(&format!("http-equiv=\"refresh\" content=\"{given}; url=./?refresh={given}\""))
        );
    }
}

#[tokio::test]
async fn a_query_that_looks_like_a_token_is_refused_unrepeated() {
    let stand = stand().await;
    let token = format!("hxtw_{}", "0a".repeat(24));
    for path in ["/?text=", "/?owner=", "/tokens/dbt?text=", "/calendar.ics?owner="] {
        let response = stand.get(&format!("{path}{token}")).await;
        assert_eq!(response.status(), 400, "{path}");
        let page = response.text().await.unwrap();
        assert!(page.contains("hxtw_...") && !page.contains("0a0a0a0a"), "{path}: {page}");
    }
}
