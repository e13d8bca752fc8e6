//! What an event says: its name, how much it matters, who speaks, and the sentence.

use std::borrow::Cow;

use super::{AttemptOutcome, Event, Kind};
use crate::words::{
    Component, HealthStatus, HeartbeatOutcome, HookOutcome, ImageOutcome, JobStatus, Level, Outcome, Route,
    ToolStatus, TurnStatus,
};

impl Event {
    /// Its dotted name.
    pub fn kind(&self) -> Kind {
        match self {
            Self::GatewayStart { .. } => Kind::GatewayStart,
            Self::GatewayReady { .. } => Kind::GatewayReady,
            Self::GatewayShutdown { .. } => Kind::GatewayShutdown,
            Self::HealthChanged { .. } => Kind::HealthChanged,
            Self::ReloadStarted => Kind::ReloadStarted,
            Self::ReloadCompleted { .. } => Kind::ReloadCompleted,
            Self::ReloadFailed { .. } => Kind::ReloadFailed,
            Self::HttpRejected { .. } => Kind::HttpRejected,
            Self::ChannelStarted { .. } => Kind::ChannelStarted,
            Self::ChannelStopped { .. } => Kind::ChannelStopped,
            Self::ChannelFailed { .. } => Kind::ChannelFailed,
            Self::ChannelRemoved { .. } => Kind::ChannelRemoved,
            Self::MessageReceived { .. } => Kind::MessageReceived,
            Self::MessageRejected { .. } => Kind::MessageRejected,
            Self::ReplySent { .. } => Kind::ReplySent,
            Self::ReplyFailed { .. } => Kind::ReplyFailed,
            Self::OutboundQueued { .. } => Kind::OutboundQueued,
            Self::OutboundSent { .. } => Kind::OutboundSent,
            Self::OutboundRetry { .. } => Kind::OutboundRetry,
            Self::OutboundFailed { .. } => Kind::OutboundFailed,
            Self::ClientConnected { .. } => Kind::ClientConnected,
            Self::ClientDisconnected { .. } => Kind::ClientDisconnected,
            Self::TurnQueued { .. } => Kind::TurnQueued,
            Self::TurnDequeued { .. } => Kind::TurnDequeued,
            Self::TurnStart { .. } => Kind::TurnStart,
            Self::TurnEnd(_) => Kind::TurnEnd,
            Self::MessageJoined { .. } => Kind::MessageJoined,
            Self::ImagesShown { .. } => Kind::ImagesShown,
            Self::MediaRemoved { .. } => Kind::MediaRemoved,
            Self::TurnRouted { .. } => Kind::TurnRouted,
            Self::CommandRun { .. } => Kind::CommandRun,
            Self::ContextCompacted { .. } => Kind::ContextCompacted,
            Self::LlmRequest { .. } => Kind::LlmRequest,
            Self::LlmResponse(_) => Kind::LlmResponse,
            Self::LlmRetry { .. } => Kind::LlmRetry,
            Self::LlmSkipped { .. } => Kind::LlmSkipped,
            Self::LlmThrottled { .. } => Kind::LlmThrottled,
            Self::CooldownStarted { .. } => Kind::CooldownStarted,
            Self::CooldownEnded { .. } => Kind::CooldownEnded,
            Self::ToolStart { .. } => Kind::ToolStart,
            Self::ToolEnd { .. } => Kind::ToolEnd,
            Self::ToolSkipped { .. } => Kind::ToolSkipped,
            Self::McpServerStarting { .. } => Kind::McpServerStarting,
            Self::McpServerConnected { .. } => Kind::McpServerConnected,
            Self::McpToolsChanged { .. } => Kind::McpToolsChanged,
            Self::McpServerFailed { .. } => Kind::McpServerFailed,
            Self::McpServerStopped { .. } => Kind::McpServerStopped,
            Self::SessionActivated { .. } => Kind::SessionActivated,
            Self::SessionExpired { .. } => Kind::SessionExpired,
            Self::SessionWrite { .. } => Kind::SessionWrite,
            Self::SessionReadFailed { .. } => Kind::SessionReadFailed,
            Self::CronRunStart { .. } => Kind::CronRunStart,
            Self::CronRunEnd { .. } => Kind::CronRunEnd,
            Self::CronRunMissed { .. } => Kind::CronRunMissed,
            Self::CronJobsChanged { .. } => Kind::CronJobsChanged,
            Self::CronStoreFailed { .. } => Kind::CronStoreFailed,
            Self::HeartbeatEnd { .. } => Kind::HeartbeatEnd,
            Self::HookStarted { .. } => Kind::HookStarted,
            Self::HookStopped { .. } => Kind::HookStopped,
            Self::HookFailed { .. } => Kind::HookFailed,
            Self::HookCall { .. } => Kind::HookCall,
            Self::HookEventsDropped { .. } => Kind::HookEventsDropped,
            Self::Declared(_) => Kind::Declared,
            Self::Log(_) => Kind::Log,
        }
    }

