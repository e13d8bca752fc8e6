//! The catalogue: every metric that exists, in one table.
//!
//! A metric exists if and only if it stands here. Sinks take names, help texts, types, labels and buckets from
//! this table; `docs/metrics.md` is generated from it.

/// What a metric's number means.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MetricKind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts observations by size. The slice holds the upper bounds, ascending, in seconds, without infinity.
    Histogram(&'static [f64]),
}

impl MetricKind {
    /// The word of the Prometheus exposition format.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }
}

/// Where a metric's numbers come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Folded from events by the [`Ledger`](crate::Ledger).
    Ledger,
    /// Counters of the telemetry system itself, read when somebody looks: see [`SinkStats`](crate::SinkStats).
    Own,
    /// The operating system's view of the process.
    Process,
}

/// One row of the catalogue.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MetricInfo {
    /// The Prometheus name.
    pub name: &'static str,
    /// The name over DogStatsD, without the prefix `picoclaw.`.
    pub statsd: &'static str,
    /// Type and, for a histogram, bounds.
    pub kind: MetricKind,
    /// Names of the labels, in the order of their values.
    pub labels: &'static [&'static str],
    /// Where the numbers come from.
    pub source: Source,
    /// What it means, one sentence.
    pub help: &'static str,
}

/// Bounds for the time a person waits. 30 s must be one of them, and bounds beyond it finite: the usual alert on
/// slow answers asks whether the 95th percentile exceeds 30 s.
pub const RESPONSE_BOUNDS: &[f64] =
    &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 45.0, 60.0, 120.0, 300.0];

/// Bounds for one request to a provider, or run of a job.
pub const PROVIDER_BOUNDS: &[f64] =
    &[0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0];

/// Bounds for one tool call, or question to a hook. Few, because they are multiplied by the tools.
pub const TOOL_BOUNDS: &[f64] = &[0.01, 0.1, 1.0, 10.0, 60.0];

/// Bounds for the disk and for the sinks' sends.
pub const FLUSH_BOUNDS: &[f64] = &[0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0];

macro_rules! catalogue {
    ($($(#[$meta:meta])* $id:ident: $source:ident $kind:expr, $name:literal, $statsd:literal, [$($label:literal),*], $help:literal;)+) => {
        /// A metric of the catalogue.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(usize)]
        pub enum Metric { $(#[doc = $help] $id,)+ }

        impl Metric {
            /// Every metric, in the order of the exposition.
            pub const ALL: &'static [Metric] = &[$(Metric::$id,)+];

            const TABLE: &'static [MetricInfo] = &[$(MetricInfo {
                name: $name, statsd: $statsd, kind: $kind, labels: &[$($label),*], source: Source::$source, help: $help,
            },)+];

            /// Its row of the catalogue.
            pub const fn info(self) -> &'static MetricInfo {
                &Self::TABLE[self as usize]
            }
        }
    };
}

use MetricKind::{Counter, Gauge, Histogram};

