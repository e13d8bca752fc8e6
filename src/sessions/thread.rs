//! The thread that owns the writer, and the way to it.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::directory::Directory;
use super::disk::Disk;
use super::error::StoreError;
use super::id::SessionId;
use super::meta::Head;
use super::options::Options;
use super::pending::{self, Pending};
use super::recovery::Recovery;
use super::writer::{Append, Beheading, Placed, Writer};

/// Bytes that one permit stands for.
const PERMIT: usize = 1 << 10;
/// Permits in all: what may wait for the disk is at most this many kilobytes, and as many appends.
const PERMITS: usize = 8 << 10;

type Answer<T> = oneshot::Sender<Result<T, Arc<io::Error>>>;

enum Request {
    Append { append: Append, answer: Answer<Placed>, held: Held },
    Behead { beheading: Beheading, answer: Answer<bool>, held: pending::Request },
    Publish { answer: Answer<()> },
    Close { answer: Answer<()> },
}

/// What an append holds until it is answered.
struct Held {
    _room: OwnedSemaphorePermit,
    _request: pending::Request,
    /// Where whoever asked waits.
    home: Handle,
}

/// How long appends may gather while others are about. A sync takes about as long.
const GATHER: Duration = Duration::from_micros(500);

/// How long it must be quiet for the metadata of new sessions to be written.
const PUBLISH: Duration = Duration::from_millis(20);

/// How long they wait at most.
const PUBLISH_WITHIN: Duration = Duration::from_secs(1);

/// What failed beside the conversations themselves: they are safe in the journal meanwhile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UpkeepFailures {
    /// Checkpoints that failed and will be tried again.
    pub checkpoints: u64,
    /// Times that a file of metadata could not be written.
    pub metadata: u64,
}

#[derive(Debug, Default)]
struct Counters {
    checkpoint_failures: AtomicU64,
    meta_failures: AtomicU64,
}

/// Sends work to the writer's thread.
#[derive(Debug)]
pub(super) struct WriterThread {
    requests: mpsc::Sender<Request>,
    room: Arc<Semaphore>,
    counters: Arc<Counters>,
    recovery: Recovery,
    pending: Pending,
}

impl WriterThread {
    /// Recovers the directory and starts its thread.
    pub(super) fn start(path: &Path, options: &Options) -> io::Result<Self> {
        let (writer, recovery) = Writer::open(Directory::open(path)?, options.journal_bytes)?;
        let (requests, waiting) = mpsc::channel();
        let (counters, pending) = (Arc::new(Counters::default()), Pending::default());
        let worker = Worker {
            writer,
            waiting,
            counters: counters.clone(),
            pending: pending.clone(),
            idle: options.idle,
            every: options.checkpoint_every,
            checkpoints: 0,
            last_checkpoint: Instant::now(),
            published: Instant::now(),
            in_company: false,
        };
        std::thread::Builder::new().name("sessions".to_owned()).spawn(move || worker.run())?;
        Ok(Self { requests, room: Arc::new(Semaphore::new(PERMITS)), counters, recovery, pending })
    }

    /// Appends, and returns when the append is durable.
    pub(super) async fn append(&self, append: Append) -> Result<Result<Placed, Arc<io::Error>>, StoreError> {
        let request = self.pending.ask();
        let permits = append.bytes.len().div_ceil(PERMIT).clamp(1, PERMITS);
        let permits = u32::try_from(permits).expect("clamped to a small number");
        let room = self.room.clone().acquire_many_owned(permits).await.map_err(|_| StoreError::Closed)?;
        let held = Held { _room: room, _request: request, home: Handle::current() };
        self.ask(|answer| Request::Append { append, answer, held }).await
    }

    /// Moves the beginning of a conversation, durably, unless it is no longer at `since`.
    pub(super) async fn behead(
        &self,
        id: &SessionId,
        stem: &Arc<str>,
        since: u64,
        head: Head,
    ) -> Result<Result<bool, Arc<io::Error>>, StoreError> {
        let beheading = Beheading { stem: stem.clone(), id: id.clone(), since, head };
        let held = self.pending.ask();
        self.ask(|answer| Request::Behead { beheading, answer, held }).await
    }

    /// Writes metadata that waits, for whoever reads the directory next.
    pub(super) async fn publish(&self) -> Result<(), StoreError> {
        // A failure is in the tally.
        self.ask(|answer| Request::Publish { answer }).await.map(drop)
    }

    /// Finishes what waits, does a last checkpoint and ends the thread.
    pub(super) async fn close(&self) -> Result<Result<(), Arc<io::Error>>, StoreError> {
        self.ask(|answer| Request::Close { answer }).await
    }

    /// How long the oldest request has waited for the disk.
    pub(super) fn oldest_request(&self) -> Option<Duration> {
        self.pending.oldest()
    }

    pub(super) fn upkeep_failures(&self) -> UpkeepFailures {
        UpkeepFailures {
            checkpoints: self.counters.checkpoint_failures.load(Ordering::Relaxed),
            metadata: self.counters.meta_failures.load(Ordering::Relaxed),
        }
    }

