//! The facts of an event, by name.

use super::{AttemptOutcome, Cost, Event, LlmResponse, NO_TURN, Value};

impl Event {
    /// Calls `visit` with each attribute, in a fixed order. Absent facts are left out.
    pub fn attributes<'a>(&'a self, mut visit: impl FnMut(&'static str, Value<'a>)) {
        use Value::{Count, Millis, Text, Word};
        match self {
            Self::GatewayStart { version, pid } => {
                visit("version", Text(version));
                visit("pid", Count(u64::from(*pid)));
            }
            Self::GatewayReady { address, elapsed } => {
                visit("address", Text(address.as_str()));
                visit("duration_ms", Millis(*elapsed));
            }
            Self::GatewayShutdown { cause } => visit("cause", Text(cause.as_str())),
            Self::HealthChanged { from, to, issues } => {
                visit("from", Word(from.as_str()));
                visit("to", Word(to.as_str()));
                visit("issues", Text(issues.as_str()));
            }
            Self::ReloadStarted => {}
            Self::ReloadCompleted { duration, changes } => {
                visit("duration_ms", Millis(*duration));
                visit("changes", Text(changes.as_str()));
            }
            Self::ReloadFailed { duration, error } => {
                visit("duration_ms", Millis(*duration));
                visit("error", Text(error.as_str()));
            }
            Self::HttpRejected { reason } => visit("reason", Word(reason.as_str())),
            Self::ChannelStarted { channel }
            | Self::ChannelStopped { channel }
            | Self::ChannelRemoved { channel } => {
                visit("channel", Text(channel.as_str()));
            }
            Self::ChannelFailed { channel, error } => {
                visit("channel", Text(channel.as_str()));
                visit("error", Text(error.as_str()));
            }
            Self::MessageReceived { channel, session } | Self::TurnQueued { channel, session } => {
                visit("session_id", Text(session.as_str()));
                visit("channel", Text(channel.as_str()));
            }
            Self::MessageRejected { channel, reason, error } => {
                visit("channel", Text(channel.as_str()));
                visit("reason", Word(reason.as_str()));
                if let Some(error) = error {
                    visit("error", Text(error.as_str()));
                }
            }
            Self::ReplySent { channel, session, duration: time }
            | Self::TurnDequeued { channel, session, waited: time } => {
                visit("session_id", Text(session.as_str()));
                visit("duration_ms", Millis(*time));
                visit("channel", Text(channel.as_str()));
            }
            Self::ReplyFailed { channel, session, error } => {
                visit("session_id", Text(session.as_str()));
                visit("channel", Text(channel.as_str()));
                visit("error", Text(error.as_str()));
            }
            Self::OutboundQueued { channel, chat } => {
                visit("channel", Text(channel.as_str()));
                visit("chat_id", Text(chat.as_str()));
            }
            Self::OutboundSent { channel, chat, tries, duration } => {
                visit("duration_ms", Millis(*duration));
                visit("channel", Text(channel.as_str()));
                visit("chat_id", Text(chat.as_str()));
                visit("tries", Count(u64::from(*tries)));
            }
            Self::OutboundRetry { channel, chat, tries, delay, error } => {
                visit("channel", Text(channel.as_str()));
                visit("chat_id", Text(chat.as_str()));
                visit("tries", Count(u64::from(*tries)));
                visit("delay_ms", Millis(*delay));
                visit("error", Text(error.as_str()));
            }
            Self::OutboundFailed { channel, chat, tries, error } => {
                visit("channel", Text(channel.as_str()));
                visit("chat_id", Text(chat.as_str()));
                visit("tries", Count(u64::from(*tries)));
                visit("error", Text(error.as_str()));
            }
            Self::ClientConnected { channel } => visit("channel", Text(channel.as_str())),
            Self::ClientDisconnected { channel, duration } => {
                visit("duration_ms", Millis(*duration));
                visit("channel", Text(channel.as_str()));
            }
            Self::TurnStart { turn, origin, agent, channel, session } => {
                visit("session_id", Text(session.as_str()));
                visit("turn", Count(*turn));
                visit("origin", Word(origin.as_str()));
                visit("agent_id", Text(agent.as_str()));
                visit("channel", Text(channel.as_str()));
            }
            Self::TurnEnd(end) => {
                visit("session_id", Text(end.session.as_str()));
                visit("duration_ms", Millis(end.duration));
                visit("turn", Count(end.turn));
                visit("origin", Word(end.origin.as_str()));
                visit("agent_id", Text(end.agent.as_str()));
                visit("channel", Text(end.channel.as_str()));
                visit("status", Word(end.status.as_str()));
                visit("iterations", Count(u64::from(end.iterations)));
                visit("input_tokens", Count(end.tokens.input));
                visit("output_tokens", Count(end.tokens.output));
                if let Some(error) = &end.error {
                    visit("error", Text(error.as_str()));
                }
            }
            Self::MessageJoined { turn, session } => {
                visit("session_id", Text(session.as_str()));
                visit("turn", Count(*turn));
            }
            Self::ImagesShown { turn, outcome, images, session } => {
                visit("session_id", Text(session.as_str()));
                visit("turn", Count(*turn));
                visit("outcome", Word(outcome.as_str()));
                visit("images", Count(*images));
            }
            Self::MediaRemoved { outcome, files } => {
                visit("outcome", Word(outcome.as_str()));
                visit("files", Count(*files));
            }
            Self::TurnRouted { route, session } => {
                visit("session_id", Text(session.as_str()));
                visit("route", Word(route.as_str()));
            }
            Self::CommandRun { command, channel, session, duration } => {
                visit("session_id", Text(session.as_str()));
                visit("duration_ms", Millis(*duration));
                visit("command", Word(command.as_str()));
                visit("channel", Text(channel.as_str()));
            }
            Self::ContextCompacted { trigger, outcome, duration, messages, error, session } => {
                visit("session_id", Text(session.as_str()));
                visit("duration_ms", Millis(*duration));
                visit("trigger", Word(trigger.as_str()));
                visit("outcome", Word(outcome.as_str()));
                visit("messages", Count(*messages));
                if let Some(error) = error {
                    visit("error", Text(error.as_str()));
                }
            }
            Self::LlmRequest { turn, provider, model, attempt, session } => {
                visit("session_id", Text(session.as_str()));
                visit("turn", Count(*turn));
                visit("provider", Text(provider.as_str()));
                visit("model", Text(model.as_str()));
                visit("attempt", Count(u64::from(*attempt)));
            }
            Self::LlmResponse(response) => response.attributes(visit),
            Self::LlmRetry { turn, provider, model, attempt, reason, delay, session } => {
                visit("session_id", Text(session.as_str()));
                visit("turn", Count(*turn));
                visit("provider", Text(provider.as_str()));
                visit("model", Text(model.as_str()));
                visit("attempt", Count(u64::from(*attempt)));
                visit("reason", Word(reason.as_str()));
                visit("delay_ms", Millis(*delay));
            }
            Self::LlmSkipped { turn, provider, model, reason, remaining, session } => {
                visit("session_id", Text(session.as_str()));
                visit("turn", Count(*turn));
                visit("provider", Text(provider.as_str()));
                visit("model", Text(model.as_str()));
                visit("reason", Word(reason.as_str()));
                visit("remaining_ms", Millis(*remaining));
            }
            Self::LlmThrottled { turn, provider, model, delay, session } => {
                visit("session_id", Text(session.as_str()));
                visit("turn", Count(*turn));
                visit("provider", Text(provider.as_str()));
                visit("model", Text(model.as_str()));
                visit("delay_ms", Millis(*delay));
            }
            Self::CooldownStarted { provider, model, reason, delay, error } => {
                visit("provider", Text(provider.as_str()));
                visit("model", Text(model.as_str()));
                visit("reason", Word(reason.as_str()));
                visit("delay_ms", Millis(*delay));
                visit("error", Text(error.as_str()));
            }
            Self::CooldownEnded { provider, model, cause } => {
                visit("provider", Text(provider.as_str()));
                visit("model", Text(model.as_str()));
                visit("cause", Text(cause.as_str()));
            }
            Self::ToolStart { turn, tool, session } => {
                visit("session_id", Text(session.as_str()));
                if *turn != NO_TURN {
                    visit("turn", Count(*turn));
                }
                visit("tool", Text(tool.as_str()));
            }
            Self::ToolEnd { turn, tool, status, duration, error, session } => {
                visit("session_id", Text(session.as_str()));
                visit("duration_ms", Millis(*duration));
                if *turn != NO_TURN {
                    visit("turn", Count(*turn));
                }
                visit("tool", Text(tool.as_str()));
                visit("status", Word(status.as_str()));
                if let Some(error) = error {
                    visit("error", Text(error.as_str()));
                }
            }
            Self::ToolSkipped { turn, name, session } => {
                visit("session_id", Text(session.as_str()));
                visit("turn", Count(*turn));
                visit("name", Text(name.as_str()));
            }
            Self::McpServerStarting { server, attempt } => {
                visit("server", Text(server.as_str()));
                visit("attempt", Count(u64::from(*attempt)));
            }
            Self::McpServerConnected { server, tools, elapsed } => {
                visit("duration_ms", Millis(*elapsed));
                visit("server", Text(server.as_str()));
                visit("tools", Count(*tools));
            }
            Self::McpToolsChanged { server, tools } => {
                visit("server", Text(server.as_str()));
                visit("tools", Count(*tools));
            }
            Self::McpServerFailed { server, failures, error } => {
                visit("server", Text(server.as_str()));
                visit("failures", Count(u64::from(*failures)));
                visit("error", Text(error.as_str()));
            }
            Self::McpServerStopped { server } => visit("server", Text(server.as_str())),
            Self::SessionActivated { session } | Self::SessionExpired { session } => {
                visit("session_id", Text(session.as_str()));
            }
            Self::SessionWrite { outcome, duration, bytes, error, session } => {
                visit("session_id", Text(session.as_str()));
                visit("duration_ms", Millis(*duration));
                visit("outcome", Word(outcome.as_str()));
                visit("bytes", Count(*bytes));
                if let Some(error) = error {
                    visit("error", Text(error.as_str()));
                }
            }
            Self::SessionReadFailed { session, error } => {
                visit("session_id", Text(session.as_str()));
                visit("error", Text(error.as_str()));
            }
            Self::CronRunStart { job, name } => {
                visit("job", Text(job.as_str()));
                visit("name", Text(name.as_str()));
            }
            Self::CronRunEnd { job, name, status, duration, error } => {
                visit("duration_ms", Millis(*duration));
                visit("job", Text(job.as_str()));
                visit("name", Text(name.as_str()));
                visit("status", Word(status.as_str()));
                if let Some(error) = error {
                    visit("error", Text(error.as_str()));
                }
            }
            Self::CronRunMissed { job, name, reason, late } => {
                visit("job", Text(job.as_str()));
                visit("name", Text(name.as_str()));
                visit("reason", Word(reason.as_str()));
                visit("late_ms", Millis(*late));
            }
            Self::CronJobsChanged { enabled, disabled, invalid } => {
                visit("enabled", Count(*enabled));
                visit("disabled", Count(*disabled));
                visit("invalid", Count(*invalid));
            }
            Self::CronStoreFailed { error } => visit("error", Text(error.as_str())),
            Self::HeartbeatEnd { outcome, duration, error } => {
                visit("duration_ms", Millis(*duration));
                visit("outcome", Word(outcome.as_str()));
                if let Some(error) = error {
                    visit("error", Text(error.as_str()));
                }
            }
            Self::HookStarted { hook } | Self::HookStopped { hook } => visit("hook", Text(hook.as_str())),
            Self::HookFailed { hook, error } => {
                visit("hook", Text(hook.as_str()));
                visit("error", Text(error.as_str()));
            }
            Self::HookCall { hook, stage, outcome, duration, error } => {
                visit("duration_ms", Millis(*duration));
                visit("hook", Text(hook.as_str()));
                visit("stage", Word(stage.as_str()));
                visit("outcome", Word(outcome.as_str()));
                if let Some(error) = error {
                    visit("error", Text(error.as_str()));
                }
            }
            Self::HookEventsDropped { hook, count } => {
                visit("hook", Text(hook.as_str()));
                visit("count", Count(*count));
            }
            Self::Declared(declarations) => visit("series", Count(declarations.len() as u64)),
            Self::Log(line) => {
                for (name, value) in &line.fields {
                    visit(name, Text(value.as_str()));
                }
            }
        }
    }
}

impl LlmResponse {
    fn attributes<'a>(&'a self, mut visit: impl FnMut(&'static str, Value<'a>)) {
        use Value::{Count, Millis, Text, Word};
        visit("session_id", Text(self.session.as_str()));
        visit("duration_ms", Millis(self.duration));
        visit("turn", Count(self.turn));
        visit("provider", Text(self.provider.as_str()));
        visit("model", Text(self.model.as_str()));
        visit("outcome", Word(self.outcome.as_str()));
        if let AttemptOutcome::Failed(reason) = self.outcome {
            visit("reason", Word(reason.as_str()));
        }
        if let Some(first) = self.first_token {
            visit("first_token_ms", Millis(first));
        }
        if let Some(tokens) = self.tokens {
            visit("input_tokens", Count(tokens.input));
            visit("output_tokens", Count(tokens.output));
            if tokens.cached > 0 {
                visit("cached_tokens", Count(tokens.cached));
            }
        }
        if let Some(Cost(pico)) = self.cost {
            visit("cost_nano_usd", Count(pico / 1000));
        }
        if let Some(code) = self.status_code {
            visit("status_code", Count(u64::from(code)));
        }
        if let Some(error) = &self.error {
            visit("error", Text(error.as_str()));
        }
    }
}