    /// How much it matters. Ends of things are `info`, their beginnings `debug`; what went wrong is `warn` when
    /// the gateway recovered or somebody else is to blame, and `error` when something was lost here.
    pub fn level(&self) -> Level {
        match self {
            Self::Log(line) => line.level,
            Self::SessionWrite { outcome: Outcome::Failure, .. }
            | Self::SessionReadFailed { .. }
            | Self::ReloadFailed { .. }
            | Self::CronStoreFailed { .. }
            | Self::HookFailed { .. }
            | Self::ChannelFailed { .. } => Level::Error,
            Self::HealthChanged { to: HealthStatus::Failing, .. } => Level::Error,
            Self::HealthChanged { to: HealthStatus::Degraded, .. } => Level::Warn,
            Self::TurnEnd(end) => match end.status {
                TurnStatus::Completed | TurnStatus::Cancelled => Level::Info,
                TurnStatus::Failed | TurnStatus::Timeout | TurnStatus::ToolLimit => Level::Warn,
            },
            Self::LlmResponse(response) => match response.outcome {
                AttemptOutcome::Failed(_) => Level::Warn,
                AttemptOutcome::Success | AttemptOutcome::Cancelled => Level::Info,
            },
            Self::ToolEnd { status: ToolStatus::Success | ToolStatus::Cancelled, .. } => Level::Info,
            // That it is down is said once; how often it was tried since is in the numbers.
            Self::McpServerFailed { failures: 1, .. } => Level::Warn,
            Self::CronRunEnd { status: JobStatus::Ok | JobStatus::Cancelled, .. } => Level::Info,
            Self::HeartbeatEnd { outcome: HeartbeatOutcome::Silent, .. }
            | Self::HookCall { outcome: HookOutcome::Ok, .. } => Level::Debug,
            Self::HeartbeatEnd { outcome: HeartbeatOutcome::Delivered, .. } => Level::Info,
            Self::MessageJoined { .. }
            | Self::CommandRun { .. }
            | Self::MediaRemoved { outcome: Outcome::Success, .. }
            | Self::ContextCompacted { outcome: Outcome::Success, .. } => Level::Info,
            Self::ContextCompacted { outcome: Outcome::Failure, .. }
            | Self::MediaRemoved { outcome: Outcome::Failure, .. }
            | Self::ToolEnd { .. }
            | Self::CronRunEnd { .. }
            | Self::CronRunMissed { .. }
            | Self::HeartbeatEnd { .. }
            | Self::HookCall { .. }
            | Self::HookEventsDropped { .. }
            | Self::ToolSkipped { .. }
            | Self::LlmRetry { .. }
            | Self::CooldownStarted { .. }
            | Self::ReplyFailed { .. }
            | Self::OutboundRetry { .. }
            | Self::OutboundFailed { .. }
            | Self::MessageRejected { .. } => Level::Warn,
            Self::HttpRejected { .. }
            | Self::OutboundQueued { .. }
            | Self::ReloadStarted
            | Self::TurnQueued { .. }
            | Self::TurnDequeued { .. }
            | Self::TurnStart { .. }
            | Self::TurnRouted { .. }
            | Self::ImagesShown { .. }
            | Self::LlmRequest { .. }
            | Self::LlmSkipped { .. }
            | Self::LlmThrottled { .. }
            | Self::ToolStart { .. }
            | Self::McpServerStarting { .. }
            | Self::McpServerFailed { .. }
            | Self::SessionActivated { .. }
            | Self::SessionExpired { .. }
            | Self::SessionWrite { .. }
            | Self::CronRunStart { .. }
            | Self::Declared(_) => Level::Debug,
            Self::GatewayStart { .. }
            | Self::GatewayReady { .. }
            | Self::GatewayShutdown { .. }
            | Self::HealthChanged { .. }
            | Self::ReloadCompleted { .. }
            | Self::CronJobsChanged { .. }
            | Self::HookStarted { .. }
            | Self::HookStopped { .. }
            | Self::ChannelStarted { .. }
            | Self::ChannelStopped { .. }
            | Self::ChannelRemoved { .. }
            | Self::MessageReceived { .. }
            | Self::CooldownEnded { .. }
            | Self::McpServerConnected { .. }
            | Self::McpToolsChanged { .. }
            | Self::McpServerStopped { .. }
            | Self::ReplySent { .. }
            | Self::OutboundSent { .. }
            | Self::ClientConnected { .. }
            | Self::ClientDisconnected { .. } => Level::Info,
        }
    }

