//! A server over a scripted store, with stand-ins for the parts that others provide.

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use hex_token_exporter::{
    domain::Name,
    http::{
        self, BoxFuture, Health, OnDemand, Parts, Reload,
        server::{Limits, Server},
    },
    metrics::OwnMetrics,
};
use reqwest::{Client, Method, RequestBuilder, Response};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::scripted::Script;

type Work = Box<dyn Fn() -> BoxFuture<()> + Send + Sync>;

/// What happens where a token is probed on demand; a token without any is not known to the schedule.
#[derive(Default)]
pub(crate) struct Probes {
    work: Mutex<BTreeMap<String, Work>>,
    asked: Mutex<Vec<String>>,
}

impl Probes {
    pub(crate) fn on<F>(&self, name: &str, work: impl Fn() -> F + Send + Sync + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let work: Work = Box::new(move || Box::pin(work()));
        self.work.lock().unwrap().insert(name.to_owned(), work);
    }

    /// Who was probed, in order.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl OnDemand for Probes {
    fn probe(&self, name: &Name) -> Option<BoxFuture<()>> {
        self.asked.lock().unwrap().push(name.to_string());
        self.work.lock().unwrap().get(name.as_str()).map(|work| work())
    }
}

struct Reloads(Result<(), String>);

impl Reload for Reloads {
    fn reload(&self) -> BoxFuture<Result<(), String>> {
        let outcome = self.0.clone();
        Box::pin(async move { outcome })
    }
}

/// How the process fares. Well until told otherwise.
pub(crate) struct Fares {
    pub(crate) alive: AtomicBool,
    pub(crate) ready: AtomicBool,
}

impl Default for Fares {
    fn default() -> Self {
        Self { alive: true.into(), ready: true.into() }
    }
}

impl Health for Fares {
    fn is_alive(&self) -> bool {
        self.alive.load(Ordering::SeqCst)
    }

    fn is_ready(&self) -> bool {
        self.ready.load(Ordering::SeqCst)
    }
}

/// A running server. It ends with the stand.
pub(crate) struct Stand {
    pub(crate) script: Arc<Script>,
    pub(crate) probes: Arc<Probes>,
    pub(crate) fares: Arc<Fares>,
    pub(crate) address: SocketAddr,
    shutdown: CancellationToken,
    server: JoinSet<io::Result<()>>,
    client: Client,
}

impl Stand {
    pub(crate) async fn start(script: Script) -> Self {
        Self::with(script, None, None).await
    }

    /// With `/-/reload` enabled where an outcome for it is given.
    pub(crate) async fn with_reload(script: Script, reload: Option<Result<(), String>>) -> Self {
        Self::with(script, reload, None).await
    }

    /// Where people open the page at an address of its own.
    pub(crate) async fn with_external_url(script: Script, url: &str) -> Self {
        Self::with(script, None, Some(url)).await
    }

    async fn with(script: Script, reload: Option<Result<(), String>>, external: Option<&str>) -> Self {
        let (script, probes, fares) = (Arc::new(script), Arc::new(Probes::default()), Arc::default());
        let parts = Parts {
            store: script.store.clone(),
            own: Arc::new(OwnMetrics::new(0, 1).unwrap()),
            on_demand: probes.clone(),
            reload: reload.map(|outcome| Arc::new(Reloads(outcome)) as Arc<dyn Reload>),
            health: Arc::clone(&fares) as Arc<dyn Health>,
            external_url: external.map(|url| url.parse().unwrap()),
        };
        let (address, shutdown, server) = serve(http::router(parts)).await;
        // Nothing is unpacked or followed behind a test's back.
        let client = Client::builder().no_gzip().no_proxy().build().unwrap();
        Self { script, probes, fares, address, shutdown, server, client }
    }

    /// A second server, for the health paths alone.
    pub(crate) async fn start_health(&self) -> (SocketAddr, JoinSet<io::Result<()>>) {
        let (address, _, server) = serve(http::health_router(self.fares.clone())).await;
        (address, server)
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("http://{}{path}", self.address))
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.unwrap()
    }

    /// Status and body of a page.
    pub(crate) async fn told(&self, path: &str) -> (u16, String) {
        told(self.get(path).await).await
    }

    /// Tells the server to stop, and waits until it has.
    pub(crate) async fn stop(mut self) {
        self.shutdown.cancel();
        self.server.join_next().await.unwrap().unwrap().unwrap();
    }

    /// Tells the server to stop.
    pub(crate) fn shut_down(&self) {
        self.shutdown.cancel();
    }
}

async fn serve(router: axum::Router) -> (SocketAddr, CancellationToken, JoinSet<io::Result<()>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, shutdown) = (listener.local_addr().unwrap(), CancellationToken::new());
    let mut server = JoinSet::new();
    let serving = Server::open(router, Limits::default()).unwrap();
    server.spawn(serving.serve(listener, shutdown.clone()));
    (address, shutdown, server)
}

/// Status and body of an answer.
pub(crate) async fn told(response: Response) -> (u16, String) {
    (response.status().as_u16(), response.text().await.unwrap())
}
