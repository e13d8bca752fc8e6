//! Runs one sink: takes records in from the bus, and moves what the sink seals.
//!
//! A runner is one task. It never waits for I/O while it takes records in, and at most one send is under way. It does
//! not wake for each event: [`Gather`](crate::gather::Gather) tells it when to take in all of them at once.

mod account;
mod command;
mod fence;
mod finish;
mod intake;
mod outbox;
mod status;

use std::future::pending;
use std::task::Poll;
use std::time::SystemTime;

use picoclaw_telemetry::Checkpoint;
use picoclaw_telemetry::sink::{Cadence, EndpointRequest, EndpointResponse, Sink};
use picoclaw_telemetry::stats::DropReason;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

pub(crate) use account::{Account, Gauges};
pub(crate) use command::{Address, Command, SinkEndpoint, unavailable};
pub(crate) use fence::Fence;
pub(crate) use finish::Finished;
pub(crate) use intake::Intake;
pub(crate) use outbox::Outbox;
pub(crate) use status::Status;

use outbox::Done;

/// How many records are taken in before others have a turn.
const CHUNK: usize = 256;

/// One sink at work.
pub(crate) struct Runner<'a> {
    sink: Box<dyn Sink>,
    intake: &'a mut Intake,
    outbox: Outbox,
    account: &'a mut Account,
    status: &'a Status,
    cadence: Cadence,
    /// When the cadence is due.
    due: Option<Instant>,
}

impl<'a> Runner<'a> {
    /// A sink that begins where `intake` stands, with the numbers of `start`, after `crashed` records were lost.
    pub(crate) fn new(
        mut sink: Box<dyn Sink>,
        intake: &'a mut Intake,
        outbox: Outbox,
        account: &'a mut Account,
        status: &'a Status,
        start: &Checkpoint,
        crashed: u64,
    ) -> Self {
        sink.start(start);
        if crashed > 0 {
            sink.crashed(crashed);
        }
        let cadence = sink.cadence();
        let due = match cadence {
            Cadence::Every(interval) => Some(Instant::now() + interval),
            Cadence::EachDrain | Cadence::Never => None,
        };
        Self { sink, intake, outbox, account, status, cadence, due }
    }

    /// Works until told to stop.
    pub(crate) async fn run(mut self, commands: &mut mpsc::Receiver<Command>) -> Finished {
        if self.outbox.has_transport() {
            self.outbox.probe();
        } else {
            // Nothing between this sink and whoever asks it can fail.
            self.status.recover(self.account.stats());
        }
        loop {
            let wake = self.next_wake();
            tokio::select! {
                biased;
                command = commands.recv() => match command {
                    Some(Command::Ask { request, upto, reply }) => self.answer(&request, upto, reply).await,
                    Some(Command::Reopen { reply }) => self.outbox.reopen(reply),
                    Some(Command::Drain { deadline, reply }) => {
                        return self.finish(deadline, Some(reply)).await;
                    }
                    // The supervisor is gone without a word.
                    None => return self.finish(Instant::now(), None).await,
                },
                done = self.outbox.finished() => self.settle(done),
                () = until(wake) => self.on_time().await,
                () = self.intake.gathered() => self.take_all().await,
            }
        }
    }

    fn next_wake(&self) -> Option<Instant> {
        [self.due, self.outbox.due()].into_iter().flatten().min()
    }

    async fn on_time(&mut self) {
        let now = Instant::now();
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if is_due(self.due) {
            self.take_all().await;
            self.sink.tick(SystemTime::now());
            self.seal(false);
            if let (Cadence::Every(interval), Some(due)) = (self.cadence, self.due) {
                let next = due + interval;
                // Ticks that were missed, on a machine that slept, are not made up for.
                self.due = Some(if next > now { next } else { now + interval });
            }
        }
        if is_due(self.outbox.due()) {
            self.outbox.on_time(self.account.stats(), self.status);
        }
    }

    /// Answers a question after everything that happened before it.
    async fn answer(
        &mut self,
        request: &EndpointRequest,
        upto: u64,
        reply: oneshot::Sender<EndpointResponse>,
    ) {
        self.take_up_to(upto).await;
        if reply.is_closed() {
            return;
        }
        self.sink.tick(SystemTime::now());
        let response = self.sink.serve(request);
        if !self.outbox.has_transport() {
            self.account.stats().mark_up();
        }
        // The client may have gone, which is its own affair.
        let _ = reply.send(response);
    }

    /// Takes in everything that has happened by now.
    async fn take_all(&mut self) {
        let upto = self.intake.bus().seq();
        self.take_up_to(upto).await;
    }

    async fn take_up_to(&mut self, upto: u64) {
        let mut left = CHUNK;
        while !self.intake.has_reached(upto) {
            let taken = self.intake.take(left, self.sink.as_mut(), self.account);
            if taken == 0 {
                // What the bus has counted can be read: there is no more.
                break;
            }
            left -= taken;
            if left == 0 {
                left = CHUNK;
                self.taken();
                tokio::task::yield_now().await;
                self.poll_outbox().await;
            }
        }
        self.taken();
    }

    /// After records were taken in.
    fn taken(&mut self) {
        let evicted = self.sink.evicted();
        self.account.dropped(DropReason::BufferFull, evicted);
        self.account.set_left(self.intake.left());
        self.account.stats().reached(self.intake.position());
        if self.cadence == Cadence::EachDrain {
            self.seal(false);
        }
        self.note_buffered();
    }

    /// Sends what is ready, unless something is on its way already.
    fn seal(&mut self, last: bool) -> bool {
        let batch = if self.outbox.is_idle() { self.sink.seal(last) } else { None };
        let sealed = batch.is_some();
        if let Some(batch) = batch {
            self.outbox.send(batch);
        }
        self.note_buffered();
        sealed
    }

    fn note_buffered(&mut self) {
        self.account.say();
        self.account.set_buffered(self.sink.buffered() + self.outbox.events());
    }

    /// Lets a send that ended during a long intake be followed by the next.
    async fn poll_outbox(&mut self) {
        let done = {
            let mut finished = std::pin::pin!(self.outbox.finished());
            std::future::poll_fn(|cx| match finished.as_mut().poll(cx) {
                Poll::Ready(done) => Poll::Ready(Some(done)),
                Poll::Pending => Poll::Ready(None),
            })
            .await
        };
        if let Some(done) = done {
            self.settle(done);
        }
    }

    /// Learns how a send ended; the next one can follow.
    fn settle(&mut self, done: Done) {
        let verdict = self.outbox.settle(done, self.sink.as_mut(), self.account, self.status);
        if verdict == outbox::Went::Out && self.cadence == Cadence::EachDrain {
            self.seal(false);
        }
        self.note_buffered();
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => pending().await,
    }
}
