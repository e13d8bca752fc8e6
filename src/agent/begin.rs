//! Accepts messages and starts their turns, each as a task of its own.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use async_trait::async_trait;
use picoclaw_telemetry::words::{Command, Origin, Rejection};
use picoclaw_telemetry::{Detail, Event};
use tokio::sync::{mpsc, oneshot};

use super::assistant::Agent;
use super::commands::{self, Errand, Meant};
use super::gate::QUEUE_LIMIT;
use super::inbound::{
    Assistant, Conversation, Inbound, ModelInfo, Pieces, Refusal, ToolFeedback, TurnHandle,
};
use super::task::Task;
use crate::quote::quote;

/// Pieces of an answer that wait for a slow reader, per turn.
const PROGRESS_ROOM: usize = 64;

impl Agent {
    /// Accepts a message and starts its turn. What no person sent is not counted as a message, and is no command.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn begin(&self, mut inbound: Inbound, origin: Origin) -> Result<TurnHandle, Refusal> {
        let inner = &self.0;
        let agents = inner.agents.load();
        let refuse = |reason, message: String| {
            self.refused_because(inbound.channel, reason, &message);
            Err(Refusal { reason, message })
        };
        if inner.draining.load(Ordering::Acquire) {
            return refuse(Rejection::Draining, "the gateway is stopping; try again in a moment".into());
        }
        let (setup, session) = agents.route(inbound.channel, &inbound.conversation);
        let setup = Arc::clone(setup);
        let meant = match &session {
            Some(_) if origin == Origin::User => commands::meant(&mut inbound.messages, &setup.prompt).await,
            _ => Meant::Turn,
        };
        let chosen = session
            .as_ref()
            .filter(|_| inbound.model.is_none())
            .and_then(|id| inner.desk.chosen(id.key()).filter(|model| setup.models.is_known(model)));
        let Some(candidates) = setup.models.candidates(inbound.model.as_deref().or(chosen.as_deref())) else {
            let name = inbound.model.as_deref().unwrap_or("default");
            return refuse(
                Rejection::UnknownModel,
                format!(
                    "the model {} is not configured: use a name of model_list, or leave it out",
                    quote(name)
                ),
            );
        };
        let place = match &session {
            Some(id) if waits(&meant) => match inner.gates.queue(id.key()) {
                Some(place) => Some(place),
                None => {
                    let text =
                        format!("{QUEUE_LIMIT} messages already wait in this session; try again later");
                    return refuse(Rejection::Busy, text);
                }
            },
            _ => None,
        };
        let label = self.channel_label(inbound.channel);
        let detail = match &inbound.conversation {
            Conversation::Session(name) | Conversation::Key(name) | Conversation::Single(name) => {
                Detail::new(name)
            }
            Conversation::Chat(chat) => Detail::new(&chat.id),
            Conversation::Stateless => {
                Detail::from(format!("stateless-{}", inner.stateless.fetch_add(1, Ordering::Relaxed) + 1))
            }
        };
        if origin == Origin::User {
            inner.bus.emit(Event::MessageReceived { channel: label, session: detail.clone() });
        }
        if let Some(id) = &session {
            self.touch(id.key(), Instant::now());
        }

        let aside = match (meant, session.as_ref()) {
            (Meant::Command(command, arguments), Some(id)) => {
                let (agent, session) = (self.clone(), id.clone());
                let errand =
                    Errand { agent, setup, command, arguments, label, detail, session, place, inbound };
                return Ok(errand.begin());
            }
            (meant, _) => matches!(meant, Meant::Aside),
        };
        // What the gateway does by itself is for the model that is configured for it.
        let asked = !matches!(inbound.conversation, Conversation::Single(_));
        let routed = asked && inbound.model.is_none() && chosen.is_none();
        let (progress, pieces) =
            match (inbound.stream || inbound.tool_calls).then(|| mpsc::channel(PROGRESS_ROOM)) {
                Some((progress, pieces)) => (Some(progress), pieces.into()),
                None => (None, Pieces::default()),
            };
        let (answer, reply) = oneshot::channel();
        let cancel = inner.cancel_all.child_token();
        let task = Task {
            agent: self.clone(),
            origin,
            setup,
            candidates,
            label,
            detail,
            session,
            progress,
            answer,
            cancel: cancel.clone(),
            aside,
            routed,
            sees: true,
            inbound,
        };
        // Boxed before it is spawned: a turn is some kilobytes, which each step of spawning and ending would copy.
        inner.turns.spawn(Box::pin(task.run(place)));
        Ok(TurnHandle { progress: pieces, reply, cancel: cancel.drop_guard() })
    }
}

#[async_trait]
impl Assistant for Agent {
    async fn submit(&self, inbound: Inbound) -> Result<TurnHandle, Refusal> {
        self.begin(inbound, Origin::User).await
    }

    fn refused(&self, channel: &'static str, reason: Rejection) {
        let channel = self.channel_label(channel);
        self.0.bus.emit(Event::MessageRejected { channel, reason, error: None });
    }

    fn refused_because(&self, channel: &'static str, reason: Rejection, why: &str) {
        let channel = self.channel_label(channel);
        self.0.bus.emit(Event::MessageRejected { channel, reason, error: Some(Detail::new(why)) });
    }

    fn workspace(&self, channel: &str, conversation: &Conversation) -> Option<PathBuf> {
        let agents = self.0.agents.load();
        let (setup, _) = agents.route(channel, conversation);
        setup.pictures.as_ref().map(|pictures| pictures.home().to_owned())
    }

    fn tool_feedback(&self) -> Option<ToolFeedback> {
        self.0.agents.load().default().limits.tool_feedback
    }

    fn splits_answers(&self) -> bool {
        self.0.agents.load().default().limits.split_answers
    }

    fn models(&self) -> Vec<ModelInfo> {
        self.0.agents.load().default().models.list()
    }
}

/// Whether what is meant has to wait for the turn of its session that runs.
fn waits(meant: &Meant) -> bool {
    matches!(meant, Meant::Turn | Meant::Command(Command::Clear, _))
}
