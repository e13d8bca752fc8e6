//! The way out: at most one send is under way, and a batch that failed waits for its next try.

use std::future::{Future, pending};
use std::pin::Pin;
use std::time::Duration;

use picoclaw_telemetry::SinkStats;
use picoclaw_telemetry::sink::{Batch, SendError, Sink, Transport};
use picoclaw_telemetry::stats::{DropReason, SendErrorKind};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use super::{Account, Status};
use crate::backoff;
use crate::config::RetryConfig;

/// How long a probe may take.
const PROBE: Duration = Duration::from_secs(30);
/// After which time a send without an end of its own means that the sink is down: a disk that takes so long hangs.
const STUCK: Duration = Duration::from_secs(10);

type Work = Pin<Box<dyn Future<Output = Done> + Send>>;

/// What was under way and has ended. The transport comes back with it.
pub(crate) struct Done {
    transport: Box<dyn Transport>,
    result: Result<(), Failure>,
    what: What,
}

enum What {
    Sent { batch: Batch, took: Duration },
    Probed,
    Reopened(Vec<oneshot::Sender<()>>),
}

enum Failure {
    TimedOut(Duration),
    Failed(SendError),
}

/// What became of something that was under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Went {
    /// It worked, or there will be no other try.
    Out,
    /// It failed and will be tried again.
    Wrong,
}

/// A transport with what it has to do.
pub(crate) struct Outbox {
    retry: RetryConfig,
    // Exactly one of the two is there, unless the sink has no transport at all.
    transport: Option<Box<dyn Transport>>,
    work: Option<Work>,
    /// The batch that waits for its next try.
    held: Option<Batch>,
    /// How many records are under way or held.
    events: u64,
    failures: u32,
    failing_since: Option<Instant>,
    next_try: Option<Instant>,
    /// When what is under way has lasted too long.
    stuck: Option<Instant>,
    reopen: Vec<oneshot::Sender<()>>,
}

impl Outbox {
    pub(crate) fn new(transport: Option<Box<dyn Transport>>, retry: RetryConfig) -> Self {
        Self {
            retry,
            transport,
            work: None,
            held: None,
            events: 0,
            failures: 0,
            failing_since: None,
            next_try: None,
            stuck: None,
            reopen: Vec::new(),
        }
    }

    pub(crate) fn has_transport(&self) -> bool {
        self.transport.is_some() || self.work.is_some()
    }

    /// Whether a batch may be sent now.
    pub(crate) fn is_idle(&self) -> bool {
        self.transport.is_some() && self.held.is_none() && self.next_try.is_none()
    }

    /// Whether something is under way.
    pub(crate) fn is_busy(&self) -> bool {
        self.work.is_some()
    }

    /// Whether a batch waits for its next try.
    pub(crate) fn is_holding(&self) -> bool {
        self.held.is_some()
    }

    /// How many records are under way or wait for their next try.
    pub(crate) fn events(&self) -> u64 {
        self.events
    }

    /// When to look after it.
    pub(crate) fn due(&self) -> Option<Instant> {
        if self.is_busy() { self.stuck } else { self.next_try }
    }

    /// Tries again, or notices that what is under way takes too long.
    pub(crate) fn on_time(&mut self, stats: &SinkStats, status: &Status) {
        if self.is_busy() {
            self.stuck = None;
            stats.add_send_error(SendErrorKind::Timeout);
            status.fail(stats, &too_long(STUCK), "it goes on, and records wait");
        } else {
            self.retry(stats);
        }
    }

    /// Completes when something that was under way has ended. Safe to cancel.
    pub(crate) async fn finished(&mut self) -> Done {
        match &mut self.work {
            Some(work) => {
                let done = work.await;
                self.work = None;
                done
            }
            None => pending().await,
        }
    }

    /// Tries whether sending can work.
    pub(crate) fn probe(&mut self) {
        self.start(What::Probed);
    }

    /// Sends a batch.
    pub(crate) fn send(&mut self, batch: Batch) {
        self.events = batch.events;
        self.start(What::Sent { batch, took: Duration::ZERO });
    }

    /// Opens files anew: now, or as soon as the send that is under way has ended.
    pub(crate) fn reopen(&mut self, reply: oneshot::Sender<()>) {
        if self.has_transport() {
            self.reopen.push(reply);
            self.start_reopen();
        } else {
            let _ = reply.send(());
        }
    }

    /// Tries again now, whatever the pause.
    pub(crate) fn retry(&mut self, stats: &SinkStats) {
        self.next_try = None;
        stats.add_retries(1);
        match self.held.take() {
            Some(batch) => self.send(batch),
            None => self.probe(),
        }
    }

    fn start_reopen(&mut self) {
        if self.transport.is_some() && !self.reopen.is_empty() {
            let replies = std::mem::take(&mut self.reopen);
            self.start(What::Reopened(replies));
        }
    }

    fn start(&mut self, what: What) {
        if let Some(transport) = self.transport.take() {
            // One that has patience ends by itself.
            let endless = matches!(what, What::Sent { .. }) && transport.patience().is_none();
            self.stuck = endless.then(|| Instant::now() + STUCK);
            self.work = Some(Box::pin(work(transport, what)));
        }
    }

