//! What the routes answer: shapes, pages, projects, error families.

use hex_token_exporter::fake_hex::{Denial, Family, Plan, Route};
use serde_json::Value;

use crate::stand::{KPIS, Stand, USUAL};

fn ids(page: &Value) -> Vec<String> {
    let values = page["values"].as_array().unwrap();
    values.iter().map(|value| value["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn pages_lead_through_a_list_and_back() {
    let stand = Stand::new(
        "
projects: {a: {}, b: {}, c: {}, d: {}, e: {}}
tokens: {t: {kind: workspace, scopes: [projects_read]}}
",
    )
    .await;
    let all = ids(&stand.get("t", "/projects").await.json());
    assert_eq!(all.len(), 5);

    let first = stand.get("t", "/projects?limit=2").await.json();
    assert_eq!(ids(&first), all[..2]);
    assert!(first["pagination"]["before"].is_null());
    let after = first["pagination"]["after"].as_str().unwrap();
    let second = stand.get("t", &format!("/projects?limit=2&after={after}")).await.json();
    assert_eq!(ids(&second), all[2..4]);
    let after = second["pagination"]["after"].as_str().unwrap();
    let third = stand.get("t", &format!("/projects?limit=2&after={after}")).await.json();
    assert_eq!(ids(&third), all[4..]);
    assert!(third["pagination"]["after"].is_null());
    let before = second["pagination"]["before"].as_str().unwrap();
    let back = stand.get("t", &format!("/projects?limit=2&before={before}")).await.json();
    assert_eq!(ids(&back), all[..2]);

    for bad in ["limit=0", "limit=101", "limit=x", "after=x", "after=c00000000"] {
        assert_eq!(stand.get("t", &format!("/projects?{bad}")).await.status, 400, "{bad}");
    }
    assert_eq!(stand.get("t", "/projects?after=cffffffffffffffffff").await.status, 400);
}

#[tokio::test]
async fn archived_and_trashed_projects_are_listed_only_when_asked_for() {
    let stand = Stand::new(
        "
projects: {here: {}, old: {archived: true}, gone: {trashed: true}}
tokens: {t: {kind: workspace, scopes: [projects_read]}}
",
    )
    .await;
    let count = async |query: &str| {
        let page = stand.get("t", &format!("/projects?{query}")).await.json();
        ids(&page).len()
    };
    assert_eq!(count("").await, 1);
    assert_eq!(count("includeArchived=true").await, 2);
    assert_eq!(count("includeArchived=true&includeTrashed=true").await, 3);

    let page = stand.get("t", "/projects?includeTrashed=true&limit=1").await.json();
    let gone = &page["values"][0];
    assert!(gone["trashedAt"].is_string());
    assert!(gone["archivedAt"].is_null());
    let id = gone["id"].as_str().unwrap();
    assert_eq!(stand.get("t", &format!("/projects/{id}")).await.json()["id"], id);
}

#[tokio::test]
async fn an_unpublished_project_says_so_by_a_null() {
    let stand = Stand::new(USUAL).await;
    let page = stand.get("all", "/projects").await.json();
    let published: Vec<_> = page["values"]
        .as_array()
        .unwrap()
        .iter()
        .map(|project| (project["title"].as_str().unwrap(), project["lastPublishedAt"].is_string()))
        .collect();
    assert_eq!(published, [("draft", false), ("kpis", true)]);
}

#[tokio::test]
async fn a_project_that_may_not_be_seen_is_not_there() {
    let stand = Stand::new(
        "
workspaces: {acme: {}, other: {}}
projects:
  kpis: {id: 5a8591dd-4039-49df-9202-96385ba3eff8, workspace: acme, hidden_from: [ada]}
tokens:
  ada: {kind: personal, workspace: acme}
  bob: {kind: personal, workspace: acme}
  eve: {kind: personal, workspace: other}
",
    )
    .await;
    let path = format!("/projects/{KPIS}");
    assert_eq!(stand.get("bob", &path).await.status, 200);
    for blind in ["ada", "eve"] {
        assert_eq!(stand.get(blind, &path).await.status, 404, "{blind}");
        assert!(ids(&stand.get(blind, "/projects").await.json()).is_empty());
    }
    stand.fake.update(|world| world.behaviour.invisible_project = Denial::Forbidden);
    assert_eq!(stand.get("ada", &path).await.status, 403);
    assert_eq!(stand.get("bob", "/projects/Weekly-KPIs-abc123").await.status, 400);
}

#[tokio::test]
async fn each_route_speaks_in_its_family_and_every_family_can_be_chosen() {
    let stand = Stand::new(&format!("{USUAL}  none: {{kind: workspace}}")).await;
    let is_t = |body: &Value| body["reason"].is_string() && body["traceId"].is_string();
    let is_e =
        |body: &Value| body["code"].is_string() && body["message"].is_string() && body["issues"].is_array();
    assert!(is_t(&stand.get("none", "/projects").await.json()));
    assert!(is_e(&stand.get("none", "/users").await.json()));

    stand.fake.update(|world| world.behaviour.error_family = Some(Family::E));
    assert!(is_e(&stand.get("none", "/projects").await.json()));
    stand.fake.update(|world| {
        world.behaviour.error_families.insert(Route::ListProjects, Family::T);
    });
    assert!(is_t(&stand.get("none", "/projects").await.json()));
    assert!(is_e(&stand.get("none", "/groups").await.json()));
}

#[tokio::test]
async fn an_older_stack_lacks_routes() {
    let stand = Stand::usual_and("behaviour: {missing_routes: [users_me]}").await;
    let answer = stand.get("all", "/users/me").await;
    assert_eq!(answer.status, 404);
    assert_eq!(answer.json()["code"], "NOT_FOUND");
    assert_eq!(stand.get("all", "/projects").await.status, 200);
}

#[tokio::test]
async fn queried_tables_depend_on_scope_plan_and_publication() {
    let stand = Stand::new(USUAL).await;
    let path = format!("/projects/{KPIS}/queriedTables?limit=1");
    let tables = stand.get("all", &path).await.json();
    assert!(tables["values"][0]["tableName"].is_string());

    let page = stand.get("all", "/projects").await.json();
    let draft = page["values"][0]["id"].as_str().unwrap();
    let answer = stand.get("all", &format!("/projects/{draft}/queriedTables")).await;
    assert_eq!(answer.status, 422);

    stand.fake.update(|world| world.workspaces.get_mut("acme").unwrap().plan = Plan::Team);
    let answer = stand.get("all", &path).await;
    assert_eq!(answer.status, 403);
    assert_eq!(
        answer.json()["message"],
        "This endpoint requires the workspace to be at least ENTERPRISE tier."
    );
}

#[tokio::test]
async fn cells_belong_to_a_project_that_must_be_named() {
    let stand = Stand::new(USUAL).await;
    assert_eq!(stand.get("all", "/cells").await.status, 400);
    let cells = stand.get("all", &format!("/cells?projectId={KPIS}&limit=1")).await.json();
    assert_eq!(cells["values"][0]["projectId"], KPIS);
}

#[tokio::test]
async fn the_log_names_the_token_and_never_its_value() {
    let stand = Stand::new(USUAL).await;
    stand.get("all", "/projects?limit=1").await;
    stand.raw(reqwest::Method::GET, Some("unknown-value"), "/api/v1/users", "").await.unwrap();
    let log = stand.fake.requests();
    assert_eq!(log[0].token.as_deref(), Some("all"));
    assert_eq!(log[0].method, "GET");
    assert_eq!(log[0].path_and_query, "/api/v1/projects?limit=1");
    assert_eq!(log[0].status, Some(200));
    assert_eq!((log[1].token.as_deref(), log[1].status), (None, Some(401)));
    assert!(log[0].at <= log[1].at);
    let shown = format!("{log:?} {:?}", stand.fake);
    assert!(!shown.contains("hxtw_") && !shown.contains("unknown-value"));
}
