//! Start/finish pairs. Each guard emits the start when it is made and the finish when it is finished or dropped:
//! a panic or a cancelled task cannot leave a gauge too high.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::bus::Bus;
use crate::event::{AttemptOutcome, Cost, Event, LlmResponse, Tokens, TurnEnd};
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
    pub fn start(bus: &Bus, origin: Origin, agent: Label, channel: Label, session: Detail) -> Self {
        let turn = TURNS.fetch_add(1, Ordering::Relaxed) + 1;
        bus.emit(Event::TurnStart { turn, origin, agent, channel, session: session.clone() });
        let end = TurnEnd {
            turn,
            origin,
            agent,
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
            end.tokens.cached += tokens.cached;
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
    /// What the answer costs, as far as a price is configured and the tokens are known.
    pub cost: Option<Cost>,
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
                cost: facts.cost,
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

/// A message on its way to a chat. Dropped without a result it counts as failed.
#[derive(Debug)]
pub struct Delivery {
    bus: Bus,
    channel: Label,
    chat: Detail,
    started: Instant,
    tries: u32,
    is_over: bool,
}

impl Delivery {
    /// The message waits to be sent.
    pub fn start(bus: &Bus, channel: Label, chat: Detail) -> Self {
        bus.emit(Event::OutboundQueued { channel, chat: chat.clone() });
        Self { bus: bus.clone(), channel, chat, started: Instant::now(), tries: 0, is_over: false }
    }

    /// Notes an attempt: the n-th at this piece of the message.
    pub fn attempt(&mut self, n: u32) {
        self.tries = self.tries.max(n);
    }

    /// The most attempts that a piece of the message took.
    pub fn tries(&self) -> u32 {
        self.tries
    }

    /// The attempt failed, and after `delay` there will be another.
    pub fn retry(&self, delay: Duration, error: Detail) {
        let (channel, chat, tries) = (self.channel, self.chat.clone(), self.tries);
        self.bus.emit(Event::OutboundRetry { channel, chat, tries, delay, error });
    }

    /// The network took the message.
    pub fn sent(mut self) {
        self.is_over = true;
        let (channel, chat, tries) = (self.channel, self.chat.clone(), self.tries);
        self.bus.emit(Event::OutboundSent { channel, chat, tries, duration: self.started.elapsed() });
    }

    /// The message is given up.
    pub fn failed(mut self, error: Detail) {
        self.fail(error);
    }

    fn fail(&mut self, error: Detail) {
        self.is_over = true;
        let (channel, chat, tries) = (self.channel, self.chat.clone(), self.tries);
        self.bus.emit(Event::OutboundFailed { channel, chat, tries, error });
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if !self.is_over {
            self.fail(Detail::new("the channel stopped before the message was sent"));
        }
    }
}

/// A client that is connected to a channel, until it is dropped.
#[derive(Debug)]
pub struct Client {
    bus: Bus,
    channel: Label,
    since: Instant,
}

impl Client {
    /// The client connected.
    pub fn connected(bus: &Bus, channel: Label) -> Self {
        bus.emit(Event::ClientConnected { channel });
        Self { bus: bus.clone(), channel, since: Instant::now() }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let duration = self.since.elapsed();
        self.bus.emit(Event::ClientDisconnected { channel: self.channel, duration });
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