    /// Learns how something that was under way has ended.
    pub(crate) fn settle(
        &mut self,
        done: Done,
        sink: &mut dyn Sink,
        account: &mut Account,
        status: &Status,
    ) -> Went {
        self.transport = Some(done.transport);
        let went = match (done.what, done.result) {
            (What::Sent { batch, took }, result) => {
                account.stats().observe_flush(took);
                match result {
                    Ok(()) => {
                        self.clear();
                        account.delivered(batch.events);
                        sink.acknowledged();
                        status.succeed(account.stats());
                        Went::Out
                    }
                    Err(failure) => self.failed(batch, &failure, sink, account, status),
                }
            }
            (What::Probed, Ok(())) => {
                self.clear();
                status.recover(account.stats());
                Went::Out
            }
            (What::Probed, Err(failure)) => {
                let (kind, message, after) = failure.parts();
                account.stats().add_send_error(kind);
                self.pause(after);
                status.fail(account.stats(), &message, "records wait, and it is tried again");
                Went::Wrong
            }
            (What::Reopened(replies), result) => {
                if let Err(failure) = result {
                    let (kind, message, _) = failure.parts();
                    account.stats().add_send_error(kind);
                    status.fail(account.stats(), &message, "records wait, and it is tried again");
                }
                for reply in replies {
                    let _ = reply.send(());
                }
                // What waited for the old file is tried at once with the new one.
                if let Some(next_try) = &mut self.next_try {
                    *next_try = Instant::now();
                } else if !account.stats().up() {
                    self.pause(None);
                }
                Went::Out
            }
        };
        self.start_reopen();
        went
    }

    fn failed(
        &mut self,
        batch: Batch,
        failure: &Failure,
        sink: &mut dyn Sink,
        account: &mut Account,
        status: &Status,
    ) -> Went {
        let (kind, message, after) = failure.parts();
        account.stats().add_send_error(kind);
        if let Failure::Failed(SendError::Partial { accepted, .. }) = failure
            && *accepted > 0
        {
            self.clear();
            let rest = split(batch, *accepted, account);
            let lost = refuse(rest, DropReason::Refused, sink, account);
            status.succeed(account.stats());
            status.lose(&message, lost);
            return Went::Out;
        }
        if matches!(kind, SendErrorKind::Partial | SendErrorKind::Permanent) {
            self.clear();
            refuse(batch, DropReason::Refused, sink, account);
            status.fail(account.stats(), &message, "the records are lost, the next ones are tried");
            return Went::Out;
        }
        let since = *self.failing_since.get_or_insert_with(Instant::now);
        let give_up = Duration::from_millis(self.retry.give_up_ms);
        let left = give_up.saturating_sub(since.elapsed());
        if left.is_zero() && sink.gives_up() {
            self.clear();
            refuse(batch, DropReason::GaveUp, sink, account);
            status.fail(account.stats(), &message, "the records are given up, the next ones are tried");
            return Went::Out;
        }
        status.fail(account.stats(), &message, "records wait, and it is tried again");
        self.held = Some(batch);
        self.pause(after);
        if sink.gives_up() {
            let latest = Instant::now() + left;
            self.next_try = self.next_try.map(|at| at.min(latest));
        }
        Went::Wrong
    }

    fn pause(&mut self, after: Option<Duration>) {
        self.failures = self.failures.saturating_add(1);
        let pause = backoff::pause(&self.retry, self.failures, backoff::random(), after);
        self.next_try = Some(Instant::now() + pause);
    }

    fn clear(&mut self) {
        self.events = 0;
        self.failures = 0;
        self.failing_since = None;
        self.next_try = None;
    }
}

impl Failure {
    fn parts(&self) -> (SendErrorKind, String, Option<Duration>) {
        match self {
            Self::TimedOut(after) => (SendErrorKind::Timeout, too_long(*after), None),
            Self::Failed(SendError::Retry { after, message }) => {
                (SendErrorKind::Retry, message.clone(), *after)
            }
            Self::Failed(SendError::Partial { message, .. }) => {
                (SendErrorKind::Partial, message.clone(), None)
            }
            Self::Failed(SendError::Permanent { message }) => {
                (SendErrorKind::Permanent, message.clone(), None)
            }
        }
    }
}

fn too_long(time: Duration) -> String {
    format!("no end of it within {} s", time.as_secs())
}

async fn work(mut transport: Box<dyn Transport>, mut what: What) -> Done {
    let began = Instant::now();
    let patience = match what {
        What::Sent { .. } => transport.patience(),
        What::Probed | What::Reopened(_) => Some(PROBE),
    };
    let action = async {
        match &mut what {
            What::Sent { batch, .. } => transport.send(batch).await,
            What::Probed => transport.probe().await,
            What::Reopened(_) => transport.reopen().await,
        }
        .map_err(Failure::Failed)
    };
    let result = match patience {
        Some(patience) => timeout(patience, action).await.unwrap_or(Err(Failure::TimedOut(patience))),
        None => action.await,
    };
    if let What::Sent { took, .. } = &mut what {
        *took = began.elapsed();
    }
    Done { transport, result, what }
}

/// Counts the frames that went out; the others remain.
fn split(mut batch: Batch, accepted: usize, account: &mut Account) -> Batch {
    let frames = batch.frames.len().max(1) as u64;
    let accepted = accepted.min(batch.frames.len());
    let out = batch.events * accepted as u64 / frames;
    account.delivered(out);
    batch.frames.drain(..accepted);
    batch.sent = 0;
    batch.events -= out;
    batch
}

/// Gives a batch back to the sink. What it neither keeps nor loses had gone out.
fn refuse(batch: Batch, reason: DropReason, sink: &mut dyn Sink, account: &mut Account) -> u64 {
    let events = batch.events;
    let before = sink.buffered();
    let lost = sink.refused(batch).min(events);
    let kept = sink.buffered().saturating_sub(before).min(events - lost);
    account.dropped(reason, lost);
    account.delivered(events - lost - kept);
    lost
}
