//! MCP servers: what happens to them is on the bus, and their tools are the agent's.

use std::sync::Arc;
use std::time::Duration;

use picoclaw_telemetry::event::Declaration;
use picoclaw_telemetry::{Bus, Detail, Dimension, Event, Label};
use tokio::sync::Notify;

use super::parts::Parts;
use picoclaw::config::{Config, Paths};
use picoclaw::health::Phase;
use picoclaw_mcp::{Observer, Servers};

/// Tells the bus what happens to servers, and the follower when their tools are others.
pub(super) struct McpOnBus {
    bus: Bus,
    changed: Arc<Notify>,
}

impl McpOnBus {
    pub(super) fn new(bus: &Bus, changed: &Arc<Notify>) -> Self {
        Self { bus: bus.clone(), changed: Arc::clone(changed) }
    }

    fn label(&self, server: &str) -> Label {
        self.bus.vocabulary().declare(Dimension::McpServer, server)
    }
}

impl Observer for McpOnBus {
    fn starting(&self, server: &str, attempt: u32) {
        self.bus.emit(Event::McpServerStarting { server: self.label(server), attempt });
    }

    fn connected(&self, server: &str, tools: usize, elapsed: Duration) {
        let server = self.label(server);
        self.bus.emit(Event::McpServerConnected { server, tools: tools as u64, elapsed });
        self.changed.notify_one();
    }

    fn tools_changed(&self, server: &str, tools: usize) {
        self.bus.emit(Event::McpToolsChanged { server: self.label(server), tools: tools as u64 });
        self.changed.notify_one();
    }

    fn failed(&self, server: &str, failures: u32, error: &str) {
        let event =
            Event::McpServerFailed { server: self.label(server), failures, error: Detail::new(error) };
        self.bus.emit(event);
    }

    fn stopped(&self, server: &str) {
        self.bus.emit(Event::McpServerStopped { server: self.label(server) });
    }
}

/// Makes the series of configured servers exist, and runs these servers from now on.
pub(super) fn configure(servers: &Servers, bus: &Bus, config: &Config, paths: &Paths) {
    let specs = super::supply::mcp_servers(config, paths);
    let declare = |name: &str| Declaration::McpServer(bus.vocabulary().declare(Dimension::McpServer, name));
    if !specs.is_empty() {
        bus.emit(Event::Declared(specs.iter().map(|spec| declare(&spec.name)).collect()));
    }
    servers.configure(specs);
}

/// Gives the agent the tools that there are, whenever they have become others.
pub(super) async fn follow(parts: Arc<Parts>, changed: Arc<Notify>) {
    loop {
        changed.notified().await;
        let running = parts.running.lock().await;
        if parts.judge.phase() == Phase::Draining {
            return;
        }
        match parts.team(&running.loaded, &running.supply, running.hooks.as_ref()) {
            Ok(team) => parts.agent.reconfigure(team),
            // The same configuration could be built when it was taken over.
            Err(error) => tracing::error!(%error, "Tools of MCP servers could not be taken over."),
        }
    }
}
