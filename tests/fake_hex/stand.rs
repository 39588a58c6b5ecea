//! A fake on a free port, and a client for it.

use std::time::Duration;

use hex_token_exporter::fake_hex::{FakeHex, Scenario};
use jiff::Timestamp;
use reqwest::{Client, Method, header::HeaderMap, redirect::Policy};
use serde_json::Value;
use tokio::{
    net::TcpListener,
    time::{interval, timeout},
};

/// Published, of the workspace `acme`.
pub(crate) const KPIS: &str = "5a8591dd-4039-49df-9202-96385ba3eff8";

/// What most tests need: a published and an unpublished project, and a token with every scope.
pub(crate) const USUAL: &str = "
projects:
  kpis: {id: 5a8591dd-4039-49df-9202-96385ba3eff8, run_takes: 1h}
  draft: {published: false}
tokens:
  all:
    kind: workspace
    scopes: [projects_read, projects_run, queried_tables_read, cells_read, users_read,
             groups_read, collections_read, data_connections_read, guides_read]
  ada: {kind: personal}
";

/// Looks until it is so, which it must be before long.
pub(crate) async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    let seen = async {
        let mut look_again = interval(Duration::from_millis(5));
        loop {
            look_again.tick().await;
            if is_so().await {
                return;
            }
        }
    };
    timeout(Duration::from_mins(1), seen).await.unwrap();
}

/// One served stack.
pub(crate) struct Stand {
    pub(crate) fake: FakeHex,
    client: Client,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), "application/json; charset=utf-8", "{self:?}");
        serde_json::from_str(&self.text).unwrap()
    }

    /// Empty where there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// What the server's clock said.
    pub(crate) fn date(&self) -> Timestamp {
        let date = jiff::fmt::rfc2822::parse(self.header("date")).unwrap();
        date.timestamp()
    }
}

impl Stand {
    /// Serves one stack with these keys.
    pub(crate) async fn new(stack: &str) -> Self {
        let keys = stack.trim_start().replace('\n', "\n    ");
        let scenario = Scenario::parse(&format!("stacks:\n  - name: main\n    {keys}\n")).unwrap();
        let stack = scenario.stack("main").unwrap().clone();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self {
            fake: FakeHex::start(listener, stack).unwrap(),
            client: Client::builder().redirect(Policy::none()).no_proxy().build().unwrap(),
        }
    }

    /// The usual stack with more keys.
    pub(crate) async fn usual_and(more: &str) -> Self {
        Self::new(&format!("{USUAL}{more}")).await
    }

    /// The value of a token that is good now.
    pub(crate) fn value(&self, token: &str) -> String {
        self.fake.update(|world| world.credential(token)).unwrap()
    }

    /// `GET` below `/api/v1`, as the token called `token`.
    pub(crate) async fn get(&self, token: &str, path: &str) -> Answer {
        self.send(Method::GET, token, path, "").await.unwrap()
    }

    /// `POST` below `/api/v1`, as the token called `token`.
    pub(crate) async fn post(&self, token: &str, path: &str, body: &str) -> Answer {
        self.send(Method::POST, token, path, body).await.unwrap()
    }

    /// `DELETE` below `/api/v1`, as the token called `token`.
    pub(crate) async fn delete(&self, token: &str, path: &str) -> Answer {
        self.send(Method::DELETE, token, path, "").await.unwrap()
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        token: &str,
        path: &str,
        body: &str,
    ) -> reqwest::Result<Answer> {
        let value = self.value(token);
        self.raw(method, Some(&value), &format!("/api/v1{path}"), body).await
    }

    /// Any request at all.
    pub(crate) async fn raw(
        &self,
        method: Method,
        credential: Option<&str>,
        path: &str,
        body: &str,
    ) -> reqwest::Result<Answer> {
        let mut request =
            self.client.request(method, format!("{}{path}", self.fake.url())).body(body.to_owned());
        if let Some(credential) = credential {
            request = request.bearer_auth(credential);
        }
        let response = request.send().await?;
        Ok(Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            text: response.text().await?,
        })
    }
}
