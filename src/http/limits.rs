//! How much of the server its guests may take: connections, time, and requests under way.
//!
//! Nobody is kept out by those who came first and do nothing. Where there is no room, the connection goes
//! whose client has kept it waiting longest; whoever sends a request and reads the answer is left alone.

use std::{
    collections::HashMap,
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

/// How long a client may take for its handshake and first request.
const FIRST_REQUEST: Duration = Duration::from_secs(10);

/// How long a client may take to read an answer, and then to ask again. Longer than Prometheus usually waits
/// between two scrapes.
const NEXT_REQUEST: Duration = Duration::from_secs(90);

/// The same where the server is about to end.
const LAST_ANSWER: Duration = Duration::from_secs(3);

/// How long a request waits for those under way, before it is told to come again. Shorter than Prometheus
/// usually waits, and long enough for every other connection to give way before.
const PATIENCE: Duration = Duration::from_secs(8);

/// From when on a client that is behind with its answer gives way to requests that wait.
const SLOW_READER: Duration = Duration::from_millis(250);

/// How many bytes a second a client must read so as not to be behind. A page of many tokens is long, and
/// whoever reads it as fast as that is not slow.
const PACE: u64 = 4 * 1024 * 1024;

/// How long nobody has to give way, be it for a handshake on a long way.
const FRESH: Duration = Duration::from_millis(500);

/// How often it is looked for somebody who can give way.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// An answer is handed to its connection in pieces of this size, so that it counts as under way until it has
/// been read but for the last of them.
const PIECE: usize = 32 * 1024;

/// How many may be served at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections.
    pub connections: usize,
    /// Requests under way, but for those of `/probe`, until their answers are read. The health paths are
    /// free.
    pub requests: usize,
    /// Requests of `/probe` under way.
    pub probes: usize,
}

impl Limits {
    /// For an address that nobody but an orchestrator asks.
    pub fn of_health() -> Self {
        Self { connections: 50, ..Self::default() }
    }
}

impl Default for Limits {
    /// Connections for less than half of the file descriptors that a process commonly has.
    fn default() -> Self {
        Self { connections: 500, requests: 40, probes: 250 }
    }
}

/// The connections there are.
pub(super) struct Connections {
    room: Arc<Semaphore>,
    open: Mutex<HashMap<u64, Arc<Connection>>>,
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections").field("room", &self.room.available_permits()).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Connection {
    state: Mutex<State>,
    leave: CancellationToken,
}

/// What a connection waits for.
#[derive(Debug)]
struct State {
    /// Requests that we work on.
    busy: usize,
    /// Answers that are not read yet.
    unread: usize,
    /// Since when it is the client's turn, where we work on nothing. What it reads puts that off.
    since: Instant,
    /// Whether there was a request.
    served: bool,
}

impl Connection {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connections {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { room: Arc::new(Semaphore::new(most)), open: Mutex::default() })
    }

    fn open(&self) -> MutexGuard<'_, HashMap<u64, Arc<Connection>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for one more. Where all are taken, the one goes whose client has kept it waiting longest.
    pub(super) async fn admit(self: &Arc<Self>, id: u64) -> Place {
        let room = loop {
            if let Ok(room) = self.room.clone().try_acquire_owned() {
                break room;
            }
            self.close_longest_waiting();
            if let Ok(Ok(room)) = timeout(LOOK_EVERY, self.room.clone().acquire_owned()).await {
                break room;
            }
        };
        let state = State { busy: 0, unread: 0, since: Instant::now(), served: false };
        let connection = Arc::new(Connection { state: Mutex::new(state), leave: CancellationToken::new() });
        self.open().insert(id, connection.clone());
        Place { id, connection, connections: self.clone(), _room: room }
    }

    /// Closes the one whose client has kept it waiting longest, and for some time at least.
    pub(super) fn close_longest_waiting(&self) {
        self.close_longest(FRESH, |_| true);
    }

    /// The same where the client does not read its answer.
    fn close_slow_reader(&self) {
        self.close_longest(SLOW_READER, |state| state.unread > 0);
    }

    fn close_longest(&self, at_least: Duration, which: impl Fn(&State) -> bool) {
        let now = Instant::now();
        let open = self.open();
        let waiting = open.values().filter(|connection| !connection.leave.is_cancelled());
        let longest = waiting
            .filter_map(|connection| {
                let state = connection.state();
                let gives_way = state.busy == 0 && now - state.since >= at_least && which(&state);
                gives_way.then(|| (state.since, connection.clone()))
            })
            .min_by_key(|(since, _)| *since);
        if let Some((_, connection)) = longest {
            connection.leave.cancel();
        }
    }
}

/// A connection's place among the others. It is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    id: u64,
    connection: Arc<Connection>,
    connections: Arc<Connections>,
    _room: OwnedSemaphorePermit,
}

