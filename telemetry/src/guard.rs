//! Start/finish pairs. Each guard emits the start when it is made and the finish when it is finished or dropped:
//! a panic or a cancelled task cannot leave a gauge too high.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::bus::Bus;
use crate::event::{AttemptOutcome, Event, LlmResponse, Tokens, TurnEnd};
use crate::label::{Detail, Label};
use crate::words::{JobStatus, Origin, ToolStatus, TurnStatus};

/// Turns are numbered for the logs, within the life of the process.
static TURNS: AtomicU64 = AtomicU64::new(0);

/// A message that waits for its session or a worker.
#[derive(Debug)]
pub struct Waiting {
    bus: Bus,
    channel: Label,
    session: Detail,
    since: Instant,
}

impl Waiting {
    /// Begins to wait.
    pub fn start(bus: &Bus, channel: Label, session: Detail) -> Self {
        bus.emit(Event::TurnQueued { channel, session: session.clone() });
        Self { bus: bus.clone(), channel, session, since: Instant::now() }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.bus.emit(Event::TurnDequeued {
            channel: self.channel,
            session: self.session.clone(),
            waited: self.since.elapsed(),
        });
    }
}

/// A turn in flight. Dropped without [`Turn::finish`] it counts as cancelled.
#[derive(Debug)]
pub struct Turn {
    bus: Bus,
    started: Instant,
    end: Option<TurnEnd>,
}

impl Turn {
    /// Begins a turn.
    pub fn start(bus: &Bus, origin: Origin, channel: Label, session: Detail) -> Self {
        let turn = TURNS.fetch_add(1, Ordering::Relaxed) + 1;
        bus.emit(Event::TurnStart { turn, origin, channel, session: session.clone() });
        let end = TurnEnd {
            turn,
            origin,
            channel,
            status: TurnStatus::Cancelled,
            duration: Duration::ZERO,
            iterations: 0,
            tokens: Tokens::default(),
            error: None,
            session,
        };
        Self { bus: bus.clone(), started: Instant::now(), end: Some(end) }
    }

    /// Its number.
    pub fn number(&self) -> u64 {
        self.end.as_ref().map_or(0, |end| end.turn)
    }

    /// Notes one more completion.
    pub fn completion(&mut self, tokens: Tokens) {
        if let Some(end) = &mut self.end {
            end.iterations += 1;
            end.tokens.input += tokens.input;
            end.tokens.output += tokens.output;
        }
    }

    /// Ends the turn.
    pub fn finish(mut self, status: TurnStatus, error: Option<Detail>) {
        self.emit(status, error);
    }

    fn emit(&mut self, status: TurnStatus, error: Option<Detail>) {
        if let Some(mut end) = self.end.take() {
            end.status = status;
            end.error = error;
            end.duration = self.started.elapsed();
            self.bus.emit(Event::TurnEnd(Arc::new(end)));
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.emit(TurnStatus::Cancelled, None);
    }
}

/// Whom a request goes to, and for which turn.
#[derive(Clone, Debug)]
pub struct AttemptOf {
    /// The turn's number.
    pub turn: u64,
    /// The provider.
    pub provider: Label,
    /// The configured model.
    pub model: Label,
    /// 1 for the first try, 2 for the first retry, ...
    pub attempt: u32,
    /// The session.
    pub session: Detail,
}

/// A request to a provider in flight. Dropped without a result it counts as cancelled.
#[derive(Debug)]
pub struct Attempt {
    bus: Bus,
    started: Instant,
    of: Option<AttemptOf>,
}

/// How a request ended, beside its outcome.
#[derive(Clone, Debug, Default)]
pub struct AttemptFacts {
    /// Time to the first piece of a streamed answer.
    pub first_token: Option<Duration>,
    /// Tokens as the provider counted them.
    pub tokens: Option<Tokens>,
    /// The HTTP status.
    pub status_code: Option<u16>,
    /// What went wrong.
    pub error: Option<Detail>,
}

impl Attempt {
    /// The request is on its way.
    pub fn start(bus: &Bus, of: AttemptOf) -> Self {
        bus.emit(Event::LlmRequest {
            turn: of.turn,
            provider: of.provider,
            model: of.model,
            attempt: of.attempt,
            session: of.session.clone(),
        });
        Self { bus: bus.clone(), started: Instant::now(), of: Some(of) }
    }

    /// The request ended.
    pub fn finish(mut self, outcome: AttemptOutcome, facts: AttemptFacts) {
        self.emit(outcome, facts);
    }

    fn emit(&mut self, outcome: AttemptOutcome, facts: AttemptFacts) {
        if let Some(of) = self.of.take() {
            self.bus.emit(Event::LlmResponse(Arc::new(LlmResponse {
                turn: of.turn,
                provider: of.provider,
                model: of.model,
                outcome,
                duration: self.started.elapsed(),
                first_token: facts.first_token,
                tokens: facts.tokens,
                status_code: facts.status_code,
                error: facts.error,
                session: of.session,
            })));
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.emit(AttemptOutcome::Cancelled, AttemptFacts::default());
    }
}

/// A tool that runs. Dropped without a result it counts as cancelled.
#[derive(Debug)]
pub struct ToolRun {
    bus: Bus,
    started: Instant,
    of: Option<(u64, Label, Detail)>,
}

impl ToolRun {
    /// The tool begins.
    pub fn start(bus: &Bus, turn: u64, tool: Label, session: Detail) -> Self {
        bus.emit(Event::ToolStart { turn, tool, session: session.clone() });
        Self { bus: bus.clone(), started: Instant::now(), of: Some((turn, tool, session)) }
    }

    /// The tool ended.
    pub fn finish(mut self, status: ToolStatus, error: Option<Detail>) {
        self.emit(status, error);
    }

    fn emit(&mut self, status: ToolStatus, error: Option<Detail>) {
        if let Some((turn, tool, session)) = self.of.take() {
            let duration = self.started.elapsed();
            self.bus.emit(Event::ToolEnd { turn, tool, status, duration, error, session });
        }
    }
}

impl Drop for ToolRun {
    fn drop(&mut self) {
        self.emit(ToolStatus::Cancelled, None);
    }
}

/// A scheduled job that runs. Dropped without a result it counts as cancelled.
#[derive(Debug)]
pub struct JobRun {
    bus: Bus,
    started: Instant,
    of: Option<(Detail, Detail)>,
}

impl JobRun {
    /// The job with this id and name begins.
    pub fn start(bus: &Bus, job: Detail, name: Detail) -> Self {
        bus.emit(Event::CronRunStart { job: job.clone(), name: name.clone() });
        Self { bus: bus.clone(), started: Instant::now(), of: Some((job, name)) }
    }

    /// The job ended.
    pub fn finish(mut self, status: JobStatus, error: Option<Detail>) {
        self.emit(status, error);
    }

    fn emit(&mut self, status: JobStatus, error: Option<Detail>) {
        if let Some((job, name)) = self.of.take() {
            let duration = self.started.elapsed();
            self.bus.emit(Event::CronRunEnd { job, name, status, duration, error });
        }
    }
}

impl Drop for JobRun {
    fn drop(&mut self) {
        self.emit(JobStatus::Cancelled, None);
    }
}
