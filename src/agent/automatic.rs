//! Turns that no person asked for: those of scheduled jobs and of the heartbeat.

use std::sync::Arc;
use std::time::Instant;

use picoclaw_telemetry::Detail;
use picoclaw_telemetry::event::NO_TURN;
use picoclaw_telemetry::words::Origin;
use serde_json::Map;

use super::assistant::Agent;
use super::inbound::{Conversation, Inbound};
use super::tool_calls::Calling;
use crate::chat::{FunctionCall, Message, Role, Sampling, ToolCall};
use crate::tools::{Caller, ToolOutput};

/// The channel on whose behalf the gateway itself acts. It is local: whoever may change jobs may do so at the terminal.
const CHANNEL: &str = crate::http::channel::CLI_CHANNEL;

impl Agent {
    /// Asks in a conversation and waits for the whole answer. It is not counted as a message of a person.
    ///
    /// # Errors
    /// Why there is no answer, for a person.
    pub async fn ask(
        &self,
        conversation: Conversation,
        text: &str,
        origin: Origin,
    ) -> Result<String, String> {
        let inbound = Inbound {
            channel: CHANNEL,
            conversation,
            messages: vec![Message::new(Role::User, text)],
            model: None,
            sampling: Sampling::default(),
            stream: false,
            tool_calls: false,
            steer: false,
            received: Instant::now(),
        };
        let turn = self.begin(inbound, origin).await.map_err(|refusal| refusal.message)?;
        match turn.reply.await {
            Ok(Ok(reply)) => Ok(reply.content),
            Ok(Err(error)) => Err(error.message),
            Err(_) => Err("the turn was cancelled".to_owned()),
        }
    }

    /// Runs a tool without asking a model, counted like any call of it; `None` when there is no such tool. `session` says
    /// in the log on whose behalf.
    pub async fn use_tool(
        &self,
        name: &str,
        arguments: &serde_json::Value,
        session: &str,
    ) -> Option<ToolOutput> {
        let setup = Arc::clone(self.0.agents.load().default());
        setup.tools.get(name)?;
        let (session, function) =
            (Detail::new(session), FunctionCall { name: name.to_owned(), arguments: arguments.to_string() });
        let call =
            ToolCall { id: String::new(), kind: "function".to_owned(), function, other: Map::default() };
        let calling = Calling { bus: &self.0.bus, turn: NO_TURN, session: &session, caller: Caller::LOCAL };
        Some(setup.tools.call(calling, &call).await)
    }
}
