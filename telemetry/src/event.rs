//! What can happen: one variant per happening.
//!
//! Each event has a dotted [`Kind`], a [`Level`], a [`Component`], a message for people, and typed attributes.
//! `docs/events.md` is generated from [`Kind`] and [`Event::attributes`]. Where the existing PicoClaw has a kind
//! for a happening, its name is kept.

mod attributes;
mod kind;
mod words;

use std::sync::Arc;
use std::time::Duration;

pub use kind::Kind;

use crate::label::{Detail, Label};
use crate::words::{
    Command, Compaction, Component, CooldownEnd, FailureReason, HealthStatus, HeartbeatOutcome, HookOutcome,
    HookStage, HttpRejection, ImageOutcome, JobStatus, Level, Missed, Origin, Outcome, Rejection, Route,
    SkipReason, ToolStatus, TurnStatus,
};

/// A name that becomes known, so that its series exist at 0 before anything happens: a rate over a series that
/// first appears at 1 shows no increase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Declaration {
    /// A provider.
    Provider(Label),
    /// A configured model of a provider.
    Model(Label, Label),
    /// A configured model of a provider that has a price.
    Priced(Label, Label),
    /// A channel.
    Channel(Label),
    /// A tool.
    Tool(Label),
    /// An MCP server.
    McpServer(Label),
    /// A hook.
    Hook(Label),
    /// An agent.
    Agent(Label),
}

/// How a request to a provider ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptOutcome {
    /// With an answer.
    Success,
    /// Without one.
    Failed(FailureReason),
    /// The turn was cancelled, which is not the provider's fault.
    Cancelled,
}

impl AttemptOutcome {
    /// The word for logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failed(_) => "failure",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Tokens of a completion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// Sent to the model.
    pub input: u64,
    /// Written by the model.
    pub output: u64,
    /// Those of `input` that came from the provider's cache.
    pub cached: u64,
}

/// Money, in whole pico-dollars, so that sums are exact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cost(pub u64);

/// In place of a turn's number, for a tool that is used without a turn.
pub const NO_TURN: u64 = 0;

