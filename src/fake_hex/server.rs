//! Connections, owned one by one: a fault can cut one, and none outlives the fake.

use std::{future::pending, sync::Arc, time::Duration};

use axum::{Router, body::Body, response::Response};
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tower::Service;

/// What a request can do to the connection it came by.
#[derive(Debug)]
pub(super) struct Line {
    cut: Notify,
    stop: CancellationToken,
}

impl Line {
    /// Resets the connection. It never returns, since the request ends with its connection.
    pub(super) async fn reset(&self) -> Response {
        self.cut.notify_one();
        pending().await
    }

    /// Leaves the client waiting until it gives up, or the fake ends.
    pub(super) async fn hang(&self) -> Response {
        self.stop.cancelled().await;
        self.reset().await
    }
}

/// How long requests on the way may take to end.
const GRACE: Duration = Duration::from_secs(2);

const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `stop`; then lets the requests on the way end.
pub(super) async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => {
                match accepted {
                    Ok((stream, _)) => {
                        connections.spawn(connection(stream, router.clone(), stop.clone()));
                    }
                    // Mostly a lack of file handles, which asking again at once would not cure.
                    Err(_) => sleep(ACCEPT_PAUSE).await,
                }
            }
        }
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    // Those who sent half a request are left behind.
    let _ = timeout(GRACE, drained).await;
}

async fn connection(stream: TcpStream, router: Router, stop: CancellationToken) {
    let line = Arc::new(Line { cut: Notify::new(), stop: stop.clone() });
    let service = service_fn({
        let line = Arc::clone(&line);
        move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(Arc::clone(&line));
            router.clone().call(request.map(Body::new))
        }
    });
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let mut stopping = false;
    loop {
        tokio::select! {
            // How a connection ends is the client's affair.
            _ = &mut connection => return,
            () = line.cut.notified() => {
                let stream = connection.into_parts().io.into_inner();
                // Without lingering, the close is a reset. If the system refuses, it is a plain
                // close, which is as much of a trouble.
                let _ = stream.set_zero_linger();
                return;
            }
            () = stop.cancelled(), if !stopping => {
                stopping = true;
                std::pin::Pin::new(&mut connection).graceful_shutdown();
            }
        }
    }
}
