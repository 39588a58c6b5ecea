//! A server behind a web configuration, and a client that says exactly what it is told to.

use std::{
    fs, io,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    routing::get,
};
use hex_token_exporter::{
    config::{reload::Reloader, web::watch::WebWatcher},
    http::server::{Limits, Server},
};
use hyper::{Request, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{
    ClientConfig, RootCertStore, SupportedProtocolVersion,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::JoinSet,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_util::sync::CancellationToken;

use crate::pki::{Authority, Identity};

/// No test takes so long unless what it waits for never comes.
const DEADLINE: Duration = Duration::from_secs(30);

/// Larger than all buffers on the way.
pub(crate) const BIG: usize = 32 * 1024 * 1024;

/// A running server. It ends with the stand.
pub(crate) struct Stand {
    pub(crate) home: tempfile::TempDir,
    pub(crate) address: SocketAddr,
    pub(crate) authority: Authority,
    /// The bodies of `/big` that are in memory, and the most that ever were.
    pub(crate) bodies: Arc<Bodies>,
    /// Requests of `/held` wait for it.
    pub(crate) release: Arc<Notify>,
    pub(crate) stop: CancellationToken,
    pub(crate) tasks: JoinSet<()>,
    reloader: Reloader,
}

impl Stand {
    /// Serves by a web configuration that may name `server.pem`, `server.key` and `ca.pem`.
    pub(crate) async fn start(web: &str) -> Self {
        Self::within(web, Limits::default()).await
    }

    pub(crate) async fn within(web: &str, limits: Limits) -> Self {
        let home = tempfile::tempdir().unwrap();
        let authority = Authority::new();
        crate::pki::write(home.path(), &authority);
        let path = home.path().join("web.yml");
        fs::write(&path, web).unwrap();
        let (watcher, reloader, config) = WebWatcher::start(path).unwrap();
        let (release, bodies) = (Arc::new(Notify::new()), Arc::default());
        let server = Server::new(routes(&bodies, release.clone()), config, limits).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
        let mut tasks = JoinSet::new();
        tasks.spawn(watcher.run(stop.clone()));
        let serving = server.serve(listener, stop.clone());
        tasks.spawn(async move { serving.await.unwrap() });
        Self { home, address, authority, bodies, release, stop, tasks, reloader }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Replaces the web configuration, and tells what came of it.
    pub(crate) async fn reload(&self, web: &str) -> Result<(), String> {
        fs::write(self.path("web.yml"), web).unwrap();
        self.reloader.reload().await.map_err(|error| error.to_string())
    }

    /// A plain connection.
    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// A TLS connection, once its handshake is through.
    pub(crate) async fn connect_tls(&self, client: Client) -> io::Result<TlsStream<TcpStream>> {
        let mut stream = client.connect(self.address, &self.authority.pem()).await?;
        // In TLS 1.3 a client learns with the first answer alone that its certificate was refused.
        stream.write_all(b"HEAD /ok HTTP/1.1\r\nHost: localhost\r\n\r\n").await?;
        let mut first = [0; 12];
        stream.read_exact(&mut first).await?;
        Ok(stream)
    }

    /// The status of a page, asked for in plain HTTP, under these further header lines.
    pub(crate) async fn status(&self, path: &str, headers: &str) -> u16 {
        Answer::of(self.connect().await, &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}"))
            .await
            .status
    }
}

/// Counts large bodies.
#[derive(Default)]
pub(crate) struct Bodies {
    now: AtomicUsize,
    pub(crate) most: AtomicUsize,
}

struct Big(Arc<Bodies>, Vec<u8>);

impl Big {
    fn body(bodies: Arc<Bodies>) -> Bytes {
        let now = bodies.now.fetch_add(1, Ordering::SeqCst) + 1;
        bodies.most.fetch_max(now, Ordering::SeqCst);
        Bytes::from_owner(Self(bodies, vec![b'x'; BIG]))
    }
}

impl AsRef<[u8]> for Big {
    fn as_ref(&self) -> &[u8] {
        &self.1
    }
}

impl Drop for Big {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::SeqCst);
    }
}

fn routes(bodies: &Arc<Bodies>, release: Arc<Notify>) -> Router {
    let bodies = bodies.clone();
    let held = move || {
        let release = release.clone();
        async move {
            release.notified().await;
            "released"
        }
    };
    Router::new()
        .route("/ok", get(async || "ok").post(async || "changed"))
        .route("/-/healthy", get(async || "healthy"))
        .route("/big", get(async move || Big::body(bodies.clone())))
        .route("/held", get(held.clone()))
        .route("/probe", get(held))
}

/// How a client speaks TLS.
#[derive(Default)]
pub(crate) struct Client {
    pub(crate) identity: Option<Identity>,
    pub(crate) version: Option<&'static SupportedProtocolVersion>,
    pub(crate) alpn: &'static [&'static [u8]],
}

