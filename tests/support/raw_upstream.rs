//! A server that does exactly what a script says, byte by byte, and remembers what it was sent; and a
//! certificate authority to go with it. For what no well-behaved server can be made to do.

use std::{
    collections::VecDeque,
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};

/// What a connection does. At the end of its script it is closed in order.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Reads one request, head and body.
    Request,
    /// Sends these bytes.
    Send(Vec<u8>),
    /// Sends these bytes one by one, each in a segment of its own.
    Drip(Vec<u8>),
    /// Sends this again and again, for as long as somebody reads.
    Flood(Vec<u8>),
    /// Sends this again and again, slowly.
    Trickle(Vec<u8>),
    /// Answers every request with these bytes, until the client closes or [`Upstream::hang_up`].
    Serve(Vec<u8>),
    /// Does nothing until the client closes.
    Hang,
    /// Relays to another server, until either side closes. What the client sends is remembered.
    Tunnel(SocketAddr),
    /// Answers every request with the steps that this makes of it, until one of them ends the connection.
    Converse(Dialogue),
    /// Closes in order, at once.
    Close,
    /// Ends the connection with a reset.
    Reset,
}

/// Makes the steps that answer a request out of its text.
#[derive(Clone)]
pub(crate) struct Dialogue(Arc<Script>);

type Script = dyn Fn(&str) -> Vec<Step> + Send + Sync;

impl Dialogue {
    /// One that makes the steps so.
    pub(crate) fn new(script: impl Fn(&str) -> Vec<Step> + Send + Sync + 'static) -> Self {
        Self(Arc::new(script))
    }
}

impl fmt::Debug for Dialogue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Dialogue")
    }
}

/// A running server. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Upstream {
    address: SocketAddr,
    transcript: Transcript,
    connections: watch::Receiver<(usize, usize)>,
    hang_up: watch::Sender<()>,
    _tasks: JoinSet<()>,
}

/// What was sent to the server.
type Transcript = Arc<Mutex<Vec<Vec<u8>>>>;

impl Upstream {
    /// Starts it on a free port of 127.0.0.1. Of each connection, counted from 0, `script` tells the steps.
    pub(crate) async fn start(script: impl Fn(usize) -> Vec<Step> + Send + Sync + 'static) -> Self {
        Self::listen(None, script).await
    }

    /// Like [`Upstream::start`], within TLS.
    pub(crate) async fn start_tls(
        identity: ServerConfig,
        script: impl Fn(usize) -> Vec<Step> + Send + Sync + 'static,
    ) -> Self {
        Self::listen(Some(TlsAcceptor::from(Arc::new(identity))), script).await
    }

    async fn listen(
        tls: Option<TlsAcceptor>,
        script: impl Fn(usize) -> Vec<Step> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let transcript = Transcript::default();
        let (count, connections) = watch::channel((0, 0));
        let (hang_up, end) = watch::channel(());
        let mut tasks = JoinSet::new();
        let remembered = Arc::clone(&transcript);
        tasks.spawn(async move {
            let count = Arc::new(count);
            let mut connections = JoinSet::new();
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                let steps = script(count.borrow().0);
                count.send_modify(|(opened, _)| *opened += 1);
                let (tls, count) = (tls.clone(), Arc::clone(&count));
                let mut player = Player { transcript: Arc::clone(&remembered), end: end.clone() };
                connections.spawn(async move {
                    player.connection(tcp, tls, steps).await;
                    count.send_modify(|(_, closed)| *closed += 1);
                });
            }
        });
        Self { address, transcript, connections, hang_up, _tasks: tasks }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens, as an origin of this scheme.
    pub(crate) fn origin(&self, scheme: &str) -> String {
        format!("{scheme}://{}", self.address)
    }

    /// The requests that it was sent, and what was sent through its tunnels.
    pub(crate) fn requests(&self) -> Vec<String> {
        let transcript = self.transcript.lock().unwrap();
        transcript.iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect()
    }

    /// How many connections were opened.
    pub(crate) fn connections(&self) -> usize {
        self.connections.borrow().0
    }

    /// Waits until every connection so far has ended.
    pub(crate) async fn all_closed(&mut self) {
        self.connections.wait_for(|(opened, closed)| opened == closed).await.unwrap();
    }

    /// Closes all connections that serve, as a server does with idle ones.
    pub(crate) async fn hang_up(&mut self) {
        self.hang_up.send_modify(|()| {});
        self.all_closed().await;
    }
}

struct Player {
    transcript: Transcript,
    end: watch::Receiver<()>,
}

