//! A sink and a destination that do what a test says.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use picoclaw_telemetry::sink::{
    Batch, Cadence, EndpointRequest, EndpointResponse, SendError, Sink, Transport, Verdict,
};
use picoclaw_telemetry::{Bus, Checkpoint, Event, Record, SinkStats};

use crate::config::{OptionsError, SinkConfig};
use crate::context::Context;
use crate::registry::{BuildError, Built};
use crate::supervisor::{BuildSink, StartError, Supervisor};
use crate::testing;

/// What the destination does with one batch.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    Accept,
    Retry(Option<Duration>),
    Partial(usize),
    Permanent,
    Hang,
    Panic,
}

/// One sink's script, and what it has seen.
#[derive(Debug, Default)]
pub(super) struct Fake {
    /// What happens to the next sends; afterwards all are accepted.
    pub(super) answers: Mutex<VecDeque<Answer>>,
    /// What happens when `answers` is empty.
    pub(super) always: Mutex<Option<Answer>>,
    /// The numbers of the events that arrived.
    pub(super) arrived: Mutex<Vec<u64>>,
    /// When a send was tried.
    pub(super) tries: Mutex<Vec<tokio::time::Instant>>,
    /// The checkpoints with which the sink began.
    pub(super) begun: Mutex<Vec<u64>>,
    pub(super) reopened: Mutex<u32>,
    /// How many records it was told to have lost in a panic.
    pub(super) crashed: Mutex<Vec<u64>>,
    /// The event whose record makes the sink panic.
    pub(super) panics_at: Mutex<Option<u64>>,
    /// Whether probing fails.
    pub(super) unreachable: Mutex<bool>,
    /// Whether a send lasts as long as it lasts.
    pub(super) patient: Mutex<bool>,
}

impl Fake {
    pub(super) fn script(&self, answers: &[Answer]) {
        self.answers.lock().unwrap().extend(answers.iter().cloned());
    }

    pub(super) fn arrived(&self) -> Vec<u64> {
        self.arrived.lock().unwrap().clone()
    }
}

struct FakeSink {
    fake: Arc<Fake>,
    waiting: Vec<u64>,
    last: u64,
    endpoints: Vec<String>,
    pull: bool,
    carries: bool,
}

impl Sink for FakeSink {
    fn record(&mut self, record: &Record) -> Verdict {
        assert!(*self.fake.panics_at.lock().unwrap() != Some(record.seq), "at record {}", record.seq);
        self.last = record.seq;
        if self.pull {
            return Verdict::Delivered;
        }
        self.waiting.push(record.seq);
        Verdict::Buffered
    }

    fn start(&mut self, checkpoint: &Checkpoint) {
        self.fake.begun.lock().unwrap().push(checkpoint.ledger.seq());
    }

    fn gap(&mut self, missed: u64, _: &Checkpoint) {
        assert!(missed > 0);
    }

    fn crashed(&mut self, lost: u64) {
        self.fake.crashed.lock().unwrap().push(lost);
    }

    fn carries_records(&self) -> bool {
        self.carries
    }

    fn cadence(&self) -> Cadence {
        if self.pull { Cadence::Never } else { Cadence::EachDrain }
    }

    fn seal(&mut self, _last: bool) -> Option<Batch> {
        let frames: Vec<_> =
            self.waiting.drain(..).map(|seq| Bytes::copy_from_slice(&seq.to_le_bytes())).collect();
        let events = frames.len() as u64;
        (events > 0).then(|| Batch::new(frames, events))
    }

    fn buffered(&self) -> u64 {
        self.waiting.len() as u64
    }

    fn endpoints(&self) -> Vec<String> {
        self.endpoints.clone()
    }

    fn serve(&mut self, _request: &EndpointRequest) -> EndpointResponse {
        EndpointResponse {
            status: 200,
            content_type: "text/plain",
            headers: Vec::new(),
            body: Bytes::from(self.last.to_string()),
        }
    }
}

struct FakeTransport {
    fake: Arc<Fake>,
    claims: Vec<String>,
}

#[async_trait]
impl Transport for FakeTransport {
    async fn probe(&mut self) -> Result<(), SendError> {
        if *self.fake.unreachable.lock().unwrap() {
            return Err(retry(None));
        }
        Ok(())
    }

