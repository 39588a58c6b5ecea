//! The page of metrics, packed with gzip: made once for all who wait for it.
//!
//! A page of ten thousand tokens takes a tenth of a second. So one is made at a time, and those who ask meanwhile
//! get the next one together: it is as fresh as if it were theirs alone, since it is begun after they asked.
//! However many scrape, they cost no more than one core. What a slow reader has not taken is kept meanwhile,
//! which is a twentieth of a page as it is written.

use std::{
    fmt,
    io::{self, Write},
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::Frame;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::gzip::Packer;

/// How long a packed piece is, about: the first should be there soon.
const PIECE: usize = 16 * 1024;

/// Why a page need not be made to its end.
const NOBODY_READS: io::ErrorKind = io::ErrorKind::BrokenPipe;

/// A piece of a packed page; `None` after the last. Where that does not come, the page broke off.
type Piece = Option<Bytes>;

/// Makes packed pages, one after the other.
pub(super) struct Press<P> {
    page: Box<dyn Fn() -> P + Send + Sync>,
    line: Mutex<Line>,
    packer: Mutex<Packer>,
}

/// Who waits for the next page.
#[derive(Debug, Default)]
struct Line {
    is_making: bool,
    waiting: Vec<UnboundedSender<Piece>>,
}

impl<P> fmt::Debug for Press<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Press").field("line", &self.line).finish_non_exhaustive()
    }
}

impl<P: Iterator<Item = String> + 'static> Press<P> {
    /// One that packs what `page` makes, piece by piece.
    pub(super) fn new(page: impl Fn() -> P + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { page: Box::new(page), line: Mutex::default(), packer: Mutex::default() })
    }

    /// The next page, from its first piece on. `None`: it could not be made.
    pub(super) async fn next(self: &Arc<Self>) -> Option<Body> {
        let (reader, mut pieces) = unbounded_channel();
        let idle = {
            let mut line = self.line();
            line.waiting.push(reader);
            !mem::replace(&mut line.is_making, true)
        };
        if idle {
            let press = Arc::clone(self);
            tokio::task::spawn_blocking(move || press.work());
        }
        let first = pieces.recv().await?;
        Some(Body::new(Packed { first, pieces }))
    }

    /// Makes pages for as long as somebody waits.
    fn work(&self) {
        loop {
            let readers = {
                let mut line = self.line();
                if line.waiting.is_empty() {
                    line.is_making = false;
                    return;
                }
                mem::take(&mut line.waiting)
            };
            // A panic is told of where it happens; it breaks this page off, and not the next.
            let made = catch_unwind(AssertUnwindSafe(|| self.make(readers)));
            if let Ok(Err(error)) = made
                && error.kind() != NOBODY_READS
            {
                tracing::error!(%error, "a packed page of metrics has broken off");
            }
        }
    }

    fn make(&self, readers: Vec<UnboundedSender<Piece>>) -> io::Result<()> {
        let mut readers = Readers { readers, piece: Vec::with_capacity(PIECE) };
        lock(&self.packer).pack((self.page)(), &mut readers)?;
        readers.tell(&None)
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        lock(&self.line)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Neither who waits nor what was packed is wrong after a panic.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// All who read a page.
struct Readers {
    readers: Vec<UnboundedSender<Piece>>,
    piece: Vec<u8>,
}

impl Readers {
    fn tell(&mut self, piece: &Piece) -> io::Result<()> {
        self.readers.retain(|reader| reader.send(piece.clone()).is_ok());
        if self.readers.is_empty() { Err(NOBODY_READS.into()) } else { Ok(()) }
    }
}

impl Write for Readers {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let piece = mem::replace(&mut self.piece, Vec::with_capacity(PIECE));
        self.tell(&Some(Bytes::from(piece)))
    }
}

/// A packed page as one reader gets it.
struct Packed {
    first: Piece,
    pieces: UnboundedReceiver<Piece>,
}

