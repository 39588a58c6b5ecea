//! Serves a router on sockets until told to stop: plain or TLS, HTTP/1.1 or HTTP/2, within limits.
//!
//! The accept loop is our own, since every connection takes the web configuration that is in force when it
//! begins, and none may keep others out by doing nothing.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Body, extract::Request};
use hyper::{body::Incoming, server::conn, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::graceful::GracefulConnection,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

pub use super::limits::Limits;
use super::{
    auth::Passwords,
    gate::Gate,
    limits::{Connections, InFlight, Place},
};
use crate::{config::web::WebConfig, domain::secret::NoRandomness};

/// The most that a request may have before its body.
const MAX_HEAD: u32 = 16 * 1024;
const MAX_HEADERS: usize = 64;

/// Requests at once on a connection of HTTP/2.
const MAX_STREAMS: u32 = 16;

/// After a failure to accept that time may cure.
const BREATHER: Duration = Duration::from_millis(100);

/// How often such a failure is told of.
const TELL_EVERY: Duration = Duration::from_mins(1);

/// What is said to those who speak HTTP where TLS is served.
const SPEAK_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n\
Connection: close\r\n\r\nthis port serves https, not http\n";

/// Serves a router on any number of sockets, which share its limits.
#[derive(Debug, Clone)]
pub struct Server {
    gate: Arc<Gate>,
    connections: Arc<Connections>,
    next: Arc<AtomicU64>,
}

impl Server {
    /// Serves to whom the web configuration allows, which may change meanwhile: users and headers from the
    /// next request on, TLS from the next connection on.
    pub fn new(
        router: Router,
        web: watch::Receiver<Arc<WebConfig>>,
        limits: Limits,
    ) -> Result<Self, NoRandomness> {
        let connections = Connections::new(limits.connections);
        let in_flight = InFlight::new(limits, connections.clone());
        let gate = Arc::new(Gate::new(router, web, Passwords::new()?, in_flight));
        Ok(Self { gate, connections, next: Arc::default() })
    }

    /// Serves in plain HTTP and to everybody.
    pub fn open(router: Router, limits: Limits) -> Result<Self, NoRandomness> {
        let (_, unchanging) = watch::channel(Arc::default());
        Self::new(router, unchanging, limits)
    }

    /// Serves until `shutdown`, then takes no more connections and ends once the requests under way are
    /// answered. How long that may take is for the caller to bound: dropping the future ends all.
    pub async fn serve(self, listener: TcpListener, shutdown: CancellationToken) -> io::Result<()> {
        let mut guests = JoinSet::new();
        let mut told: Option<Instant> = None;
        loop {
            let accepted = tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                Some(gone) = guests.join_next(), if !guests.is_empty() => {
                    said_farewell(gone);
                    continue;
                }
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((socket, _)) => {
                    let id = self.next.fetch_add(1, Ordering::Relaxed);
                    let admitted = shutdown.run_until_cancelled(self.connections.admit(id)).await;
                    let Some(place) = admitted else { break };
                    guests.spawn(self.clone().attend(socket, Arc::new(place), shutdown.clone()));
                }
                Err(error) if is_of_the_client(&error) => {
                    debug!("a client left before it was accepted: {error}");
                }
                Err(error) if is_want_of_descriptors(&error) => {
                    // Where there are few, some connections are accepted all the same.
                    if told.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
                        warn!("connections cannot be accepted for want of file descriptors: {error}");
                        told = Some(Instant::now());
                    }
                    self.connections.close_longest_waiting();
                    sleep(BREATHER).await;
                }
                Err(error) => return Err(error),
            }
        }
        drop(listener);
        while let Some(gone) = guests.join_next().await {
            said_farewell(gone);
        }
        Ok(())
    }

    async fn attend(self, mut socket: TcpStream, place: Arc<Place>, shutdown: CancellationToken) {
        // Where it can't be set, answers are merely slower.
        let _ = socket.set_nodelay(true);
        let Some(tls) = self.gate.web().tls.clone() else {
            return self.talk(socket, false, place, shutdown).await;
        };
        let handshake = async {
            let mut first = [0];
            if socket.peek(&mut first).await? == 1 && first[0].is_ascii_alphabetic() {
                socket.write_all(SPEAK_TLS).await?;
                return Err(io::Error::other("HTTP where TLS is served"));
            }
            TlsAcceptor::from(tls.config).accept(socket).await
        };
        let shaken = tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            () = place.outstayed(false) => return,
            shaken = handshake => shaken,
        };
        match shaken {
            Ok(stream) => {
                let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                self.talk(stream, is_http2, place, shutdown).await;
            }
            Err(error) => debug!("a handshake has failed: {error}"),
        }
    }

    async fn talk<S>(self, stream: S, is_http2: bool, place: Arc<Place>, shutdown: CancellationToken)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (gate, seat) = (self.gate, place.clone());
        let service = service_fn(move |request: Request<Incoming>| {
            let (gate, busy) = (gate.clone(), seat.busy());
            async move { gate.answer(request.map(Body::new), busy).await }
        });
        let stream = TokioIo::new(stream);
        if is_http2 {
            let talk = conn::http2::Builder::new(TokioExecutor::new())
                .timer(TokioTimer::new())
                .max_concurrent_streams(MAX_STREAMS)
                .max_header_list_size(MAX_HEAD)
                .serve_connection(stream, service);
            until_over(talk, &place, shutdown).await;
        } else {
            let talk = conn::http1::Builder::new()
                .timer(TokioTimer::new())
                // How long a client may take is the place's to say, for all that it may be slow in.
                .header_read_timeout(None)
                .max_buf_size(MAX_HEAD as usize)
                .max_headers(MAX_HEADERS)
                .serve_connection(stream, service);
            until_over(talk, &place, shutdown).await;
        }
    }
}

/// Lets a connection talk until it is over, or must be.
async fn until_over<C>(talk: C, place: &Place, shutdown: CancellationToken)
where
    C: GracefulConnection<Error = hyper::Error>,
{
    let mut talk = std::pin::pin!(talk);
    let over = tokio::select! {
        over = talk.as_mut() => over,
        () = place.outstayed(false) => return,
        () = shutdown.cancelled() => {
            talk.as_mut().graceful_shutdown();
            tokio::select! {
                over = talk => over,
                () = place.outstayed(true) => return,
            }
        }
    };
    if let Err(error) = over {
        debug!("a connection has ended early: {error}");
    }
}

fn said_farewell(gone: Result<(), tokio::task::JoinError>) {
    if let Err(error) = gone
        && error.is_panic()
    {
        // The hook has logged it. One guest less is no reason to send home the others.
        warn!("a connection has died");
    }
}

/// Of one client or its network, which Linux tells at the next accept: nothing is wrong with the socket.
fn is_of_the_client(error: &io::Error) -> bool {
    use rustix::io::Errno;
    const PASSING: [Errno; 12] = [
        Errno::CONNABORTED,
        Errno::CONNRESET,
        Errno::HOSTDOWN,
        Errno::HOSTUNREACH,
        Errno::INTR,
        Errno::NETDOWN,
        Errno::NETUNREACH,
        Errno::NOPROTOOPT,
        Errno::OPNOTSUPP,
        Errno::PERM,
        Errno::PROTO,
        Errno::TIMEDOUT,
    ];
    Errno::from_io_error(error).is_some_and(|errno| PASSING.contains(&errno))
}

/// Of descriptors or memory: both come back.
fn is_want_of_descriptors(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let scarce = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    Errno::from_io_error(error).is_some_and(|errno| scarce.contains(&errno))
}
