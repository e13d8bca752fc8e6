//! What each event does to the numbers.

use std::time::SystemTime;

use crate::event::{AttemptOutcome, Cost, Declaration, Event, LlmResponse};
use crate::labels::Verbatim;
use crate::ledger::Ledger;
use crate::metric::Metric as M;
use crate::words::{
    Command, Compaction, Direction, FailureReason, HealthStatus, HeartbeatOutcome, HookOutcome,
    HttpRejection, ImageOutcome, JobState, JobStatus, Level, Missed, Origin, Outcome, Rejection, Route,
    SkipReason, ToolStatus, TurnStatus,
};

/// Creates every series that is known at compile time, at 0.
pub(crate) fn predeclare(ledger: &mut Ledger) {
    for metric in [
        M::MessagesTotal,
        M::MessagesActive,
        M::SessionCount,
        M::ResponseTime,
        M::QueueDepth,
        M::ToolCallsUnknownTotal,
        M::SessionWriteDuration,
        M::SessionReadFailuresTotal,
        M::MessagesJoinedTotal,
        M::SubturnsActive,
        M::SessionConsecutiveFailures,
        M::ConfigReloadSuccessful,
        M::ConfigReloadTime,
        M::CronRunsActive,
        M::CronRunDuration,
        M::CronLastSuccess,
        M::CronStoreFailuresTotal,
    ] {
        ledger.declare(metric, ());
    }
    JobStatus::ALL.iter().for_each(|status| ledger.declare(M::CronRunsTotal, *status));
    Missed::ALL.iter().for_each(|reason| ledger.declare(M::CronMissedTotal, *reason));
    JobState::ALL.iter().for_each(|state| ledger.declare(M::CronJobs, *state));
    HeartbeatOutcome::ALL.iter().for_each(|outcome| ledger.declare(M::HeartbeatsTotal, *outcome));
    for origin in Origin::ALL {
        for status in TurnStatus::ALL {
            ledger.declare(M::TurnsTotal, (*origin, *status));
        }
    }
    ImageOutcome::ALL.iter().for_each(|outcome| ledger.declare(M::ImagesTotal, *outcome));
    Outcome::ALL.iter().for_each(|outcome| ledger.declare(M::MediaRemovalsTotal, *outcome));
    for route in Route::ALL {
        ledger.declare(M::TurnsRoutedTotal, *route);
    }
    for command in Command::ALL {
        ledger.declare(M::CommandsTotal, *command);
    }
    for trigger in Compaction::ALL {
        for outcome in Outcome::ALL {
            ledger.declare(M::CompactionsTotal, (*trigger, *outcome));
        }
    }
    for outcome in Outcome::ALL {
        ledger.declare(M::SessionWritesTotal, *outcome);
        ledger.declare(M::ConfigReloadsTotal, *outcome);
    }
    for reason in HttpRejection::ALL {
        ledger.declare(M::HttpRejectedTotal, *reason);
    }
    for level in Level::ALL {
        ledger.declare(M::LogLinesTotal, *level);
    }
    for status in HealthStatus::ALL {
        ledger.declare(M::HealthState, *status);
    }
    ledger.set(M::HealthState, HealthStatus::Starting, 1.0);
    let build = (Verbatim(env!("CARGO_PKG_VERSION")), Verbatim(std::env::consts::ARCH));
    ledger.set(M::BuildInfo, build, 1.0);
}

