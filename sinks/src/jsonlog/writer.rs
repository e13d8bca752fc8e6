//! The transport of a log: blocking work on a thread of its own.
//!
//! The thread is not one of the runtime's: a write that a full pipe or a dead network disk blocks for ever must keep
//! neither the runtime nor the process from ending. Without work the thread sleeps.

use std::sync::mpsc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use picoclaw_telemetry::sink::{Batch, SendError, Transport};
use tokio::sync::oneshot;

/// Where lines go. Its methods may block.
pub(super) trait Output: Send + 'static {
    /// Writes the lines of a batch, those of them that an earlier try did not write.
    fn write(&mut self, frames: &[Bytes]) -> Result<(), SendError>;

    /// Opens anew.
    fn reopen(&mut self) -> Result<(), SendError>;

    /// Tries whether writing can work.
    fn probe(&mut self) -> Result<(), SendError>;
}

type Answer = Result<(), SendError>;
type Job<O> = Box<dyn FnOnce(&mut O) + Send>;

/// Gives an output its work.
pub(super) struct Writer<O> {
    /// The output until there is work for it.
    idle: Option<O>,
    jobs: Option<mpsc::Sender<Job<O>>>,
    claims: Vec<String>,
    description: String,
}

impl<O: Output> Writer<O> {
    pub(super) fn new(output: O, claims: Vec<String>, description: String) -> Self {
        Self { idle: Some(output), jobs: None, claims, description }
    }

    fn start(&mut self, job: impl FnOnce(&mut O) -> Answer + Send + 'static) -> oneshot::Receiver<Answer> {
        let (reply, answer) = oneshot::channel();
        let job: Job<O> = Box::new(move |output| {
            // Whoever asked may have given up.
            let _ = reply.send(job(output));
        });
        if let Some(mut output) = self.idle.take() {
            let (jobs, work) = mpsc::channel::<Job<O>>();
            let thread = std::thread::Builder::new().name("log writer".to_owned());
            let thread = thread.spawn(move || work.into_iter().for_each(|job| job(&mut output)));
            // Without a thread the channel has no other end, which the answer then says.
            self.jobs = thread.is_ok().then_some(jobs);
        }
        if let Some(jobs) = &self.jobs {
            // A thread that has panicked is found out by the answer that never comes.
            let _ = jobs.send(job);
        }
        answer
    }
}

/// The answer, unless the thread is gone: the panic goes on here, and the sink is started anew.
fn or_panic(answer: Result<Answer, oneshot::error::RecvError>) -> Answer {
    answer.expect("the thread of the log writer could not start or has panicked")
}

#[async_trait]
impl<O: Output> Transport for Writer<O> {
    async fn probe(&mut self) -> Answer {
        or_panic(self.start(Output::probe).await)
    }

    async fn send(&mut self, batch: &mut Batch) -> Answer {
        let frames = batch.frames.clone();
        or_panic(self.start(move |output| output.write(&frames)).await)
    }

    /// A write cannot be taken back: given up here, it would go on there.
    fn patience(&self) -> Option<Duration> {
        None
    }

    async fn reopen(&mut self) -> Answer {
        or_panic(self.start(Output::reopen).await)
    }

    fn claims(&self) -> Vec<String> {
        self.claims.clone()
    }

    /// A file; a standard stream is there, and nobody's alone.
    fn must_be_reachable(&self) -> bool {
        !self.claims.is_empty()
    }

    fn describe(&self) -> String {
        self.description.clone()
    }
}
