//! The requests that a workspace may cost Hex, handed out one at a time.
//!
//! Hex counts in any minute, and counts what arrives. A request may arrive at any time between its start
//! and its end, so it is held against the budget from its start until a minute after its end: then no
//! window of a minute, wherever it is laid, holds more than the budget.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep_until},
};

use super::timing::Class;

const WINDOW: Duration = Duration::from_mins(1);

/// One workspace's budget.
#[derive(Debug)]
pub struct Budget {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    started: Instant,
    per_minute: u32,
    /// When the next request would come if all were evenly spread.
    spread: Duration,
    paused_until: Duration,
    in_flight: u32,
    /// When requests of the last minute ended, in nanoseconds. A large budget remembers thousands.
    ended: VecDeque<u64>,
    waiting: BTreeMap<(Duration, u64), Arc<Notify>>,
    tickets: u64,
}

impl Budget {
    /// A budget of so many requests in any minute.
    pub fn new(per_minute: u32) -> Self {
        Self {
            inner: Mutex::new(Inner {
                started: Instant::now(),
                per_minute,
                spread: Duration::ZERO,
                paused_until: Duration::ZERO,
                in_flight: 0,
                ended: VecDeque::new(),
                waiting: BTreeMap::new(),
                tickets: 0,
            }),
        }
    }

    /// Changes the budget. What was spent stays spent.
    pub fn set(&self, per_minute: u32) {
        let mut inner = self.lock();
        inner.per_minute = per_minute;
        inner.wake_first();
    }

    /// Hands out nothing for a while: Hex has asked for it.
    pub fn pause(&self, pause: Duration) {
        let mut inner = self.lock();
        inner.paused_until = inner.paused_until.max(inner.now() + pause);
    }

    /// Waits for the turn of a request that has waited `since` then, and for one of the `slots` that all
    /// workspaces share. The longest wait goes first; identity checks count as having waited some minutes
    /// more, confirmations of a 401 more again. `None`: there are no slots any more.
    ///
    /// Only the first in the queue waits for a slot, and spends nothing meanwhile: requests that had their
    /// turn and then waited for slots would leave in a burst.
    pub async fn acquire(
        self: &Arc<Self>,
        class: Class,
        since: Instant,
        slots: &Arc<Semaphore>,
    ) -> Option<Permit> {
        let mut ticket = self.queue(class, since);
        let mut slot = None;
        loop {
            let turn = self.lock().turn(ticket.key, slot.is_some());
            match turn {
                Turn::Taken => break,
                Turn::NeedsSlot => slot = Some(slots.clone().acquire_owned().await.ok()?),
                Turn::At(time) => {
                    slot = None;
                    // On the heap: of all in the queue, the first alone has a time.
                    tokio::select! {
                        () = Box::pin(sleep_until(time)) => {}
                        () = ticket.called.notified() => {}
                    }
                }
                Turn::WhenCalled => {
                    slot = None;
                    ticket.called.notified().await;
                }
            }
        }
        ticket.taken = true;
        Some(Permit { budget: self.clone(), _slot: slot? })
    }

    fn queue(self: &Arc<Self>, class: Class, since: Instant) -> Ticket {
        let mut inner = self.lock();
        inner.tickets += 1;
        let key = (since.saturating_duration_since(inner.started) + class.patience(), inner.tickets);
        let called = Arc::new(Notify::new());
        inner.waiting.insert(key, called.clone());
        Ticket { budget: self.clone(), key, called, taken: false }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Turn {
    Taken,
    NeedsSlot,
    At(Instant),
    WhenCalled,
}

impl Inner {
    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn turn(&mut self, key: (Duration, u64), has_slot: bool) -> Turn {
        if self.waiting.first_key_value().is_none_or(|(first, _)| *first != key) {
            return Turn::WhenCalled;
        }
        let now = self.now();
        while self.leaves(0).is_some_and(|leaves| now >= leaves) {
            self.ended.pop_front();
        }
        let spacing = WINDOW / self.per_minute.max(1);
        let burst = (self.per_minute / 10).max(1);
        let spread = self.spread.saturating_sub(spacing * (burst - 1));
        let spent = self.in_flight.saturating_add(u32::try_from(self.ended.len()).unwrap_or(u32::MAX));
        let room = if spent < self.per_minute {
            Some(Duration::ZERO)
        } else {
            // With n of them too many, the n-th to leave the window makes room.
            let excess = (spent - self.per_minute) as usize;
            self.leaves(excess)
        };
        let Some(room) = room else { return Turn::WhenCalled };
        let earliest = spread.max(room).max(self.paused_until);
        if earliest > now {
            return Turn::At(self.started + earliest);
        }
        if !has_slot {
            return Turn::NeedsSlot;
        }
        self.waiting.remove(&key);
        self.in_flight += 1;
        self.spread = self.spread.max(now) + spacing;
        self.wake_first();
        Turn::Taken
    }

    /// When the request that ended as the `n`-th leaves the window.
    fn leaves(&self, n: usize) -> Option<Duration> {
        Some(Duration::from_nanos(*self.ended.get(n)?) + WINDOW)
    }

    fn wake_first(&self) {
        if let Some(called) = self.waiting.values().next() {
            called.notify_one();
        }
    }
}

/// A place in the queue; leaves it when dropped.
struct Ticket {
    budget: Arc<Budget>,
    key: (Duration, u64),
    called: Arc<Notify>,
    taken: bool,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.taken {
            let mut inner = self.budget.lock();
            inner.waiting.remove(&self.key);
            inner.wake_first();
        }
    }
}

/// The right to make one request. Dropped when the request has ended.
#[derive(Debug)]
#[must_use = "the request must end before the permit does"]
pub struct Permit {
    budget: Arc<Budget>,
    _slot: OwnedSemaphorePermit,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut inner = self.budget.lock();
        inner.in_flight -= 1;
        let now = inner.now().as_nanos();
        inner.ended.push_back(u64::try_from(now).unwrap_or(u64::MAX));
        inner.wake_first();
    }
}