    /// Which part of the gateway speaks.
    pub fn component(&self) -> Component {
        match self {
            Self::Log(line) => line.component,
            Self::GatewayStart { .. }
            | Self::GatewayReady { .. }
            | Self::GatewayShutdown { .. }
            | Self::HealthChanged { .. }
            | Self::HttpRejected { .. } => Component::Main,
            Self::ReloadStarted | Self::ReloadCompleted { .. } | Self::ReloadFailed { .. } => {
                Component::Config
            }
            Self::ChannelStarted { .. }
            | Self::ChannelStopped { .. }
            | Self::ChannelFailed { .. }
            | Self::ChannelRemoved { .. }
            | Self::MessageRejected { .. }
            | Self::ReplySent { .. }
            | Self::ReplyFailed { .. }
            | Self::OutboundQueued { .. }
            | Self::OutboundSent { .. }
            | Self::OutboundRetry { .. }
            | Self::OutboundFailed { .. }
            | Self::ClientConnected { .. }
            | Self::ClientDisconnected { .. } => Component::Channel,
            Self::MessageReceived { .. }
            | Self::TurnQueued { .. }
            | Self::TurnDequeued { .. }
            | Self::TurnStart { .. }
            | Self::MessageJoined { .. }
            | Self::CommandRun { .. }
            | Self::TurnRouted { .. }
            | Self::ImagesShown { .. }
            | Self::MediaRemoved { .. }
            | Self::ContextCompacted { .. }
            | Self::TurnEnd(_) => Component::Agent,
            Self::LlmRequest { .. }
            | Self::LlmResponse(_)
            | Self::LlmRetry { .. }
            | Self::LlmSkipped { .. }
            | Self::LlmThrottled { .. }
            | Self::CooldownStarted { .. }
            | Self::CooldownEnded { .. } => Component::Provider,
            Self::ToolStart { .. }
            | Self::ToolEnd { .. }
            | Self::ToolSkipped { .. }
            | Self::McpServerStarting { .. }
            | Self::McpServerConnected { .. }
            | Self::McpToolsChanged { .. }
            | Self::McpServerFailed { .. }
            | Self::McpServerStopped { .. } => Component::Tool,
            Self::SessionActivated { .. }
            | Self::SessionExpired { .. }
            | Self::SessionWrite { .. }
            | Self::SessionReadFailed { .. } => Component::Session,
            Self::CronRunStart { .. }
            | Self::CronRunEnd { .. }
            | Self::CronRunMissed { .. }
            | Self::CronJobsChanged { .. }
            | Self::CronStoreFailed { .. }
            | Self::HeartbeatEnd { .. } => Component::Cron,
            Self::HookStarted { .. }
            | Self::HookStopped { .. }
            | Self::HookFailed { .. }
            | Self::HookCall { .. }
            | Self::HookEventsDropped { .. } => Component::Agent,
            Self::Declared(_) => Component::Bus,
        }
    }

