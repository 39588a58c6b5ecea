//! Measures where the time of a request goes, from inside the HTTP client.
//!
//! The client resolves and connects within the future of the request, so a task-local tells the resolver
//! and the connector which request they work for. A connection that the client opens aside, for its pool,
//! belongs to none and is not measured. Every phase is of a success: one that failed has no length.

use std::{
    future::{Future, poll_fn},
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::time::Instant;
use tower::{Layer, Service};

use crate::domain::Phases;

tokio::task_local! {
    static CURRENT: Arc<Stopwatch>;
}

/// The times of one request.
#[derive(Debug)]
pub(super) struct Stopwatch {
    start: Instant,
    marks: Mutex<Marks>,
}

#[derive(Debug, Default)]
struct Marks {
    resolve: Option<Duration>,
    connect: Option<Duration>,
    connected: Option<Instant>,
    head: Option<Instant>,
    end: Option<Instant>,
}

impl Stopwatch {
    /// Starts it.
    pub(super) fn start() -> Arc<Self> {
        Arc::new(Self { start: Instant::now(), marks: Mutex::default() })
    }

    /// Runs the part of a request in which the client may resolve and connect.
    pub(super) async fn over<F: Future>(self: &Arc<Self>, request: F) -> F::Output {
        CURRENT.scope(Arc::clone(self), request).await
    }

    /// The head of the answer is here.
    pub(super) fn head(&self) {
        self.mark(|marks| marks.head = Some(Instant::now()));
    }

    /// The answer is whole.
    pub(super) fn end(&self) {
        self.mark(|marks| marks.end = Some(Instant::now()));
    }

    /// Time since the start.
    pub(super) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// The phases that were completed.
    pub(super) fn phases(&self) -> Phases {
        self.mark(|marks| Phases {
            // A kept connection may come free while the name for a new one is looked up.
            resolve: marks.resolve.filter(|_| marks.connect.is_some() || marks.head.is_none()),
            connect: marks.connect,
            processing: marks.head.map(|head| head - marks.connected.unwrap_or(self.start)),
            transfer: marks.head.zip(marks.end).map(|(head, end)| end - head),
        })
    }

    fn mark<T>(&self, f: impl FnOnce(&mut Marks) -> T) -> T {
        f(&mut self.marks.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn mark_current(f: impl FnOnce(&mut Marks)) {
    // Outside a request there is nobody to tell.
    let _ = CURRENT.try_with(|stopwatch| stopwatch.mark(f));
}

/// The host has no address.
#[derive(Debug, thiserror::Error)]
#[error("the host has no address")]
pub(super) struct Unresolved(#[source] Option<io::Error>);

/// The system's resolver, timed, and with errors that can be told from others.
#[derive(Debug, Clone, Copy)]
pub(super) struct TimedResolver;

impl Resolve for TimedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let start = Instant::now();
            // The client puts in the port.
            let found = tokio::net::lookup_host((name.as_str(), 0)).await;
            let addresses: Vec<SocketAddr> = found.map_err(|error| Unresolved(Some(error)))?.collect();
            if addresses.is_empty() {
                return Err(Unresolved(None).into());
            }
            mark_current(|marks| marks.resolve = Some(start.elapsed()));
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// Times the client's connector: TCP, the proxy's tunnel and TLS.
#[derive(Debug, Clone, Copy)]
pub(super) struct TimedConnect;

impl<S> Layer<S> for TimedConnect {
    type Service = TimedConnector<S>;

    fn layer(&self, inner: S) -> TimedConnector<S> {
        TimedConnector(Arc::new(inner))
    }
}

/// See [`TimedConnect`]. The client copies its connector several times for each request, and most requests
/// open no connection: the inner one is shared until one does.
#[derive(Debug)]
pub(super) struct TimedConnector<S>(Arc<S>);

impl<S> Clone for TimedConnector<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S, R> Service<R> for TimedConnector<S>
where
    S: Service<R> + Clone + Send + 'static,
    S::Future: Send + 'static,
    R: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        // The copy that connects is asked.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, destination: R) -> Self::Future {
        let start = Instant::now();
        let mut inner = S::clone(&self.0);
        Box::pin(async move {
            poll_fn(|cx| inner.poll_ready(cx)).await?;
            let connection = inner.call(destination).await?;
            mark_current(|marks| {
                // The connector resolves, too: that time is told apart.
                marks.connect = Some(start.elapsed().saturating_sub(marks.resolve.unwrap_or_default()));
                marks.connected = Some(Instant::now());
            });
            Ok(connection)
        })
    }
}