    pub(super) fn recovery(&self) -> Recovery {
        self.recovery
    }

    async fn ask<T>(
        &self,
        request: impl FnOnce(Answer<T>) -> Request,
    ) -> Result<Result<T, Arc<io::Error>>, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.requests.send(request(answer)).map_err(|_| StoreError::Closed)?;
        answered.await.map_err(|_| StoreError::Closed)
    }
}

struct Worker<D> {
    writer: Writer<D>,
    waiting: mpsc::Receiver<Request>,
    counters: Arc<Counters>,
    pending: Pending,
    idle: Duration,
    every: Duration,
    checkpoints: u64,
    last_checkpoint: Instant,
    /// When the metadata of new sessions was written last.
    published: Instant,
    /// Whether the last batch held more than one append.
    in_company: bool,
}

impl<D: Disk> Worker<D> {
    fn run(mut self) {
        let mut closing = None;
        while closing.is_none() {
            let request = if self.writer.is_dirty() {
                let patience = if self.writer.is_unpublished() { PUBLISH } else { self.idle };
                match self.waiting.recv_timeout(patience) {
                    Ok(request) => request,
                    Err(mpsc::RecvTimeoutError::Timeout) if self.writer.is_unpublished() => {
                        self.publish();
                        continue;
                    }
                    Err(mpsc::RecvTimeoutError::Timeout) => {
                        self.checkpoint();
                        continue;
                    }
                    Err(mpsc::RecvTimeoutError::Disconnected) => break,
                }
            } else {
                // Nothing to do until a request comes: an idle gateway does not wake up.
                match self.waiting.recv() {
                    Ok(request) => request,
                    Err(mpsc::RecvError) => break,
                }
            };
            closing = self.serve(request);
            if self.last_checkpoint.elapsed() >= self.every && self.writer.is_dirty() {
                self.checkpoint();
            }
            if self.published.elapsed() >= PUBLISH_WITHIN && self.writer.is_unpublished() {
                self.publish();
            }
        }
        let _asked = self.pending.ask();
        let closed = self.writer.close().map_err(Arc::new);
        if let Some(answer) = closing {
            let _ = answer.send(closed);
        }
    }

    /// Serves a request and everything that waits behind it; a request to close ends it.
    fn serve(&mut self, first: Request) -> Option<Answer<()>> {
        let (mut batch, mut answers) = (Vec::new(), Vec::new());
        // Under load the next appends are on their way already: a short wait lets one sync serve many of them. A
        // single conversation never waits.
        if self.in_company && matches!(first, Request::Append { .. }) {
            std::thread::sleep(GATHER);
        }
        let mut next = Some(first);
        let mut last = None;
        while let Some(request) = next {
            match request {
                Request::Append { append, answer, held } => {
                    batch.push(append);
                    answers.push((answer, held));
                    next = self.waiting.try_recv().ok();
                }
                other => {
                    last = Some(other);
                    break;
                }
            }
        }
        self.in_company = batch.len() > 1;
        self.commit(&batch, answers);
        match last {
            Some(Request::Behead { beheading, answer, held }) => {
                let done = self.writer.behead(&beheading).map_err(Arc::new);
                self.observe();
                drop(held);
                let _ = answer.send(done);
                None
            }
            Some(Request::Publish { answer }) => {
                self.publish();
                let _ = answer.send(Ok(()));
                None
            }
            Some(Request::Close { answer }) => Some(answer),
            Some(Request::Append { .. }) | None => None,
        }
    }

    fn commit(&mut self, batch: &[Append], answers: Vec<(Answer<Placed>, Held)>) {
        if batch.is_empty() {
            return;
        }
        let results = self.writer.commit(batch);
        self.observe();
        let home = (answers.len() > 1).then(|| answers[0].1.home.clone());
        let give = move || {
            for ((answer, held), result) in answers.into_iter().zip(results) {
                // Before whoever asked can look.
                drop(held);
                // Who asked may be gone; the append counts all the same.
                let _ = answer.send(result);
            }
        };
        match home {
            // Each answer that crosses from thread to thread wakes the other one. So many cross at once.
            Some(home) => drop(home.spawn(async move { give() })),
            None => give(),
        }
    }

    fn publish(&mut self) {
        let _asked = self.pending.ask();
        self.writer.publish();
        self.published = Instant::now();
        self.observe();
    }

    fn checkpoint(&mut self) {
        let _asked = self.pending.ask();
        // A failure is in the tally; the next checkpoint tries again.
        let _ = self.writer.checkpoint();
        self.last_checkpoint = Instant::now();
        self.observe();
    }

    fn observe(&mut self) {
        let tally = self.writer.tally();
        if std::mem::replace(&mut self.checkpoints, tally.checkpoints) != tally.checkpoints {
            self.last_checkpoint = Instant::now();
        }
        self.counters.checkpoint_failures.store(tally.checkpoint_failures, Ordering::Relaxed);
        self.counters.meta_failures.store(tally.meta_failures, Ordering::Relaxed);
    }
}
