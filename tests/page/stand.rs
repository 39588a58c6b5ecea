//! A server over a scripted store, asked as a browser would.

use std::{net::SocketAddr, sync::Arc};

use hex_token_exporter::{
    domain::Name,
    http::{self, BoxFuture, Health, OnDemand, Parts},
    metrics::OwnMetrics,
};
use reqwest::{Client, Response};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::scripted::Script;

/// Nobody who looks at a page may cause a probe.
struct Idle {
    alive: bool,
}

impl OnDemand for Idle {
    fn probe(&self, name: &Name) -> Option<BoxFuture<()>> {
        panic!("{name} was probed by a page")
    }
}

impl Health for Idle {
    fn is_alive(&self) -> bool {
        self.alive
    }

    fn is_ready(&self) -> bool {
        true
    }
}

/// A running server. It ends with the stand.
pub(crate) struct Stand {
    pub(crate) script: Script,
    address: SocketAddr,
    client: Client,
    _server: JoinSet<std::io::Result<()>>,
}

impl Stand {
    pub(crate) async fn start(script: Script) -> Self {
        Self::with(script, true, None).await
    }

    /// With a probe loop that moves or not, and an external URL.
    pub(crate) async fn with(script: Script, alive: bool, external: Option<&str>) -> Self {
        let idle = Arc::new(Idle { alive });
        let router = http::router(Parts {
            store: script.store.clone(),
            own: Arc::new(OwnMetrics::new(0, 1).unwrap()),
            on_demand: idle.clone(),
            reload: None,
            health: idle,
            external_url: external.map(|url| url.parse().unwrap()),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut server = JoinSet::new();
        let serving = http::server::Server::open(router, http::server::Limits::default()).unwrap();
        server.spawn(serving.serve(listener, CancellationToken::new()));
        let client = Client::builder().no_gzip().no_proxy().build().unwrap();
        Self { script, address, client, _server: server }
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.client.get(format!("http://{}{path}", self.address)).send().await.unwrap()
    }

    /// The body of a page that is there.
    pub(crate) async fn page(&self, path: &str) -> String {
        let response = self.get(path).await;
        assert_eq!(response.status(), 200, "{path}");
        response.text().await.unwrap()
    }

    /// The names of the tokens that a list shows, in order.
    pub(crate) async fn listed(&self, path: &str) -> Vec<String> {
        let page = self.page(path).await;
        let rows = page.split("id=\"token-").skip(1);
        rows.map(|row| row.split('"').next().unwrap().to_owned()).collect()
    }
}