catalogue! {
    MessagesTotal: Ledger Counter, "picoclaw_messages_total", "messages", [],
        "User messages accepted, commands included.";
    MessagesActive: Ledger Gauge, "picoclaw_messages_active", "messages_active", [],
        "Conversations with a turn in flight.";
    ToolCallsTotal: Ledger Counter, "picoclaw_tool_calls_total", "tool_calls", ["tool"],
        "Tool calls that finished, by tool.";
    ProviderRequestsTotal: Ledger Counter, "picoclaw_provider_requests_total", "provider.requests", ["provider"],
        "Requests sent to a provider, each retry one.";
    ProviderErrorsTotal: Ledger Counter, "picoclaw_provider_errors_total", "provider.errors", ["provider"],
        "Requests that failed, charged to the provider that failed.";
    SessionCount: Ledger Gauge, "picoclaw_session_count", "session_count", [],
        "Sessions with a message in the last minutes (30 unless configured otherwise).";
    ResponseTime: Ledger Histogram(RESPONSE_BOUNDS), "picoclaw_response_time_seconds", "response_time", [],
        "Time from an accepted message to its final reply, waiting included.";

    ChannelMessagesTotal: Ledger Counter, "picoclaw_channel_messages_total", "channel.messages", ["channel"],
        "User messages accepted, by channel.";
    MessagesRejectedTotal: Ledger Counter, "picoclaw_messages_rejected_total", "messages_rejected", ["channel", "reason"],
        "Messages refused before a turn began, by channel and reason.";
    ChannelUp: Ledger Gauge, "picoclaw_channel_up", "channel.up", ["channel"],
        "Whether a channel can receive messages (1) or not (0); NaN once a reload has taken it out.";
    ChannelLastActivity: Ledger Gauge, "picoclaw_channel_last_activity_timestamp_seconds", "channel.last_activity", ["channel"],
        "When a channel last received a message, as Unix time; 0 for never.";
    ChannelFailuresTotal: Ledger Counter, "picoclaw_channel_failures_total", "channel.failures", ["channel"],
        "Times that a channel could not start, or broke off.";
    ChannelClients: Ledger Gauge, "picoclaw_channel_clients", "channel.clients", ["channel"],
        "Clients that are connected to a channel that clients connect to.";
    OutboundMessagesTotal: Ledger Counter, "picoclaw_outbound_messages_total", "outbound.messages", ["channel", "outcome"],
        "Messages to chats, by whether the network took them.";
    OutboundRetriesTotal: Ledger Counter, "picoclaw_outbound_retries_total", "outbound.retries", ["channel"],
        "Attempts to send a message that repeated a failed one.";
    OutboundPending: Ledger Gauge, "picoclaw_outbound_pending", "outbound.pending", ["channel"],
        "Messages to chats that wait to be sent.";
    QueueDepth: Ledger Gauge, "picoclaw_queue_depth", "queue_depth", [],
        "Accepted messages that wait for their session or for a free worker.";

    TurnsTotal: Ledger Counter, "picoclaw_turns_total", "turns", ["origin", "status"],
        "Turns that ended, by what started them and how they ended.";
    AgentTurnsTotal: Ledger Counter, "picoclaw_agent_turns_total", "agent.turns", ["agent", "status"],
        "Turns that ended, sub-agents included, by the agent that took them and how they ended.";
    SubturnsActive: Ledger Gauge, "picoclaw_subturns_active", "subturns_active", [],
        "Turns in flight that work for another one: sub-agents and summaries.";
    MessagesJoinedTotal: Ledger Counter, "picoclaw_messages_joined_total", "messages_joined", [],
        "Messages that were taken in by a turn of their session that ran already, instead of having one of their own.";
    TurnsRoutedTotal: Ledger Counter, "picoclaw_turns_routed_total", "turns_routed", ["route"],
        "Turns whose model was chosen by how hard the message is, or because of its images, by what was chosen. Counted only with agents.defaults.routing or image_model.";
    ImagesTotal: Ledger Counter, "picoclaw_images_total", "images", ["outcome"],
        "Images of conversations in requests to models, once for each request, by whether they were sent or why they were left out.";
    MediaRemovalsTotal: Ledger Counter, "picoclaw_media_removals_total", "media_removals", ["outcome"],
        "Media files that nothing shows any more, by whether they could be removed.";
    CommandsTotal: Ledger Counter, "picoclaw_commands_total", "commands", ["command"],
        "Commands of people that were carried out. They count as messages and are no turns.";
    CompactionsTotal: Ledger Counter, "picoclaw_compactions_total", "compactions", ["trigger", "outcome"],
        "Conversations whose older part was taken out because they had become too long, by trigger and outcome.";
    ProviderRequestsActive: Ledger Gauge, "picoclaw_provider_requests_active", "provider.requests_active", ["provider"],
        "Requests to a provider in flight.";
    ProviderRequestDuration: Ledger Histogram(PROVIDER_BOUNDS), "picoclaw_provider_request_duration_seconds", "provider.request_duration", ["provider"],
        "Time from sending a request to its end, successful or not.";
    ProviderFirstToken: Ledger Histogram(PROVIDER_BOUNDS), "picoclaw_provider_first_token_seconds", "provider.first_token", ["provider"],
        "Time from sending a request to the first piece of a streamed answer.";
    ProviderFailuresTotal: Ledger Counter, "picoclaw_provider_failures_total", "provider.failures", ["provider", "model", "reason"],
        "Requests that failed, by provider, configured model and reason.";
    ProviderRetriesTotal: Ledger Counter, "picoclaw_provider_retries_total", "provider.retries", ["provider"],
        "Requests that repeated a failed one.";
    ProviderSkipsTotal: Ledger Counter, "picoclaw_provider_skips_total", "provider.skips", ["provider", "reason"],
        "Times that a provider was not asked although it was its turn, by reason. No request was sent.";
    ProviderThrottledTotal: Ledger Counter, "picoclaw_provider_throttled_total", "provider.throttled", ["provider"],
        "Requests that waited because the configured rpm allowed no more for the moment.";
    ProviderCooldownsTotal: Ledger Counter, "picoclaw_provider_cooldowns_total", "provider.cooldowns", ["provider", "reason"],
        "Times that a model entry or a key of a provider was put aside for a while because it failed, by reason.";
    ProviderCooldownActive: Ledger Gauge, "picoclaw_provider_cooldown_active", "provider.cooldown_active", ["provider"],
        "Model entries and keys of a provider that are put aside at the moment because they failed.";
    ProviderTokensTotal: Ledger Counter, "picoclaw_provider_tokens_total", "provider.tokens", ["provider", "model", "direction"],
        "Tokens as counted by the provider, by configured model and direction.";
    ProviderCachedTokensTotal: Ledger Counter, "picoclaw_provider_cached_tokens_total", "provider.cached_tokens", ["provider", "model"],
        "Input tokens that the provider took from its cache; they are part of its input tokens.";
    CostUsdTotal: Ledger Counter, "picoclaw_cost_usd_total", "cost_usd", ["provider", "model"],
        "What answers cost in US dollars, by the configured price; models without a price have no series.";
    CostUnknownTotal: Ledger Counter, "picoclaw_cost_unknown_total", "cost_unknown", ["provider", "model"],
        "Answers whose cost is not known: no price is configured, or the provider did not count the tokens.";
    ProviderConsecutiveFailures: Ledger Gauge, "picoclaw_provider_consecutive_failures", "provider.consecutive_failures", ["provider"],
        "Requests that failed since the last successful one.";
    ProviderLastSuccess: Ledger Gauge, "picoclaw_provider_last_success_timestamp_seconds", "provider.last_success", ["provider"],
        "When a request last succeeded, as Unix time; 0 for never.";

    ToolResultsTotal: Ledger Counter, "picoclaw_tool_results_total", "tool.results", ["tool", "status"],
        "Tool calls that finished, by tool and status.";
    ToolDuration: Ledger Histogram(TOOL_BOUNDS), "picoclaw_tool_duration_seconds", "tool.duration", ["tool"],
        "Time that a tool call took.";
    ToolCallsUnknownTotal: Ledger Counter, "picoclaw_tool_calls_unknown_total", "tool.unknown", [],
        "Calls of tools that do not exist: names invented by a model.";

    McpServerUp: Ledger Gauge, "picoclaw_mcp_server_up", "mcp.server_up", ["server"],
        "Whether an MCP server is connected (1) or not (0); NaN once a reload has taken it out.";
    McpServerTools: Ledger Gauge, "picoclaw_mcp_server_tools", "mcp.server_tools", ["server"],
        "Tools that an MCP server offers.";
    McpServerRestartsTotal: Ledger Counter, "picoclaw_mcp_server_restarts_total", "mcp.server_restarts", ["server"],
        "Times that an MCP server was started or connected to again.";
    McpServerConsecutiveFailures: Ledger Gauge, "picoclaw_mcp_server_consecutive_failures", "mcp.server_consecutive_failures", ["server"],
        "Failures of an MCP server since it was last connected.";

    SessionWritesTotal: Ledger Counter, "picoclaw_session_writes_total", "session.writes", ["outcome"],
        "Attempts to make a turn's messages durable.";
    SessionWriteDuration: Ledger Histogram(FLUSH_BOUNDS), "picoclaw_session_write_duration_seconds", "session.write_duration", [],
        "Time that a turn waited for its messages to be durable.";

    SessionReadFailuresTotal: Ledger Counter, "picoclaw_session_read_failures_total", "session.read_failures", [],
        "Sessions that could not be read.";
    SessionConsecutiveFailures: Ledger Gauge, "picoclaw_session_consecutive_failures", "session.consecutive_failures", [],
        "Reads and writes of sessions that failed since the last successful write.";

    CronRunsTotal: Ledger Counter, "picoclaw_cron_runs_total", "cron.runs", ["status"],
        "Runs of scheduled jobs that ended, by status.";
    CronRunsActive: Ledger Gauge, "picoclaw_cron_runs_active", "cron.runs_active", [],
        "Scheduled jobs that run now.";
    CronRunDuration: Ledger Histogram(PROVIDER_BOUNDS), "picoclaw_cron_run_duration_seconds", "cron.run_duration", [],
        "Time that a run of a scheduled job took.";
    CronMissedTotal: Ledger Counter, "picoclaw_cron_missed_total", "cron.missed", ["reason"],
        "Times that a scheduled job did not run when it should have, by reason.";
    CronJobs: Ledger Gauge, "picoclaw_cron_jobs", "cron.jobs", ["state"],
        "Scheduled jobs, by state.";
    CronLastSuccess: Ledger Gauge, "picoclaw_cron_last_success_timestamp_seconds", "cron.last_success", [],
        "When a scheduled job last ended well, as Unix time; 0 for never.";
    CronStoreFailuresTotal: Ledger Counter, "picoclaw_cron_store_failures_total", "cron.store_failures", [],
        "Times that the file of the scheduled jobs could not be read or written.";
    HeartbeatsTotal: Ledger Counter, "picoclaw_heartbeats_total", "heartbeats", ["outcome"],
        "Heartbeats, by what came of them.";

    HookCallsTotal: Ledger Counter, "picoclaw_hook_calls_total", "hook.calls", ["hook", "outcome"],
        "Times that a hook was asked, by what came of it.";
    HookCallDuration: Ledger Histogram(TOOL_BOUNDS), "picoclaw_hook_call_duration_seconds", "hook.call_duration", ["hook"],
        "Time that asking a hook took.";
    HookUp: Ledger Gauge, "picoclaw_hook_up", "hook.up", ["hook"],
        "Whether a hook runs and has said hello (1) or not (0); NaN once a reload has taken it out.";
    HookFailuresTotal: Ledger Counter, "picoclaw_hook_failures_total", "hook.failures", ["hook"],
        "Times that a hook ended by itself or could not be started.";
    HookEventsDroppedTotal: Ledger Counter, "picoclaw_hook_events_dropped_total", "hook.events_dropped", ["hook"],
        "Events of which a hook did not hear because it was too slow.";

    HttpRejectedTotal: Ledger Counter, "picoclaw_http_rejected_total", "http.rejected", ["reason"],
        "Connections and requests that the HTTP server turned away.";
    LogLinesTotal: Ledger Counter, "picoclaw_log_lines_total", "log_lines", ["level"],
        "Log records by level, whether or not a sink's own level lets them through.";
    ConfigReloadsTotal: Ledger Counter, "picoclaw_config_reloads_total", "config.reloads", ["outcome"],
        "Reloads of the configuration.";
    ConfigReloadSuccessful: Ledger Gauge, "picoclaw_config_last_reload_successful", "config.last_reload_successful", [],
        "Whether the last reload, or else the start, took the configuration (1) or refused it (0).";
    ConfigReloadTime: Ledger Gauge, "picoclaw_config_last_reload_success_timestamp_seconds", "config.last_reload_success", [],
        "When a configuration was last taken, as Unix time.";
    HealthState: Ledger Gauge, "picoclaw_health_status", "health_status", ["status"],
        "The gateway's judgement of itself: 1 for the present status, 0 for the others.";
    BuildInfo: Ledger Gauge, "picoclaw_build_info", "build_info", ["build_version", "build_arch"],
        "Always 1; the labels say what is running.";

    TelemetryEventsTotal: Own Counter, "picoclaw_telemetry_events_total", "telemetry.events", [],
        "Events emitted on the telemetry bus.";
    LabelOverflowsTotal: Own Counter, "picoclaw_label_overflows_total", "telemetry.label_overflows", ["label"],
        "Label values replaced by `other` because they are unknown or too many.";
    EventLoopLag: Own Gauge, "picoclaw_event_loop_lag_seconds", "event_loop_lag", [],
        "How late the last timer of the event loop fired.";
    HttpConnections: Own Gauge, "picoclaw_http_connections", "http.connections", [],
        "Open HTTP connections.";
    SessionDiskWait: Own Gauge, "picoclaw_session_disk_wait_seconds", "session.disk_wait", [],
        "How long the disk has owed the sessions an answer; 0 when it owes none.";
    SessionUpkeepFailuresTotal: Own Counter, "picoclaw_session_upkeep_failures_total", "session.upkeep_failures", ["task"],
        "Checkpoints, and files of metadata, that could not be written. The journal keeps the messages safe.";
    SinkEventsTotal: Own Counter, "picoclaw_sink_events_total", "sink.events", ["sink", "outcome"],
        "Events by what became of them in a sink: delivered, filtered, dropped, lagged.";
    SinkEventsDroppedTotal: Own Counter, "picoclaw_sink_events_dropped_total", "sink.events_dropped", ["sink", "reason"],
        "Events that a sink lost, by reason.";
    SinkSendErrorsTotal: Own Counter, "picoclaw_sink_send_errors_total", "sink.send_errors", ["sink", "kind"],
        "Sends that failed, by kind.";
    SinkRetriesTotal: Own Counter, "picoclaw_sink_retries_total", "sink.retries", ["sink"],
        "Sends that repeated a failed one.";
    SinkGapsTotal: Own Counter, "picoclaw_sink_gaps_total", "sink.gaps", ["sink"],
        "Times that a sink fell so far behind that events were overwritten. Its totals are healed each time.";
    SinkRestartsTotal: Own Counter, "picoclaw_sink_restarts_total", "sink.restarts", ["sink"],
        "Times that a sink was started again after it failed.";
    SinkLagEvents: Own Gauge, "picoclaw_sink_lag_events", "sink.lag_events", ["sink"],
        "Events emitted that a sink has not yet seen.";
    SinkBufferEvents: Own Gauge, "picoclaw_sink_buffer_events", "sink.buffer_events", ["sink"],
        "Events that wait in a sink to be sent.";
    SinkUp: Own Gauge, "picoclaw_sink_up", "sink.up", ["sink"],
        "Whether a sink's last send worked (1) or not (0).";
    SinkLastSuccess: Own Gauge, "picoclaw_sink_last_success_timestamp_seconds", "sink.last_success", ["sink"],
        "When a sink last sent or served something, as Unix time; 0 for never.";
    SinkFlushSeconds: Own Histogram(FLUSH_BOUNDS), "picoclaw_sink_flush_seconds", "sink.flush_seconds", ["sink"],
        "Time that a sink's send took.";

    PluginUp: Own Gauge, "picoclaw_plugin_up", "plugin.up", ["plugin"],
        "Whether a plugin with tools runs and is well (1) or not (0). A plugin that is a sink shows among the sinks.";
    PluginRestartsTotal: Own Counter, "picoclaw_plugin_restarts_total", "plugin.restarts", ["plugin"],
        "Times that a plugin with tools was started again after it failed.";

    ProcessCpu: Process Counter, "process_cpu_seconds_total", "process.cpu_seconds", [],
        "CPU time that the process used, in seconds.";
    ProcessResident: Process Gauge, "process_resident_memory_bytes", "process.resident_memory", [],
        "Resident memory in bytes.";
    ProcessVirtual: Process Gauge, "process_virtual_memory_bytes", "process.virtual_memory", [],
        "Virtual memory in bytes.";
    ProcessStart: Process Gauge, "process_start_time_seconds", "process.start_time", [],
        "When the process started, as Unix time.";
    ProcessOpenFds: Process Gauge, "process_open_fds", "process.open_fds", [],
        "Open file descriptors.";
    ProcessMaxFds: Process Gauge, "process_max_fds", "process.max_fds", [],
        "Limit of open file descriptors.";
    ProcessThreads: Process Gauge, "process_threads", "process.threads", [],
        "Threads of the process.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_is_consistent() {
        let mut names = std::collections::HashSet::new();
        let mut statsd = std::collections::HashSet::new();
        for metric in Metric::ALL {
            let info = metric.info();
            assert!(names.insert(info.name), "{} stands twice", info.name);
            assert!(statsd.insert(info.statsd), "{} stands twice", info.statsd);
            assert!(!info.statsd.ends_with("_total"), "{}: DogStatsD names have no _total", info.statsd);
            assert_eq!(info.name.ends_with("_total"), info.kind == Counter, "{}", info.name);
            assert!(info.help.ends_with('.'), "{}: help is a sentence", info.name);
            assert!(info.labels.len() <= 3, "{}", info.name);
            if let Histogram(bounds) = info.kind {
                assert!(bounds.is_sorted_by(|a, b| a < b), "{}", info.name);
            }
        }
    }

    #[test]
    fn thirty_seconds_is_a_bound_and_not_the_last() {
        let at = RESPONSE_BOUNDS.iter().position(|b| *b == 30.0);
        assert!(at.is_some_and(|at| at + 1 < RESPONSE_BOUNDS.len()));
    }
}
