//! The dotted names of happenings.

use crate::words::words;

words! {
    /// The dotted name of a happening.
    Kind {
        /// The process began.
        GatewayStart = "gateway.start",
        /// The gateway accepts messages.
        GatewayReady = "gateway.ready",
        /// The gateway began to stop.
        GatewayShutdown = "gateway.shutdown",
        /// The gateway's judgement of itself changed.
        HealthChanged = "gateway.health.changed",
        /// A reload of the configuration began.
        ReloadStarted = "gateway.reload.started",
        /// A reload of the configuration took effect.
        ReloadCompleted = "gateway.reload.completed",
        /// A reload of the configuration was refused; nothing changed.
        ReloadFailed = "gateway.reload.failed",
        /// The HTTP server turned a connection or a request away.
        HttpRejected = "gateway.http.rejected",
        /// A channel can receive messages.
        ChannelStarted = "channel.lifecycle.started",
        /// A channel stopped on purpose.
        ChannelStopped = "channel.lifecycle.stopped",
        /// A channel cannot receive messages.
        ChannelFailed = "channel.lifecycle.start_failed",
        /// A channel was taken out of the configuration.
        ChannelRemoved = "channel.lifecycle.removed",
        /// A message of a person was accepted.
        MessageReceived = "channel.message.received",
        /// A message was refused.
        MessageRejected = "channel.message.rejected",
        /// The final reply was handed to the channel.
        ReplySent = "channel.message.outbound_sent",
        /// The final reply could not be handed to the channel.
        ReplyFailed = "channel.message.outbound_failed",
        /// A message for a chat waits to be sent.
        OutboundQueued = "channel.outbound.queued",
        /// The chat network took a message.
        OutboundSent = "channel.outbound.sent",
        /// The chat network did not take a message; it will be sent again.
        OutboundRetry = "channel.outbound.retry",
        /// A message could not be sent.
        OutboundFailed = "channel.outbound.failed",
        /// A client connected to a channel.
        ClientConnected = "channel.client.connected",
        /// A client of a channel is gone.
        ClientDisconnected = "channel.client.disconnected",
        /// A message has to wait for its session or a worker.
        TurnQueued = "agent.turn.queued",
        /// A message waits no longer.
        TurnDequeued = "agent.turn.dequeued",
        /// A turn began.
        TurnStart = "agent.turn.start",
        /// A turn ended.
        TurnEnd = "agent.turn.end",
        /// A message was taken in by the turn of its session that ran already.
        MessageJoined = "agent.steering.injected",
        /// Images of the conversation were in a request to a model, or were left out of it.
        ImagesShown = "agent.images.shown",
        /// Media files that nothing shows any more were removed, or could not be.
        MediaRemoved = "agent.media.removed",
        /// A model was chosen by how hard a message is, or because of its images.
        TurnRouted = "agent.turn.routed",
        /// A command of a person was carried out.
        CommandRun = "agent.command.executed",
        /// The older part of a conversation was taken out of it, or could not be.
        ContextCompacted = "agent.context.compress",
        /// A request is sent to a provider.
        LlmRequest = "agent.llm.request",
        /// A request to a provider ended.
        LlmResponse = "agent.llm.response",
        /// A failed request will be repeated.
        LlmRetry = "agent.llm.retry",
        /// A provider was not asked although it was its turn.
        LlmSkipped = "agent.llm.skipped",
        /// A request waits because the configuration allows no more for now.
        LlmThrottled = "agent.llm.throttled",
        /// A provider that failed is not asked for a while.
        CooldownStarted = "agent.llm.cooldown_started",
        /// A provider may be asked again.
        CooldownEnded = "agent.llm.cooldown_ended",
        /// A tool began.
        ToolStart = "agent.tool.exec_start",
        /// A tool ended.
        ToolEnd = "agent.tool.exec_end",
        /// The model called a tool that does not exist.
        ToolSkipped = "agent.tool.exec_skipped",
        /// An MCP server is started, or connected to.
        McpServerStarting = "mcp.server.starting",
        /// An MCP server is ready.
        McpServerConnected = "mcp.server.connected",
        /// An MCP server offers other tools than before.
        McpToolsChanged = "mcp.server.tools_changed",
        /// An MCP server could not be connected to, or ended.
        McpServerFailed = "mcp.server.failed",
        /// An MCP server was stopped on purpose.
        McpServerStopped = "mcp.server.stopped",
        /// A session became active.
        SessionActivated = "session.activated",
        /// A session had no message for a while.
        SessionExpired = "session.expired",
        /// A turn's messages were made durable, or could not be.
        SessionWrite = "session.write",
        /// A session could not be read.
        SessionReadFailed = "session.read_failed",
        /// A scheduled job began to run.
        CronRunStart = "cron.run.start",
        /// A scheduled job's run ended.
        CronRunEnd = "cron.run.end",
        /// A scheduled job did not run when its time came.
        CronRunMissed = "cron.run.missed",
        /// The scheduled jobs were read, and there are more or fewer than before.
        CronJobsChanged = "cron.jobs.changed",
        /// The file of the scheduled jobs could not be read or written.
        CronStoreFailed = "cron.store.failed",
        /// A heartbeat ended.
        HeartbeatEnd = "heartbeat.end",
        /// A hook runs and has said hello.
        HookStarted = "hook.started",
        /// A hook was stopped on purpose.
        HookStopped = "hook.stopped",
        /// A hook ended, or could not be started; it will be started again.
        HookFailed = "hook.failed",
        /// A hook was asked.
        HookCall = "hook.call",
        /// A hook was too slow to hear of everything.
        HookEventsDropped = "hook.events_dropped",
        /// Names became known: their series exist from now on.
        Declared = "telemetry.declared",
        /// A diagnostic of the code.
        Log = "log",
    }
}