/// Folds one event.
pub(crate) fn fold(ledger: &mut Ledger, time: SystemTime, event: &Event) {
    ledger.add(M::LogLinesTotal, event.level(), 1);
    match event {
        Event::GatewayStart { .. } => {
            ledger.set(M::ConfigReloadSuccessful, (), 1.0);
            ledger.set_time(M::ConfigReloadTime, (), time);
        }
        Event::HealthChanged { from, to, .. } => {
            ledger.set(M::HealthState, *from, 0.0);
            ledger.set(M::HealthState, *to, 1.0);
        }
        Event::ReloadCompleted { .. } => {
            ledger.add(M::ConfigReloadsTotal, Outcome::Success, 1);
            ledger.set(M::ConfigReloadSuccessful, (), 1.0);
            ledger.set_time(M::ConfigReloadTime, (), time);
        }
        Event::ReloadFailed { .. } => {
            ledger.add(M::ConfigReloadsTotal, Outcome::Failure, 1);
            ledger.set(M::ConfigReloadSuccessful, (), 0.0);
        }
        Event::HttpRejected { reason } => ledger.add(M::HttpRejectedTotal, *reason, 1),
        Event::ChannelStarted { channel } => ledger.set(M::ChannelUp, *channel, 1.0),
        Event::ChannelStopped { channel } | Event::ChannelFailed { channel, .. } => {
            ledger.set(M::ChannelUp, *channel, 0.0);
            if let Event::ChannelFailed { .. } = event {
                ledger.add(M::ChannelFailuresTotal, *channel, 1);
            }
        }
        // Neither up nor down, so that no alert waits for it. A series cannot go away.
        Event::ChannelRemoved { channel } => ledger.set(M::ChannelUp, *channel, f64::NAN),
        Event::MessageReceived { channel, .. } => {
            ledger.add(M::MessagesTotal, (), 1);
            ledger.add(M::ChannelMessagesTotal, *channel, 1);
            ledger.set_time(M::ChannelLastActivity, *channel, time);
        }
        Event::MessageRejected { channel, reason, .. } => {
            ledger.add(M::MessagesRejectedTotal, (*channel, *reason), 1);
        }
        Event::ReplySent { duration, .. } => ledger.observe(M::ResponseTime, (), *duration),
        Event::OutboundQueued { channel, .. } => ledger.shift(M::OutboundPending, *channel, 1.0),
        Event::OutboundSent { channel, .. } => {
            ledger.shift(M::OutboundPending, *channel, -1.0);
            ledger.add(M::OutboundMessagesTotal, (*channel, Outcome::Success), 1);
        }
        Event::OutboundRetry { channel, .. } => ledger.add(M::OutboundRetriesTotal, *channel, 1),
        Event::OutboundFailed { channel, .. } => {
            ledger.shift(M::OutboundPending, *channel, -1.0);
            ledger.add(M::OutboundMessagesTotal, (*channel, Outcome::Failure), 1);
        }
        Event::ClientConnected { channel } => ledger.shift(M::ChannelClients, *channel, 1.0),
        Event::ClientDisconnected { channel, .. } => ledger.shift(M::ChannelClients, *channel, -1.0),
        Event::TurnQueued { .. } => ledger.shift(M::QueueDepth, (), 1.0),
        Event::TurnDequeued { .. } => ledger.shift(M::QueueDepth, (), -1.0),
        Event::TurnStart { origin, .. } => {
            ledger.shift(active(*origin), (), 1.0);
        }
        Event::TurnEnd(end) => {
            ledger.shift(active(end.origin), (), -1.0);
            ledger.add(M::TurnsTotal, (end.origin, end.status), 1);
            ledger.add(M::AgentTurnsTotal, (end.agent, end.status), 1);
        }
        Event::MessageJoined { .. } => ledger.add(M::MessagesJoinedTotal, (), 1),
        Event::ImagesShown { outcome, images, .. } => ledger.add(M::ImagesTotal, *outcome, *images),
        Event::MediaRemoved { outcome, files } => ledger.add(M::MediaRemovalsTotal, *outcome, *files),
        Event::TurnRouted { route, .. } => ledger.add(M::TurnsRoutedTotal, *route, 1),
        Event::CommandRun { command, .. } => ledger.add(M::CommandsTotal, *command, 1),
        Event::ContextCompacted { trigger, outcome, .. } => {
            ledger.add(M::CompactionsTotal, (*trigger, *outcome), 1);
        }
        Event::LlmRequest { provider, .. } => {
            ledger.add(M::ProviderRequestsTotal, *provider, 1);
            ledger.shift(M::ProviderRequestsActive, *provider, 1.0);
        }
        Event::LlmResponse(response) => fold_response(ledger, time, response),
        Event::LlmRetry { provider, .. } => ledger.add(M::ProviderRetriesTotal, *provider, 1),
        Event::LlmSkipped { provider, reason, .. } => {
            ledger.add(M::ProviderSkipsTotal, (*provider, *reason), 1);
        }
        Event::LlmThrottled { provider, .. } => ledger.add(M::ProviderThrottledTotal, *provider, 1),
        Event::CooldownStarted { provider, reason, .. } => {
            ledger.add(M::ProviderCooldownsTotal, (*provider, *reason), 1);
            ledger.shift(M::ProviderCooldownActive, *provider, 1.0);
        }
        Event::CooldownEnded { provider, .. } => {
            ledger.shift(M::ProviderCooldownActive, *provider, -1.0);
        }
        Event::ToolEnd { tool, status, duration, .. } => {
            ledger.add(M::ToolCallsTotal, *tool, 1);
            ledger.add(M::ToolResultsTotal, (*tool, *status), 1);
            ledger.observe(M::ToolDuration, *tool, *duration);
        }
        Event::ToolSkipped { .. } => ledger.add(M::ToolCallsUnknownTotal, (), 1),
        Event::McpServerStarting { server, attempt } => {
            if *attempt > 1 {
                ledger.add(M::McpServerRestartsTotal, *server, 1);
            }
        }
        Event::McpServerConnected { server, tools, .. } => {
            ledger.set(M::McpServerUp, *server, 1.0);
            ledger.set(M::McpServerTools, *server, *tools as f64);
            ledger.set(M::McpServerConsecutiveFailures, *server, 0.0);
        }
        Event::McpToolsChanged { server, tools } => {
            ledger.set(M::McpServerTools, *server, *tools as f64);
        }
        Event::McpServerFailed { server, failures, .. } => {
            ledger.set(M::McpServerUp, *server, 0.0);
            ledger.set(M::McpServerConsecutiveFailures, *server, f64::from(*failures));
        }
        // As a channel that is taken out.
        Event::McpServerStopped { server } => {
            ledger.set(M::McpServerUp, *server, f64::NAN);
            ledger.set(M::McpServerTools, *server, 0.0);
            ledger.set(M::McpServerConsecutiveFailures, *server, 0.0);
        }
        Event::SessionActivated { .. } => ledger.shift(M::SessionCount, (), 1.0),
        Event::SessionExpired { .. } => ledger.shift(M::SessionCount, (), -1.0),
        Event::SessionWrite { outcome, duration, .. } => {
            ledger.add(M::SessionWritesTotal, *outcome, 1);
            ledger.observe(M::SessionWriteDuration, (), *duration);
            match outcome {
                Outcome::Success => ledger.set(M::SessionConsecutiveFailures, (), 0.0),
                Outcome::Failure => ledger.shift(M::SessionConsecutiveFailures, (), 1.0),
            }
        }
        Event::SessionReadFailed { .. } => {
            ledger.add(M::SessionReadFailuresTotal, (), 1);
            ledger.shift(M::SessionConsecutiveFailures, (), 1.0);
        }
        Event::CronRunStart { .. } => ledger.shift(M::CronRunsActive, (), 1.0),
        Event::CronRunEnd { status, duration, .. } => {
            ledger.shift(M::CronRunsActive, (), -1.0);
            ledger.add(M::CronRunsTotal, *status, 1);
            ledger.observe(M::CronRunDuration, (), *duration);
            if *status == JobStatus::Ok {
                ledger.set_time(M::CronLastSuccess, (), time);
            }
        }
        Event::CronRunMissed { reason, .. } => ledger.add(M::CronMissedTotal, *reason, 1),
        Event::CronJobsChanged { enabled, disabled, invalid } => {
            ledger.set(M::CronJobs, JobState::Enabled, *enabled as f64);
            ledger.set(M::CronJobs, JobState::Disabled, *disabled as f64);
            ledger.set(M::CronJobs, JobState::Invalid, *invalid as f64);
        }
        Event::CronStoreFailed { .. } => ledger.add(M::CronStoreFailuresTotal, (), 1),
        Event::HeartbeatEnd { outcome, .. } => ledger.add(M::HeartbeatsTotal, *outcome, 1),
        Event::HookStarted { hook } => ledger.set(M::HookUp, *hook, 1.0),
        // As a channel that is taken out.
        Event::HookStopped { hook } => ledger.set(M::HookUp, *hook, f64::NAN),
        Event::HookFailed { hook, .. } => {
            ledger.set(M::HookUp, *hook, 0.0);
            ledger.add(M::HookFailuresTotal, *hook, 1);
        }
        Event::HookCall { hook, outcome, duration, .. } => {
            ledger.add(M::HookCallsTotal, (*hook, *outcome), 1);
            ledger.observe(M::HookCallDuration, *hook, *duration);
        }
        Event::HookEventsDropped { hook, count } => ledger.add(M::HookEventsDroppedTotal, *hook, *count),
        Event::Declared(declarations) => declarations.iter().for_each(|d| declare(ledger, *d)),
        Event::GatewayReady { .. }
        | Event::GatewayShutdown { .. }
        | Event::ReloadStarted
        | Event::ReplyFailed { .. }
        | Event::ToolStart { .. }
        | Event::Log(_) => {}
    }
}