/// A happening.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // The fields carry the names of the attributes that docs/events.md explains.
pub enum Event {
    GatewayStart {
        version: &'static str,
        pid: u32,
    },
    GatewayReady {
        address: Detail,
        elapsed: Duration,
    },
    GatewayShutdown {
        cause: Detail,
    },
    HealthChanged {
        from: HealthStatus,
        to: HealthStatus,
        issues: Detail,
    },
    ReloadStarted,
    ReloadCompleted {
        duration: Duration,
        changes: Detail,
    },
    ReloadFailed {
        duration: Duration,
        error: Detail,
    },
    HttpRejected {
        reason: HttpRejection,
    },
    ChannelStarted {
        channel: Label,
    },
    ChannelStopped {
        channel: Label,
    },
    ChannelFailed {
        channel: Label,
        error: Detail,
    },
    ChannelRemoved {
        channel: Label,
    },
    MessageReceived {
        channel: Label,
        session: Detail,
    },
    MessageRejected {
        channel: Label,
        reason: Rejection,
        /// What is wrong in particular, as the sender was told; never a text of a conversation.
        error: Option<Detail>,
    },
    ReplySent {
        channel: Label,
        session: Detail,
        duration: Duration,
    },
    ReplyFailed {
        channel: Label,
        session: Detail,
        error: Detail,
    },
    OutboundQueued {
        channel: Label,
        chat: Detail,
    },
    OutboundSent {
        channel: Label,
        chat: Detail,
        tries: u32,
        duration: Duration,
    },
    OutboundRetry {
        channel: Label,
        chat: Detail,
        tries: u32,
        delay: Duration,
        error: Detail,
    },
    OutboundFailed {
        channel: Label,
        chat: Detail,
        tries: u32,
        error: Detail,
    },
    ClientConnected {
        channel: Label,
    },
    ClientDisconnected {
        channel: Label,
        duration: Duration,
    },
    TurnQueued {
        channel: Label,
        session: Detail,
    },
    TurnDequeued {
        channel: Label,
        session: Detail,
        waited: Duration,
    },
    TurnStart {
        turn: u64,
        origin: Origin,
        agent: Label,
        channel: Label,
        session: Detail,
    },
    TurnEnd(Arc<TurnEnd>),
    MessageJoined {
        turn: u64,
        session: Detail,
    },
    ImagesShown {
        turn: u64,
        outcome: ImageOutcome,
        images: u64,
        session: Detail,
    },
    MediaRemoved {
        outcome: Outcome,
        files: u64,
    },
    TurnRouted {
        route: Route,
        session: Detail,
    },
    CommandRun {
        command: Command,
        channel: Label,
        session: Detail,
        duration: Duration,
    },
    ContextCompacted {
        trigger: Compaction,
        outcome: Outcome,
        duration: Duration,
        messages: u64,
        error: Option<Detail>,
        session: Detail,
    },
    LlmRequest {
        turn: u64,
        provider: Label,
        model: Label,
        attempt: u32,
        session: Detail,
    },
    LlmResponse(Arc<LlmResponse>),
    LlmRetry {
        turn: u64,
        provider: Label,
        model: Label,
        attempt: u32,
        reason: FailureReason,
        delay: Duration,
        session: Detail,
    },
    LlmSkipped {
        turn: u64,
        provider: Label,
        model: Label,
        reason: SkipReason,
        remaining: Duration,
        session: Detail,
    },
    LlmThrottled {
        turn: u64,
        provider: Label,
        model: Label,
        delay: Duration,
        session: Detail,
    },
    CooldownStarted {
        provider: Label,
        model: Label,
        reason: FailureReason,
        delay: Duration,
        error: Detail,
    },
    CooldownEnded {
        provider: Label,
        model: Label,
        cause: CooldownEnd,
    },
    ToolStart {
        turn: u64,
        tool: Label,
        session: Detail,
    },
    ToolEnd {
        turn: u64,
        tool: Label,
        status: ToolStatus,
        duration: Duration,
        error: Option<Detail>,
        session: Detail,
    },
    ToolSkipped {
        turn: u64,
        name: Detail,
        session: Detail,
    },
    McpServerStarting {
        server: Label,
        attempt: u32,
    },
    McpServerConnected {
        server: Label,
        tools: u64,
        elapsed: Duration,
    },
    McpToolsChanged {
        server: Label,
        tools: u64,
    },
    McpServerFailed {
        server: Label,
        failures: u32,
        error: Detail,
    },
    McpServerStopped {
        server: Label,
    },
    SessionActivated {
        session: Detail,
    },
    SessionExpired {
        session: Detail,
    },
    SessionWrite {
        outcome: Outcome,
        duration: Duration,
        bytes: u64,
        error: Option<Detail>,
        session: Detail,
    },
    SessionReadFailed {
        session: Detail,
        error: Detail,
    },
    CronRunStart {
        job: Detail,
        name: Detail,
    },
    CronRunEnd {
        job: Detail,
        name: Detail,
        status: JobStatus,
        duration: Duration,
        error: Option<Detail>,
    },
    CronRunMissed {
        job: Detail,
        name: Detail,
        reason: Missed,
        late: Duration,
    },
    CronJobsChanged {
        enabled: u64,
        disabled: u64,
        invalid: u64,
    },
    CronStoreFailed {
        error: Detail,
    },
    HeartbeatEnd {
        outcome: HeartbeatOutcome,
        duration: Duration,
        error: Option<Detail>,
    },
    HookStarted {
        hook: Label,
    },
    HookStopped {
        hook: Label,
    },
    HookFailed {
        hook: Label,
        error: Detail,
    },
    HookCall {
        hook: Label,
        stage: HookStage,
        outcome: HookOutcome,
        duration: Duration,
        error: Option<Detail>,
    },
    HookEventsDropped {
        hook: Label,
        count: u64,
    },
    Declared(Arc<[Declaration]>),
    Log(Arc<LogLine>),
}

/// The fields of [`Event::TurnEnd`], boxed because they are many.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct TurnEnd {
    pub turn: u64,
    pub origin: Origin,
    pub agent: Label,
    pub channel: Label,
    pub status: TurnStatus,
    pub duration: Duration,
    pub iterations: u32,
    pub tokens: Tokens,
    pub error: Option<Detail>,
    pub session: Detail,
}

/// The fields of [`Event::LlmResponse`], boxed because they are many.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct LlmResponse {
    pub turn: u64,
    pub provider: Label,
    pub model: Label,
    pub outcome: AttemptOutcome,
    pub duration: Duration,
    pub first_token: Option<Duration>,
    pub tokens: Option<Tokens>,
    pub cost: Option<Cost>,
    pub status_code: Option<u16>,
    pub error: Option<Detail>,
    pub session: Detail,
}

/// A diagnostic of the code, from `tracing`.
#[derive(Clone, Debug, PartialEq)]
pub struct LogLine {
    /// How much it matters.
    pub level: Level,
    /// Who speaks.
    pub component: Component,
    /// The sentence.
    pub message: Detail,
    /// Further facts, in order.
    pub fields: Vec<(&'static str, Detail)>,
}

/// The value of an attribute.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// Text that somebody chose: it may hold anything.
    Text(&'a str),
    /// A word of a closed set: letters, digits, `_` and `.`, so that there is nothing to escape or hide.
    Word(&'static str),
    /// A number of things.
    Count(u64),
    /// A length of time, written in milliseconds.
    Millis(Duration),
}