impl Place {
    /// Resolves when the connection must go: its client takes too long, or others need the place.
    pub(super) async fn outstayed(&self, ending: bool) {
        loop {
            let until = {
                let state = self.connection.state();
                let limit = match (ending, state.served) {
                    (true, _) => LAST_ANSWER,
                    (false, true) => NEXT_REQUEST,
                    (false, false) => FIRST_REQUEST,
                };
                let now = Instant::now();
                if state.busy > 0 {
                    now + limit
                } else if now >= state.since + limit {
                    return;
                } else {
                    state.since + limit
                }
            };
            if self.connection.leave.run_until_cancelled(sleep_until(until)).await.is_none() {
                return;
            }
        }
    }

    /// Notes that we work on a request, until this is dropped.
    pub(super) fn busy(&self) -> Busy {
        self.connection.state().busy += 1;
        Busy(self.connection.clone())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.open().remove(&self.id);
    }
}

/// A request that is worked on.
#[derive(Debug)]
pub(super) struct Busy(Arc<Connection>);

impl Busy {
    /// Notes that an answer is not read yet, until this is dropped.
    fn unread(&self) -> Unread {
        self.0.state().unread += 1;
        Unread(self.0.clone())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.busy -= 1;
        state.since = Instant::now();
        state.served = true;
    }
}

#[derive(Debug)]
struct Unread(Arc<Connection>);

impl Unread {
    /// Notes that the client takes so many bytes more.
    fn goes_on(&self, bytes: usize) {
        let mut state = self.0.state();
        let earned = Duration::from_micros(bytes as u64 * 1_000_000 / PACE);
        state.since = (state.since + earned).min(Instant::now());
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.unread -= 1;
        state.since = Instant::now();
    }
}

/// The requests under way.
#[derive(Debug)]
pub(super) struct InFlight {
    requests: Arc<Semaphore>,
    probes: Arc<Semaphore>,
    connections: Arc<Connections>,
}

/// There are too many requests.
pub(super) struct TooMany;

impl InFlight {
    pub(super) fn new(limits: Limits, connections: Arc<Connections>) -> Self {
        let requests = Arc::new(Semaphore::new(limits.requests));
        Self { requests, probes: Arc::new(Semaphore::new(limits.probes)), connections }
    }

    /// A part in the server's work, in turn. Clients that do not read their answers give way. `None`: this
    /// path costs nothing.
    ///
    /// A probe may wait for minutes, by its caller's choice: whoever waited for its turn would keep a connection
    /// for as long, and all of them together keep everybody out.
    pub(super) async fn enter(&self, path: &str) -> Result<Option<OwnedSemaphorePermit>, TooMany> {
        match path {
            "/-/healthy" | "/-/ready" => return Ok(None),
            "/probe" => return self.probes.clone().try_acquire_owned().map(Some).map_err(|_| TooMany),
            _ => {}
        }
        let relief = async {
            loop {
                self.connections.close_slow_reader();
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        let turn = async {
            tokio::select! {
                biased;
                turn = self.requests.clone().acquire_owned() => turn,
                never = relief => never,
            }
        };
        match timeout(PATIENCE, turn).await {
            Ok(Ok(turn)) => Ok(Some(turn)),
            _ => Err(TooMany),
        }
    }
}

/// An answer's body, which is under way until the client has read it.
pub(super) struct UnderWay {
    body: Body,
    rest: Bytes,
    _turn: Option<OwnedSemaphorePermit>,
    unread: Unread,
}

impl UnderWay {
    pub(super) fn body(body: Body, turn: Option<OwnedSemaphorePermit>, busy: &Busy) -> Body {
        Body::new(Self { body, rest: Bytes::new(), _turn: turn, unread: busy.unread() })
    }
}

impl HttpBody for UnderWay {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(other) => return Poll::Ready(Some(Ok(other))),
                },
                end_or_error => return Poll::Ready(end_or_error),
            }
        }
        let length = self.rest.len().min(PIECE);
        self.unread.goes_on(length);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(length)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.rest.len() as u64;
        let hint = self.body.size_hint();
        let mut whole = SizeHint::new();
        whole.set_lower(hint.lower() + rest);
        if let Some(upper) = hint.upper() {
            whole.set_upper(upper + rest);
        }
        whole
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    /// Whether a client that waits so long before each further piece of its answer gives way.
    async fn gives_way(pause: Duration) -> bool {
        let connections = Connections::new(1);
        let place = connections.admit(0).await;
        let busy = place.busy();
        let mut body = UnderWay::body(Body::from(vec![b'x'; PIECE * 200]), None, &busy);
        drop(busy);
        while poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await.is_some() {
            tokio::time::sleep(pause).await;
            connections.close_slow_reader();
        }
        place.connection.leave.is_cancelled()
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_answer_that_is_read_at_pace_does_not_give_way() {
        assert!(!gives_way(Duration::from_millis(7)).await);
        assert!(gives_way(Duration::from_millis(12)).await);
    }
}