/// Where a turn counts while it is in flight: what a conversation does beside itself does not make it two.
fn active(origin: Origin) -> M {
    if origin == Origin::Subturn { M::SubturnsActive } else { M::MessagesActive }
}

fn fold_response(ledger: &mut Ledger, time: SystemTime, response: &LlmResponse) {
    let provider = response.provider;
    let model = (response.provider, response.model);
    ledger.shift(M::ProviderRequestsActive, provider, -1.0);
    match response.outcome {
        AttemptOutcome::Success => {
            ledger.observe(M::ProviderRequestDuration, provider, response.duration);
            ledger.set(M::ProviderConsecutiveFailures, provider, 0.0);
            ledger.set_time(M::ProviderLastSuccess, provider, time);
            match response.cost {
                Some(Cost(pico)) => ledger.add(M::CostUsdTotal, model, pico),
                None => ledger.add(M::CostUnknownTotal, model, 1),
            }
        }
        AttemptOutcome::Failed(reason) => {
            ledger.observe(M::ProviderRequestDuration, provider, response.duration);
            ledger.add(M::ProviderErrorsTotal, provider, 1);
            ledger.add(M::ProviderFailuresTotal, (response.provider, response.model, reason), 1);
            ledger.shift(M::ProviderConsecutiveFailures, provider, 1.0);
        }
        // How long the caller's patience lasted says nothing about the provider.
        AttemptOutcome::Cancelled => {}
    }
    if let Some(first) = response.first_token {
        ledger.observe(M::ProviderFirstToken, provider, first);
    }
    if let Some(tokens) = response.tokens {
        ledger.add(
            M::ProviderTokensTotal,
            (response.provider, response.model, Direction::Input),
            tokens.input,
        );
        ledger.add(
            M::ProviderTokensTotal,
            (response.provider, response.model, Direction::Output),
            tokens.output,
        );
        ledger.add(M::ProviderCachedTokensTotal, model, tokens.cached);
    }
}