impl HttpBody for Packed {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let piece = match self.first.take() {
            first @ Some(_) => Some(first),
            None => ready!(self.pieces.poll_recv(context)),
        };
        Poll::Ready(match piece {
            Some(piece) => piece.map(|piece| Ok(Frame::data(piece))),
            None => Some(Err(io::ErrorKind::UnexpectedEof.into())),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::Read,
        sync::{
            atomic::{AtomicUsize, Ordering},
            mpsc::{Receiver, Sender, channel},
        },
    };

    use flate2::read::GzDecoder;
    use tokio::task::JoinSet;

    use super::*;

    /// A page whose text tells which one it is, and which is made when that is allowed.
    struct Numbered {
        number: usize,
        begun: Sender<()>,
        allowed: Arc<Mutex<Receiver<()>>>,
        pieces: usize,
    }

    impl Iterator for Numbered {
        type Item = String;

        fn next(&mut self) -> Option<String> {
            self.pieces += 1;
            match self.pieces {
                1 => {
                    self.begun.send(()).unwrap();
                    self.allowed.lock().unwrap().recv().unwrap();
                    Some(format!("page {}", self.number))
                }
                _ => None,
            }
        }
    }

    /// Numbers that pack badly, the same each time.
    fn noise(seed: u64, count: u64) -> String {
        let numbers = (0..count).map(|i| (i * (seed + 7) * 2_654_435_761 % 99_991).to_string());
        numbers.collect::<Vec<_>>().join(" ")
    }

    async fn read(body: Option<Body>) -> String {
        let packed = axum::body::to_bytes(body.unwrap(), usize::MAX).await.unwrap();
        let mut text = String::new();
        GzDecoder::new(packed.as_ref()).read_to_string(&mut text).unwrap();
        text
    }

    #[tokio::test]
    async fn those_who_come_while_a_page_is_made_get_the_next_one_together() {
        let ((begun, begins), (allow, allowed)) = (channel(), channel());
        let (made, allowed) = (AtomicUsize::new(0), Arc::new(Mutex::new(allowed)));
        let press = Press::new(move || {
            let number = made.fetch_add(1, Ordering::Relaxed);
            Numbered { number, begun: begun.clone(), allowed: allowed.clone(), pieces: 0 }
        });
        let mut readers = JoinSet::new();
        let ask = |press: &Arc<Press<Numbered>>| {
            let press = press.clone();
            async move { read(press.next().await).await }
        };
        readers.spawn(ask(&press));
        let begins =
            tokio::task::spawn_blocking(move || begins.recv().map(|()| begins)).await.unwrap().unwrap();
        (0..7).for_each(|_| drop(readers.spawn(ask(&press))));
        while press.line().waiting.len() < 7 {
            tokio::task::yield_now().await;
        }
        allow.send(()).unwrap();
        allow.send(()).unwrap();
        let mut pages = readers.join_all().await;
        pages.sort();
        assert_eq!((pages.remove(0).as_str(), pages), ("page 0", vec!["page 1".to_owned(); 7]));
        assert_eq!(begins.try_iter().count(), 1);
        allow.send(()).unwrap();
        assert_eq!(ask(&press).await, "page 2");
    }

    #[tokio::test]
    async fn a_page_that_cannot_be_made_keeps_nobody_waiting() {
        let made = AtomicUsize::new(0);
        let press = Press::new(move || {
            let first = made.fetch_add(1, Ordering::Relaxed) == 0;
            std::iter::once_with(move || if first { panic!("the first one") } else { "fine".to_owned() })
        });
        assert!(press.next().await.is_none());
        assert_eq!(read(press.next().await).await, "fine");
    }

    #[tokio::test]
    async fn a_page_that_breaks_off_is_not_taken_for_a_whole_one() {
        let press = Press::new(|| {
            (0..3).map(move |n| if n < 2 { noise(n, 40_000) } else { panic!("in the midst of it") })
        });
        let body = press.next().await.unwrap();
        assert!(axum::body::to_bytes(body, usize::MAX).await.is_err());
    }

    #[tokio::test]
    async fn a_page_that_nobody_reads_any_more_is_not_made_to_its_end() {
        let (made, count) = (Arc::new(AtomicUsize::new(0)), 1_000);
        let pieces = made.clone();
        let press = Press::new(move || {
            let pieces = pieces.clone();
            (0..count).map(move |n: u64| {
                pieces.fetch_add(1, Ordering::Relaxed);
                noise(n, 10_000)
            })
        });
        drop(press.next().await);
        while press.line().is_making {
            tokio::task::yield_now().await;
        }
        assert!(made.load(Ordering::Relaxed) < 1_000);
    }
}