impl Player {
    async fn connection(&mut self, tcp: TcpStream, tls: Option<TlsAcceptor>, steps: Vec<Step>) {
        tcp.set_nodelay(true).unwrap();
        let Some(tls) = tls else {
            let mut tcp = BufReader::new(tcp);
            if self.play(&mut tcp, steps).await {
                tcp.get_ref().set_zero_linger().unwrap();
            }
            return;
        };
        // A client that does not trust us ends the handshake.
        if let Ok(stream) = tls.accept(tcp).await {
            let mut stream = BufReader::new(stream);
            if self.play(&mut stream, steps).await {
                stream.get_ref().get_ref().0.set_zero_linger().unwrap();
            } else {
                let _ = stream.shutdown().await;
            }
        }
    }

    /// Plays a script, for as long as the client takes part. True where it ends in a reset.
    async fn play(&mut self, stream: &mut (impl AsyncRead + AsyncWrite + Unpin), steps: Vec<Step>) -> bool {
        let mut steps = VecDeque::from(steps);
        while let Some(step) = steps.pop_front() {
            let goes_on = match step {
                Step::Request => self.request(stream).await.is_some(),
                Step::Converse(dialogue) => match self.request(stream).await {
                    Some(request) => {
                        steps.extend((dialogue.0)(&request));
                        steps.push_back(Step::Converse(dialogue));
                        true
                    }
                    None => false,
                },
                Step::Close => false,
                Step::Send(bytes) => send(stream, &bytes).await,
                Step::Drip(bytes) => {
                    for byte in bytes {
                        if !send(stream, &[byte]).await {
                            return false;
                        }
                        tokio::task::yield_now().await;
                    }
                    true
                }
                Step::Flood(bytes) => {
                    while send(stream, &bytes).await {}
                    false
                }
                Step::Trickle(bytes) => {
                    while send(stream, &bytes).await {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                    false
                }
                Step::Serve(bytes) => {
                    let mut end = self.end.clone();
                    end.mark_unchanged();
                    tokio::select! {
                        () = async { while self.request(stream).await.is_some() && send(stream, &bytes).await {} } => {}
                        _ = end.changed() => {}
                    }
                    false
                }
                Step::Hang => {
                    let _ = stream.read_to_end(&mut Vec::new()).await;
                    false
                }
                Step::Tunnel(target) => {
                    self.tunnel(stream, target).await;
                    false
                }
                Step::Reset => return true,
            };
            if !goes_on {
                return false;
            }
        }
        false
    }

    /// Reads a request. `None` where the client closed before it was whole.
    async fn request(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"\r\n\r\n") {
            bytes.push(stream.read_u8().await.ok()?);
        }
        let head = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        stream.read_exact(&mut body).await.ok()?;
        bytes.extend(body);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        self.transcript.lock().unwrap().push(bytes);
        Some(text)
    }

    async fn tunnel(&mut self, client: &mut (impl AsyncRead + AsyncWrite + Unpin), target: SocketAddr) {
        let mut server = TcpStream::connect(target).await.unwrap();
        let (mut up, mut down) = ([0; 4096], [0; 4096]);
        loop {
            tokio::select! {
                read = client.read(&mut up) => match read {
                    Ok(1..) => {
                        let sent = &up[..read.unwrap()];
                        self.transcript.lock().unwrap().push(sent.to_vec());
                        if !send(&mut server, sent).await {
                            return;
                        }
                    }
                    _ => return,
                },
                read = server.read(&mut down) => match read {
                    Ok(length @ 1..) if send(client, &down[..length]).await => {}
                    _ => return,
                },
            }
        }
    }
}

async fn send(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> bool {
    stream.write_all(bytes).await.is_ok() && stream.flush().await.is_ok()
}

/// An answer with a length: status line, further headers, body.
pub(crate) fn answer(status: u16, headers: &[&str], body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let mut bytes = format!("HTTP/1.1 {status} Told\r\ncontent-length: {}\r\n", body.len()).into_bytes();
    for header in headers {
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    bytes
}

/// A certificate authority.
#[derive(Debug)]
pub(crate) struct TestCa(CertifiedIssuer<'static, KeyPair>);

impl TestCa {
    /// A new one, that nobody trusts yet.
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Its certificate.
    pub(crate) fn pem(&self) -> Vec<u8> {
        self.0.pem().into_bytes()
    }

    /// A server identity for this host, good until the end of a year.
    pub(crate) fn identity(&self, host: &str, last_year: i32) -> ServerConfig {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([host.to_owned()]).unwrap();
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(last_year, 12, 31);
        let certificate = params.signed_by(&key, &self.0).unwrap();
        ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key.into())
            .unwrap()
    }
}