/// Counters and gauges exist at 0 before anything happens: no increase of theirs may be missed. Distributions by tool,
/// by hook, and of streams begin with the first observation, for they are a dozen series each and many are never used.
fn declare(ledger: &mut Ledger, declaration: Declaration) {
    match declaration {
        Declaration::Provider(label) => {
            for metric in [
                M::ProviderRequestsTotal,
                M::ProviderErrorsTotal,
                M::ProviderRequestDuration,
                M::ProviderRequestsActive,
                M::ProviderRetriesTotal,
                M::ProviderThrottledTotal,
                M::ProviderCooldownActive,
                M::ProviderConsecutiveFailures,
                M::ProviderLastSuccess,
            ] {
                ledger.declare(metric, label);
            }
            for reason in SkipReason::ALL {
                ledger.declare(M::ProviderSkipsTotal, (label, *reason));
            }
            for reason in FailureReason::ALL.iter().filter(|reason| reason.cools_down()) {
                ledger.declare(M::ProviderCooldownsTotal, (label, *reason));
            }
        }
        Declaration::Model(provider, model) => {
            for reason in FailureReason::ALL {
                ledger.declare(M::ProviderFailuresTotal, (provider, model, *reason));
            }
            for direction in Direction::ALL {
                ledger.declare(M::ProviderTokensTotal, (provider, model, *direction));
            }
            ledger.declare(M::ProviderCachedTokensTotal, (provider, model));
            ledger.declare(M::CostUnknownTotal, (provider, model));
        }
        Declaration::Priced(provider, model) => ledger.declare(M::CostUsdTotal, (provider, model)),
        Declaration::Channel(label) => {
            for metric in [
                M::ChannelMessagesTotal,
                M::ChannelUp,
                M::ChannelFailuresTotal,
                M::ChannelLastActivity,
                M::ChannelClients,
                M::OutboundPending,
                M::OutboundRetriesTotal,
            ] {
                ledger.declare(metric, label);
            }
            for outcome in Outcome::ALL {
                ledger.declare(M::OutboundMessagesTotal, (label, *outcome));
            }
            for reason in Rejection::ALL {
                ledger.declare(M::MessagesRejectedTotal, (label, *reason));
            }
        }
        Declaration::McpServer(label) => {
            for metric in [
                M::McpServerUp,
                M::McpServerTools,
                M::McpServerRestartsTotal,
                M::McpServerConsecutiveFailures,
            ] {
                ledger.declare(metric, label);
            }
        }
        Declaration::Agent(label) => {
            for status in TurnStatus::ALL {
                ledger.declare(M::AgentTurnsTotal, (label, *status));
            }
        }
        Declaration::Hook(label) => {
            for metric in [M::HookUp, M::HookFailuresTotal, M::HookEventsDroppedTotal] {
                ledger.declare(metric, label);
            }
            for outcome in HookOutcome::ALL {
                ledger.declare(M::HookCallsTotal, (label, *outcome));
            }
        }
        Declaration::Tool(label) => {
            ledger.declare(M::ToolCallsTotal, label);
            for status in ToolStatus::ALL {
                ledger.declare(M::ToolResultsTotal, (label, *status));
            }
        }
    }
}
