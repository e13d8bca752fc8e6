//! What a sink is.
//!
//! A [`Sink`] folds and encodes, synchronously and without I/O, so it can be tested without a runtime. A
//! [`Transport`] moves what the sink has sealed. A runner, one task per sink, connects both to the bus: it never
//! waits for I/O while it takes records in, and at most one send is under way.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;

use crate::bus::{Checkpoint, Record};
use crate::stats::DropReason;

/// What became of a record that a sink was handed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Its effect is complete: folded into what is served or into a total that will be sent.
    Delivered,
    /// It waits to be sent.
    Buffered,
    /// The sink does not want it.
    Filtered,
    /// It was lost.
    Dropped(DropReason),
}

/// When a runner seals what a sink holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cadence {
    /// After each time that records were taken in.
    EachDrain,
    /// At this interval.
    Every(Duration),
    /// Never: the sink is only asked.
    Never,
}

/// Encoded records on their way out.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// What to send, in units that may not be torn apart: datagrams, or lines with their newline.
    pub frames: Vec<Bytes>,
    /// How many records it stands for, in the sense of [`Verdict::Buffered`]. When only a part is accepted, each frame
    /// counts the same.
    pub events: u64,
    /// How many frames are out: the transport counts them here, and goes on from here when a send is repeated.
    pub sent: usize,
}

impl Batch {
    /// Nothing of it is out yet.
    pub fn new(frames: Vec<Bytes>, events: u64) -> Self {
        Self { frames, events, sent: 0 }
    }
}

/// How a send ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// It may work later, after the time that the receiver asked for.
    #[error("{message}")]
    Retry {
        /// How long the receiver wants to be left alone.
        after: Option<Duration>,
        /// What went wrong.
        message: String,
    },
    /// The first `accepted` frames went out; the others were refused for good.
    #[error("{message}")]
    Partial {
        /// Frames that went out.
        accepted: usize,
        /// What went wrong with the others.
        message: String,
    },
    /// It will never work.
    #[error("{message}")]
    Permanent {
        /// What went wrong.
        message: String,
    },
}

/// A question of a pull client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndpointRequest {
    /// The path, as configured.
    pub path: String,
    /// The query string.
    pub query: Option<String>,
    /// The `Accept` header.
    pub accept: Option<String>,
    /// The `Authorization` header.
    pub authorization: Option<String>,
}

/// The answer to a pull client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointResponse {
    /// HTTP status.
    pub status: u16,
    /// `Content-Type`.
    pub content_type: &'static str,
    /// `Cache-Control: no-store` is always sent; these come on top.
    pub headers: Vec<(&'static str, String)>,
    /// The body, uncompressed.
    pub body: Bytes,
}

impl EndpointResponse {
    /// The type of a JSON document.
    pub const JSON: &str = "application/json";

    /// A JSON document.
    pub fn json(status: u16, body: impl Into<Bytes>) -> Self {
        Self { status, content_type: Self::JSON, headers: Vec::new(), body: body.into() }
    }

    /// Words for a person.
    pub fn text(status: u16, body: impl Into<Bytes>) -> Self {
        Self { status, content_type: "text/plain; charset=utf-8", headers: Vec::new(), body: body.into() }
    }
}

/// Folds and encodes records.
pub trait Sink: Send {
    /// Takes one record in.
    fn record(&mut self, record: &Record) -> Verdict;

    /// Begins at this moment of the stream: what the checkpoint contains happened before. Called once, before anything
    /// else, when the sink starts and when it is started anew after a reload or a panic. After a panic the checkpoint
    /// may contain records that are still to come.
    fn start(&mut self, checkpoint: &Checkpoint) {
        self.gap(0, checkpoint);
    }

    /// Learns that `missed` records were overwritten, and the exact numbers now.
    fn gap(&mut self, missed: u64, checkpoint: &Checkpoint);

    /// Learns that `lost` records went down with the panic after which the sink was started anew. Called after
    /// [`start`](Sink::start), whose checkpoint already contains them: of interest to a sink that carries records.
    fn crashed(&mut self, _lost: u64) {}

