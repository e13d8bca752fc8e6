//! An agent of our own, when no gateway runs.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use picoclaw_sinks::config::SinkConfig;
use picoclaw_sinks::supervisor::Supervisor;
use picoclaw_telemetry::words::Level;
use tokio::time::timeout;

use super::{Answering, Arguments, write_out};
use picoclaw::agent::{Agent, Assistant, Conversation, Inbound, Progress};
use picoclaw::chat::{Message, Role, Sampling};
use picoclaw::config::Loaded;
use picoclaw::http::channel::CLI_CHANNEL;
use picoclaw::sessions::Stores;
use picoclaw_gateway::{
    PluginTools, Supply, console, cron_tool, open_sessions, plugin_tools, session_options, sink_context, team,
};
use picoclaw_jobs::JobStore;

/// How long the end may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The agent with what it needs.
pub(super) struct Local {
    agent: Agent,
    stores: Stores,
    plugins: PluginTools,
    supervisor: tokio::sync::Mutex<Supervisor>,
    bus: picoclaw_telemetry::Bus,
    session: String,
    model: Option<String>,
}

impl Local {
    /// Only the console listens to its telemetry: log files and metrics belong to the gateway.
    pub(super) async fn start(loaded: &Loaded, arguments: &Arguments) -> anyhow::Result<Self> {
        let context = sink_context(loaded);
        let (bus, masker) = (context.bus.clone(), std::sync::Arc::clone(&context.masker));
        picoclaw::diagnostics::install(&bus, Level::Debug);
        // Who talks is told of what fails by the answer; lines of the log would be written into what is being typed.
        let quiet = arguments.is_conversation() && !arguments.debug;
        let level = if quiet { Level::Error } else { loaded.config.gateway.log_level };
        let console: SinkConfig = console(level);
        let supervisor = Supervisor::start(&[console], context)?;
        let plugins = plugin_tools(&loaded.config, &masker, &PluginTools::default()).await;
        let cron = cron_tool(&loaded.config, &JobStore::new(&loaded.paths.workspace));
        let stores = Stores::new(session_options(&loaded.config));
        open_sessions(&loaded.config, &loaded.paths, &stores).await?;
        let supply = Supply { plugins: plugins.clone(), cron, stores: stores.clone(), ..Supply::default() };
        let team = team(&bus, &loaded.config, &loaded.paths, &masker, &supply, None)?;
        let window = Duration::from_secs(60 * loaded.config.telemetry.session_active_minutes);
        let agent = Agent::new(bus.clone(), team, &[CLI_CHANNEL], 1, window);
        Ok(Self {
            agent,
            stores,
            plugins,
            supervisor: tokio::sync::Mutex::new(supervisor),
            bus,
            session: arguments.session.clone(),
            model: arguments.model.clone(),
        })
    }

    /// Makes sure that everything is on disk and said.
    pub(super) async fn stop(&self) {
        self.agent.drain(PATIENCE).await;
        let _ = timeout(PATIENCE, self.plugins.stop()).await;
        if let Err(error) = self.stores.close().await {
            tracing::error!(%error, "Sessions could not be closed.");
        }
        self.bus.close();
        self.supervisor.lock().await.drain(PATIENCE).await;
    }
}

#[async_trait]
impl Answering for Local {
    async fn answer(&self, message: &str) -> anyhow::Result<()> {
        let inbound = Inbound {
            channel: CLI_CHANNEL,
            conversation: Conversation::Session(self.session.clone()),
            messages: vec![Message::new(Role::User, message)],
            model: self.model.clone(),
            sampling: Sampling::default(),
            stream: true,
            tool_calls: false,
            steer: false,
            received: Instant::now(),
        };
        let mut turn = self.agent.submit(inbound).await?;
        while let Some(progress) = turn.progress.recv().await {
            if let Progress::Text(text) = progress {
                write_out(&text);
            }
        }
        turn.reply.await.map_err(|_| anyhow::anyhow!("the turn was cancelled"))??;
        write_out("\n");
        Ok(())
    }
}