    async fn send(&mut self, batch: &mut Batch) -> Result<(), SendError> {
        self.fake.tries.lock().unwrap().push(tokio::time::Instant::now());
        let always = self.fake.always.lock().unwrap().clone();
        let next = self.fake.answers.lock().unwrap().pop_front();
        let accepted = match next.or(always).unwrap_or(Answer::Accept) {
            Answer::Accept => Ok(batch.frames.len()),
            Answer::Retry(after) => Err(retry(after)),
            Answer::Partial(n) => Ok(n.min(batch.frames.len())),
            Answer::Permanent => Err(SendError::Permanent { message: "never".to_owned() }),
            Answer::Hang => std::future::pending().await,
            Answer::Panic => panic!("the destination is haunted"),
        }?;
        let seqs =
            batch.frames[..accepted].iter().map(|frame| u64::from_le_bytes(frame[..].try_into().unwrap()));
        self.fake.arrived.lock().unwrap().extend(seqs);
        if accepted < batch.frames.len() {
            return Err(SendError::Partial { accepted, message: "some are bad".to_owned() });
        }
        Ok(())
    }

    fn patience(&self) -> Option<Duration> {
        (!*self.fake.patient.lock().unwrap()).then_some(Duration::from_secs(30))
    }

    async fn reopen(&mut self) -> Result<(), SendError> {
        *self.fake.reopened.lock().unwrap() += 1;
        Ok(())
    }

    fn claims(&self) -> Vec<String> {
        self.claims.clone()
    }

    fn must_be_reachable(&self) -> bool {
        self.claims.iter().any(|claim| claim.starts_with("file "))
    }
}

fn retry(after: Option<Duration>) -> SendError {
    SendError::Retry { after, message: "try later, hunter2hunter2".to_owned() }
}

/// A bus with everything around it.
pub(super) struct World {
    pub(super) context: Context,
    fakes: Arc<Mutex<HashMap<String, Arc<Fake>>>>,
}

impl World {
    pub(super) fn new(ring: usize) -> Self {
        Self { context: testing::context(&Bus::new(ring)), fakes: Arc::default() }
    }

    pub(super) fn start(&self, sinks: &[SinkConfig]) -> Result<Supervisor, StartError> {
        Supervisor::start_with(sinks, self.context.clone(), self.builder())
    }

    /// The script of a sink.
    pub(super) fn fake(&self, name: &str) -> Arc<Fake> {
        Arc::clone(self.fakes.lock().unwrap().entry(name.to_owned()).or_default())
    }

    pub(super) fn stats(&self, name: &str) -> Arc<SinkStats> {
        self.context.sinks.entry(name)
    }

    /// Emits events; their numbers are the next ones.
    pub(super) fn emit(&self, n: usize) {
        for _ in 0..n {
            self.context.bus.emit(Event::ReloadStarted);
        }
    }

    /// Waits, step by step, until something holds.
    pub(super) async fn wait(&self, what: &str, condition: impl Fn() -> bool) {
        let patience = tokio::time::Instant::now() + Duration::from_secs(3600);
        while !condition() {
            assert!(tokio::time::Instant::now() < patience, "never happened: {what}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Types of sinks: `push`, `records` (which passes records on), `pull`; `broken` cannot be built.
    fn builder(&self) -> BuildSink {
        let fakes = Arc::clone(&self.fakes);
        Arc::new(move |config, index, _context| {
            if config.kind == "broken" {
                return Err(BuildError::Options(OptionsError::new(index, "x", "is broken")));
            }
            let fake = Arc::clone(fakes.lock().unwrap().entry(config.name().to_owned()).or_default());
            let list = |key: &str| match config.options.get(key).and_then(|value| value.as_str()) {
                Some(text) => vec![text.to_owned()],
                None => Vec::new(),
            };
            let pull = config.kind == "pull";
            let transport = FakeTransport { fake: Arc::clone(&fake), claims: list("claim") };
            Ok(Built {
                sink: Box::new(FakeSink {
                    fake,
                    waiting: Vec::new(),
                    last: 0,
                    endpoints: list("path"),
                    pull,
                    carries: config.kind == "records",
                }),
                transport: (!pull).then(|| Box::new(transport) as _),
            })
        })
    }
}

/// An entry of the configuration.
pub(super) fn sink(kind: &str, name: &str, options: &[(&str, &str)]) -> SinkConfig {
    let options = options.iter().map(|(key, value)| ((*key).to_owned(), (*value).into()));
    SinkConfig { name: Some(name.to_owned()), ..SinkConfig::new(kind) }.with_options(options.collect())
}

/// Asks the sink at a path.
pub(super) async fn ask(supervisor: &Supervisor, path: &str) -> (u16, String) {
    let routes = supervisor.routes();
    let route = routes.iter().find(|route| route.path == path).unwrap();
    let response = route.endpoint.ask(EndpointRequest::default()).await;
    (response.status, String::from_utf8(response.body.to_vec()).unwrap())
}