    /// Whether the sink passes records on, so that the configured filter applies. A sink that only counts sees all of
    /// them: its totals would be wrong otherwise.
    fn carries_records(&self) -> bool {
        false
    }

    /// When to seal.
    fn cadence(&self) -> Cadence {
        Cadence::Never
    }

    /// Time passes: called at the cadence and before each answer, for windows and rates.
    fn tick(&mut self, _now: SystemTime) {}

    /// Takes out what should be sent now, if anything. `last` when the sink is about to stop; it is then called again
    /// after each batch that went out, until there is nothing.
    fn seal(&mut self, _last: bool) -> Option<Batch> {
        None
    }

    /// The sealed batch went out.
    fn acknowledged(&mut self) {}

    /// The sealed batch will never go out: the sink may fold it into a later one. Returns how many of its events
    /// are lost for good. Those that it keeps count in [`buffered`](Sink::buffered); those that it neither keeps nor
    /// lost went out. When only the first frames were accepted, `batch` is what is left.
    fn refused(&mut self, batch: Batch) -> u64 {
        batch.events
    }

    /// Whether a batch that cannot be sent for long is given up. A sink whose batches hold differences never gives
    /// one up: its total would be wrong for ever.
    fn gives_up(&self) -> bool {
        true
    }

    /// How many records that it had called buffered it has let go since the last call, to make room for others.
    fn evicted(&mut self) -> u64 {
        0
    }

    /// How many records wait, sealed ones not included.
    fn buffered(&self) -> u64 {
        0
    }

    /// Paths that this sink answers.
    fn endpoints(&self) -> Vec<String> {
        Vec::new()
    }

    /// Answers a question about one of its [`endpoints`](Sink::endpoints). All records up to the question are in.
    fn serve(&mut self, _request: &EndpointRequest) -> EndpointResponse {
        EndpointResponse { status: 404, content_type: "text/plain", headers: Vec::new(), body: Bytes::new() }
    }
}

/// Moves batches.
#[async_trait]
pub trait Transport: Send {
    /// Tries whether sending can work, without sending.
    async fn probe(&mut self) -> Result<(), SendError> {
        Ok(())
    }

    /// Sends a batch. Dropping the future gives up; what was sent by then is unknown.
    async fn send(&mut self, batch: &mut Batch) -> Result<(), SendError>;

    /// How long a send may take before it is given up and counted as failed. `None` for a transport whose send
    /// cannot be taken back, such as a write to a disk that hangs: it stays under way.
    fn patience(&self) -> Option<Duration> {
        Some(Duration::from_secs(30))
    }

    /// Opens files or connections anew, at once: a log rotator has renamed the file.
    async fn reopen(&mut self) -> Result<(), SendError> {
        Ok(())
    }

    /// What only one transport can have at a time: a file's path, a socket's address.
    fn claims(&self) -> Vec<String> {
        Vec::new()
    }

    /// Whether a destination that cannot be reached now means that the configuration is wrong, so that a reload is
    /// refused: true of a file, false of a program on the network, which may come later.
    fn must_be_reachable(&self) -> bool {
        false
    }

    /// What tells the code that it runs from another version of it: a reload starts the sink anew when it has changed,
    /// although its settings have not.
    fn version(&self) -> Option<String> {
        None
    }

    /// Where it sends to, for a person; free of secrets.
    fn describe(&self) -> String {
        String::new()
    }
}

/// A question that some sink answers, as the HTTP server sees it.
#[async_trait]
pub trait Endpoint: Send + Sync {
    /// The answer; time-boxed.
    async fn ask(&self, request: EndpointRequest) -> EndpointResponse;
}

/// A path with the one who answers it.
#[derive(Clone)]
pub struct Route {
    /// The exact path.
    pub path: String,
    /// The type of the sink that answers, as configured.
    pub kind: String,
    /// Who answers.
    pub endpoint: Arc<dyn Endpoint>,
}

impl std::fmt::Debug for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Route").field("path", &self.path).field("kind", &self.kind).finish_non_exhaustive()
    }
}
