//! What jobs need of the rest of the gateway.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use picoclaw_telemetry::words::{Origin, ToolStatus};
use serde_json::json;

use picoclaw::agent::{Agent, Conversation};
use picoclaw::chat::courier::{Courier, Outgoing};

/// Channels through which answers go to whoever asked and to nobody else.
const ANSWERS_ONLY: [&str; 5] = ["", "cli", "http", "system", "subagent"];

/// The agent, the shell and the channels, as jobs see them. Errors are for people.
#[async_trait]
pub trait World: Send + Sync {
    /// Has the agent take a turn, and returns its answer.
    async fn ask(&self, conversation: Conversation, text: &str, origin: Origin) -> Result<String, String>;

    /// Runs a command of the shell, and returns its output. `session` says in the log for which job.
    async fn command(&self, session: &str, command: &str, limit: Duration) -> Result<String, String>;

    /// Sends a text to a chat. To a channel that only answers nothing is sent, which is no error.
    async fn tell(&self, channel: &str, chat: &str, text: &str) -> Result<(), String>;
}

/// The gateway.
#[derive(Clone)]
pub struct AgentWorld {
    /// Takes the turns.
    pub agent: Agent,
    /// Delivers what they bring.
    pub courier: Arc<dyn Courier>,
    /// Whether commands may run.
    pub allow_command: bool,
}

#[async_trait]
impl World for AgentWorld {
    async fn ask(&self, conversation: Conversation, text: &str, origin: Origin) -> Result<String, String> {
        self.agent.ask(conversation, text, origin).await
    }

    async fn command(&self, session: &str, command: &str, limit: Duration) -> Result<String, String> {
        if !self.allow_command {
            return Err("commands of jobs are switched off: set tools.cron.allow_command".to_owned());
        }
        let arguments = json!({ "action": "run", "command": command, "timeout": limit.as_secs() });
        match self.agent.use_tool("exec", &arguments, session).await {
            Some(output) if output.status == ToolStatus::Success => Ok(output.text),
            Some(output) => Err(output.text),
            None => Err("commands cannot run: the tool exec is switched off (tools.exec.enabled)".to_owned()),
        }
    }

    async fn tell(&self, channel: &str, chat: &str, text: &str) -> Result<(), String> {
        if ANSWERS_ONLY.contains(&channel) || text.trim().is_empty() {
            return Ok(());
        }
        let delivered = self.courier.deliver(channel, chat, Outgoing::text(text)).await;
        delivered.map(drop).map_err(|error| error.to_string())
    }
}