    /// What happened, in words.
    pub fn message(&self) -> Cow<'_, str> {
        match self {
            Self::Log(line) => Cow::Borrowed(line.message.as_str()),
            Self::HealthChanged { to, .. } => format!("Health is {to}").into(),
            _ => Cow::Borrowed(self.sentence().unwrap_or_default()),
        }
    }

    /// The same, where it is a sentence of the code: no secret is in it.
    pub fn sentence(&self) -> Option<&'static str> {
        Some(match self {
            Self::Log(_) | Self::HealthChanged { .. } => return None,
            Self::TurnEnd(end) => match end.status {
                TurnStatus::Completed => "Turn completed",
                TurnStatus::Failed => "Turn failed",
                TurnStatus::Timeout => "Turn timed out",
                TurnStatus::ToolLimit => "Turn stopped at the limit of tool iterations",
                TurnStatus::Cancelled => "Turn cancelled",
            },
            Self::MessageJoined { .. } => "Message joined the turn",
            Self::CommandRun { .. } => "Command carried out",
            Self::ImagesShown { outcome: ImageOutcome::Sent, .. } => "Images sent to the model",
            Self::ImagesShown { .. } => "Images left out of a request to the model",
            Self::MediaRemoved { outcome: Outcome::Success, .. } => "Old media files removed",
            Self::MediaRemoved { outcome: Outcome::Failure, .. } => "Old media files could not be removed",
            Self::TurnRouted { route: Route::Light, .. } => "The light model answers",
            Self::TurnRouted { route: Route::Image, .. } => "The model for images answers",
            Self::TurnRouted { route: Route::Main, .. } => "The usual model answers",
            Self::ContextCompacted { outcome: Outcome::Success, .. } => "Conversation shortened",
            Self::ContextCompacted { outcome: Outcome::Failure, .. } => "Conversation could not be shortened",
            Self::LlmResponse(response) => match response.outcome {
                AttemptOutcome::Success => "Provider answered",
                AttemptOutcome::Failed(_) => "Provider request failed",
                AttemptOutcome::Cancelled => "Provider request cancelled",
            },
            Self::ToolEnd { status: ToolStatus::Success, .. } => "Tool finished",
            Self::ToolEnd { .. } => "Tool did not succeed",
            Self::SessionWrite { outcome: Outcome::Success, .. } => "Session written",
            Self::SessionWrite { .. } => "Session could not be written",
            Self::SessionReadFailed { .. } => "Session could not be read",
            Self::CronRunEnd { status, .. } => match status {
                JobStatus::Ok => "Job done",
                JobStatus::Error => "Job failed",
                JobStatus::Timeout => "Job timed out",
                JobStatus::Cancelled => "Job cancelled",
            },
            Self::HeartbeatEnd { outcome, .. } => match outcome {
                HeartbeatOutcome::Silent => "Heartbeat: nothing to say",
                HeartbeatOutcome::Delivered => "Heartbeat delivered",
                HeartbeatOutcome::Undelivered => "Heartbeat could not be delivered",
                HeartbeatOutcome::Failed => "Heartbeat failed",
            },
            Self::HookStarted { .. } => "Hook started",
            Self::HookStopped { .. } => "Hook stopped",
            Self::HookFailed { .. } => "Hook ended or does not start; it will be started again",
            Self::HookCall { outcome: HookOutcome::Ok, .. } => "Hook answered",
            Self::HookCall { .. } => "Hook gave no answer",
            Self::HookEventsDropped { .. } => "Hook did not hear of events",
            Self::CronRunStart { .. } => "Job started",
            Self::CronRunMissed { .. } => "Job did not run in time",
            Self::CronJobsChanged { .. } => "Jobs read",
            Self::CronStoreFailed { .. } => "Jobs could not be read or written",
            Self::GatewayStart { .. } => "Gateway starting",
            Self::GatewayReady { .. } => "Gateway ready",
            Self::GatewayShutdown { .. } => "Gateway stopping",
            Self::ReloadStarted => "Reloading configuration",
            Self::ReloadCompleted { .. } => "Configuration reloaded",
            Self::ReloadFailed { .. } => "Configuration refused, nothing changed",
            Self::HttpRejected { .. } => "HTTP request turned away",
            Self::ChannelStarted { .. } => "Channel started",
            Self::ChannelStopped { .. } => "Channel stopped",
            Self::ChannelFailed { .. } => "Channel failed",
            Self::ChannelRemoved { .. } => "Channel removed",
            Self::MessageReceived { .. } => "Processing message",
            Self::MessageRejected { .. } => "Message refused",
            Self::ReplySent { .. } => "Reply sent",
            Self::ReplyFailed { .. } => "Reply could not be sent",
            Self::OutboundQueued { .. } => "Message waits to be sent",
            Self::OutboundSent { .. } => "Message sent",
            Self::OutboundRetry { .. } => "Message will be sent again",
            Self::OutboundFailed { .. } => "Message could not be sent",
            Self::ClientConnected { .. } => "Client connected",
            Self::ClientDisconnected { .. } => "Client disconnected",
            Self::TurnQueued { .. } => "Message waits",
            Self::TurnDequeued { .. } => "Message waits no longer",
            Self::TurnStart { .. } => "Turn started",
            Self::LlmRequest { .. } => "Asking provider",
            Self::LlmRetry { .. } => "Provider request will be repeated",
            Self::LlmSkipped { .. } => "Provider passed over",
            Self::LlmThrottled { .. } => "Provider request waits for its rate limit",
            Self::CooldownStarted { .. } => "Provider cools down",
            Self::CooldownEnded { .. } => "Provider may be asked again",
            Self::ToolStart { .. } => "Tool started",
            Self::ToolSkipped { .. } => "Model called a tool that does not exist",
            Self::McpServerStarting { .. } => "Starting MCP server",
            Self::McpServerConnected { .. } => "MCP server connected",
            Self::McpToolsChanged { .. } => "MCP server changed its tools",
            Self::McpServerFailed { .. } => "MCP server failed",
            Self::McpServerStopped { .. } => "MCP server stopped",
            Self::SessionActivated { .. } => "Session active",
            Self::SessionExpired { .. } => "Session no longer active",
            Self::Declared(_) => "Series declared",
        })
    }
}
