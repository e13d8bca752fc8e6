//! The way down, each step with a deadline: a disk that hangs, or a sink, must not keep the process from ending.
//!
//! Giving up loses no message that was acknowledged: the journal has it, and the next start recovers it.

use std::time::Duration;

use picoclaw_telemetry::{Detail, Event};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::greeting;
use super::parts::Parts;
use picoclaw::health::Phase;
use picoclaw::http::channel::{CHANNEL, CLI_CHANNEL};
use picoclaw::sessions::Stores;

/// How long turns in flight may go on when the gateway stops.
const TURNS_PATIENCE: Duration = Duration::from_secs(10);
/// How long a sink may take for its last send.
const SINK_PATIENCE: Duration = Duration::from_secs(5);
/// How long a reload under way may keep the sinks from being stopped, beyond that.
const RELOAD_PATIENCE: Duration = Duration::from_secs(1);
/// How long HTTP exchanges may go on after that.
pub(super) const HTTP_PATIENCE: Duration = Duration::from_secs(3);
/// How long the last look at the gateway may take, and the last words.
const LAST_WORDS: Duration = Duration::from_millis(200);
/// How long commands in the background, MCP servers and plugins with tools may take to end.
const PROGRAMS_PATIENCE: Duration = Duration::from_secs(3);
/// How long all of it may take: service managers kill after 30 s.
const PATIENCE: Duration = Duration::from_secs(25);

/// What a shutdown ends beside the parts.
pub(super) struct Rest {
    pub(super) jobs: super::jobs::Automatic,
    pub(super) stores: Stores,
    pub(super) stop_watch: CancellationToken,
    pub(super) watching: JoinHandle<()>,
    pub(super) stop_http: CancellationToken,
    pub(super) servers: JoinHandle<()>,
}

/// Not ready → turns in flight → commands in the background, MCP servers and plugins with tools → end of the event stream
/// → sinks → HTTP.
pub(super) async fn shut_down(parts: &Parts, rest: Rest, cause: &'static str) {
    // Whoever waits for the process has been told by the steps what held them up.
    let _ = timeout(PATIENCE, in_order(parts, rest, cause)).await;
}

async fn in_order(parts: &Parts, rest: Rest, cause: &'static str) {
    parts.judge.set_phase(Phase::Draining);
    parts.stopping.cancel();
    parts.service.stopping().await;
    parts.bus.emit(Event::GatewayShutdown { cause: Detail::new(cause) });
    rest.jobs.stop();
    let cancelled = parts.agent.drain(TURNS_PATIENCE).await;
    if cancelled > 0 {
        tracing::warn!(cancelled, "Turns were cancelled because the gateway stops.");
    }
    rest.jobs.ended().await;
    stop_programs(parts).await;
    // Their last answers are on the way.
    parts.channels.stop().await;
    for channel in [CHANNEL, CLI_CHANNEL] {
        parts.bus.emit(Event::ChannelStopped { channel: parts.agent.channel_label(channel) });
    }
    if let Err(error) = rest.stores.close().await {
        tracing::error!(%error, "Sessions could not be closed; the next start recovers them from the journal.");
    }
    rest.stop_watch.cancel();
    let _ = timeout(LAST_WORDS, rest.watching).await;
    tracing::info!("Gateway stopped: no turn is in flight. Its telemetry ends here.");
    parts.bus.close();
    stop_sinks(parts).await;
    rest.stop_http.cancel();
    let _ = timeout(HTTP_PATIENCE, rest.servers).await;
}

/// Ends commands in the background, MCP servers and plugins with tools.
async fn stop_programs(parts: &Parts) {
    let Ok(running) = timeout(PROGRAMS_PATIENCE, parts.running.lock()).await else {
        return tracing::warn!("A reload is under way; MCP servers, plugins and commands are ended.");
    };
    // Not a copy of the whole: plugins end with the last copy of their tools.
    let (background, mcp) = (running.supply.background.clone(), running.supply.mcp.clone());
    let plugins = running.supply.plugins.clone();
    drop(running);
    let servers = async {
        if let Some(servers) = &mcp {
            servers.close(PROGRAMS_PATIENCE).await;
        }
    };
    let plugins = async {
        if timeout(PROGRAMS_PATIENCE, plugins.stop()).await.is_err() {
            tracing::warn!("Plugins with tools did not stop in time, and are ended.");
        }
    };
    tokio::join!(background.close(PROGRAMS_PATIENCE), servers, plugins);
}

async fn stop_sinks(parts: &Parts) {
    let stopping = async { parts.running.lock().await.supervisor.drain(SINK_PATIENCE).await };
    let line = match timeout(SINK_PATIENCE + RELOAD_PATIENCE, stopping).await {
        Ok(unfinished) if unfinished.is_empty() => return,
        Ok(unfinished) => format!("Sinks that did not finish in time: {}", unfinished.join(", ")),
        Err(_) => "Sinks could not be stopped in time: a reload is under way".to_owned(),
    };
    let _ = timeout(LAST_WORDS, greeting::say(&[line])).await;
}