impl Client {
    pub(crate) fn with(identity: Identity) -> Self {
        Self { identity: Some(identity), ..Self::default() }
    }

    pub(crate) fn speaking(version: &'static SupportedProtocolVersion) -> Self {
        Self { version: Some(version), ..Self::default() }
    }

    pub(crate) async fn connect(self, address: SocketAddr, ca: &str) -> io::Result<TlsStream<TcpStream>> {
        let socket = TcpStream::connect(address).await?;
        self.connector(ca).connect("localhost".try_into().unwrap(), socket).await
    }

    /// What several connections of one client share: it resumes sessions where the server does.
    pub(crate) fn connector(self, ca: &str) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(ca.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let versions = self.version.map_or(rustls::ALL_VERSIONS.to_vec(), |version| vec![version]);
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&versions)
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match self.identity {
            None => builder.with_no_client_auth(),
            Some(Identity { certificate, key }) => {
                let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        };
        config.alpn_protocols = self.alpn.iter().map(|protocol| protocol.to_vec()).collect();
        TlsConnector::from(Arc::new(config))
    }
}

/// The status of a page over HTTP/2.
pub(crate) async fn get_http2(stream: TlsStream<TcpStream>, path: &str, authorization: &str) -> u16 {
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let request = Request::get(format!("https://localhost{path}"));
    let request = request.header("authorization", authorization).body(Body::empty()).unwrap();
    tokio::select! {
        answer = sender.send_request(request) => answer.unwrap().status().as_u16(),
        ended = connection => panic!("{ended:?}"),
    }
}

/// What was answered until the end of the connection.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) text: String,
}

impl Answer {
    /// Asks for the end of the connection after the answer.
    pub(crate) async fn of(stream: impl AsyncRead + AsyncWrite + Unpin, request: &str) -> Self {
        Self::of_bytes(stream, format!("{request}Connection: close\r\n\r\n").as_bytes()).await
    }

    /// Sends what it is given, and reads all that comes. Status 0: nothing did.
    pub(crate) async fn of_bytes(mut stream: impl AsyncRead + AsyncWrite + Unpin, bytes: &[u8]) -> Self {
        let mut answer = Vec::new();
        let talk = async {
            // A server that has seen enough may hang up.
            let _ = stream.write_all(bytes).await;
            let _ = stream.flush().await;
            let _ = stream.read_to_end(&mut answer).await;
        };
        within(talk).await;
        let text = String::from_utf8_lossy(&answer).into_owned();
        let status = text.get(9..12).and_then(|status| status.parse().ok()).unwrap_or(0);
        Self { status, text }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let head = self.text.split("\r\n\r\n").next()?;
        head.lines()
            .find_map(|line| line.split_once(": ").filter(|(key, _)| *key == name).map(|(_, value)| value))
    }
}

/// Waits for what must come.
pub(crate) async fn within<T>(what: impl Future<Output = T>) -> T {
    timeout(DEADLINE, what).await.unwrap()
}
