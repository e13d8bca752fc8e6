//! Keeps one sink running: a panic in a sink or its transport ends the runner, not the sink.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use picoclaw_telemetry::Checkpoint;
use picoclaw_telemetry::stats::DropReason;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use super::BuildSink;
use super::gate::Gate;
use crate::backoff;
use crate::config::{RetryConfig, SinkConfig};
use crate::context::Context;
use crate::registry::Built;
use crate::runner::{Account, Command, Finished, Intake, Outbox, Runner, Status, unavailable};

/// How long a runner must live for its earlier failures to be forgotten.
const STABLE: Duration = Duration::from_secs(60);

/// Pauses between restarts.
const RESTART: RetryConfig = RetryConfig { initial_ms: 250, max_ms: 30_000, give_up_ms: u64::MAX };

/// What is needed to start a sink again.
pub(super) struct Keeper {
    pub(super) config: SinkConfig,
    pub(super) index: usize,
    pub(super) context: Context,
    pub(super) build: BuildSink,
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) gate: Gate,
    pub(super) account: Account,
    pub(super) status: Arc<Status>,
}

impl Keeper {
    /// Runs the sink until it is told to stop.
    pub(super) async fn keep(mut self, built: Option<Built>, mut intake: Intake) {
        let mut next = built;
        let mut start = intake.start().clone();
        let mut failures = 0;
        let mut crashed = 0;
        loop {
            let began = Instant::now();
            let delivered = self.account.stats().delivered();
            let error = match self.run(next.take(), &mut intake, &start, crashed, None).await {
                Ok(finished) => return answer_drain(finished),
                Err(error) => error,
            };
            let lost = self.account.abandon(DropReason::Crashed);
            self.account.stats().reached(intake.position());
            if self.account.stats().delivered() > delivered {
                // What was lost before has been told by now.
                crashed = 0;
            }
            crashed += lost;
            if intake.is_ending() {
                // A successor may be at work. Whoever waits for the end learns it from the silence.
                intake.give_up(&mut self.account);
                self.status.fail(self.account.stats(), &error, "the sink was stopping");
                return;
            }
            self.status.fail(self.account.stats(), &error, "the sink is started anew");
            failures = if began.elapsed() >= STABLE { 1 } else { failures + 1 };
            let pause = backoff::pause(&RESTART, failures, backoff::random(), None);
            let stop = self.wait(Instant::now() + pause).await;
            self.account.stats().add_restarts(1);
            // What the panic took away is in the exact numbers; what was not taken in is still in the ring.
            start = intake.numbers();
            if let Some(stop) = stop {
                return self.end(stop, intake, &start, crashed).await;
            }
        }
    }

    /// The end of a sink that was not running: what is left in the ring, and differences that were never told, go out
    /// all the same.
    async fn end(&mut self, stop: Stop, mut intake: Intake, start: &Checkpoint, crashed: u64) {
        match self.run(None, &mut intake, start, crashed, Some(stop)).await {
            Ok(finished) => answer_drain(finished),
            // Whoever waits for the end learns it from the silence.
            Err(error) => {
                self.account.abandon(DropReason::Crashed);
                intake.end();
                intake.give_up(&mut self.account);
                self.status.fail(self.account.stats(), &error, "the sink was stopping");
            }
        }
    }

    /// Runs the sink once, building it unless it is built, and only to its end if it is to stop. An error says why it
    /// ended without being told to.
    async fn run(
        &mut self,
        built: Option<Built>,
        intake: &mut Intake,
        start: &Checkpoint,
        crashed: u64,
        stop: Option<Stop>,
    ) -> Result<Finished, String> {
        let Self { config, index, context, build, commands, gate, account, status } = self;
        let once = async {
            let built = match built {
                Some(built) => built,
                None => build(config, *index, context).map_err(|error| error.to_string())?,
            };
            let transport = built.transport.map(|transport| gate.guard(transport));
            let outbox = Outbox::new(transport, config.retry);
            let runner = Runner::new(built.sink, intake, outbox, account, status, start, crashed);
            Ok(match stop {
                Some(Stop { deadline, reply }) => runner.finish(deadline, reply).await,
                None => runner.run(commands).await,
            })
        };
        let mut once = Box::pin(once);
        // What the panic left behind is thrown away, so it does not matter in which state it is.
        std::future::poll_fn(move |cx| match catch_unwind(AssertUnwindSafe(|| once.as_mut().poll(cx))) {
            Ok(poll) => poll,
            Err(panic) => Poll::Ready(Err(format!("panicked: {}", message(panic.as_ref())))),
        })
        .await
    }

    /// Waits, and answers those who ask meanwhile. Returns early when the sink is to stop.
    async fn wait(&mut self, until: Instant) -> Option<Stop> {
        loop {
            let command = tokio::select! {
                () = sleep_until(until) => return None,
                command = self.commands.recv() => command,
            };
            match command {
                Some(Command::Ask { reply, .. }) => {
                    let _ = reply.send(unavailable(self.config.name(), "is being restarted"));
                }
                Some(Command::Reopen { reply }) => drop(reply.send(())),
                Some(Command::Drain { deadline, reply }) => {
                    return Some(Stop { deadline, reply: Some(reply) });
                }
                // The supervisor is gone without a word.
                None => return Some(Stop { deadline: Instant::now(), reply: None }),
            }
        }
    }
}

/// How a sink is to stop.
struct Stop {
    deadline: Instant,
    /// Who wants to know how many records were lost.
    reply: Option<oneshot::Sender<u64>>,
}

fn answer_drain(finished: Finished) {
    if let Some(reply) = finished.reply {
        let _ = reply.send(finished.unsent);
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a message")
}
