//! Tells a chat what a spawned sub-agent has brought, as soon as it is there.
//!
//! The model of the conversation is told, in a turn that no message of a person has begun, and its answer goes to the
//! chat. When the conversation is busy, that turn waits like a message, and is not needed any more if the turn before it
//! has taken the result in. Where nothing can be sent without a question, as over HTTP, the result waits for the next
//! one.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use picoclaw_telemetry::words::Origin;
use picoclaw_telemetry::{Detail, Label};
use tokio::sync::oneshot;

use super::super::assistant::Agent;
use super::super::inbound::{Conversation, Inbound};
use super::super::task::Task;
use super::super::turn::Work;
use crate::chat::Sampling;
use crate::chat::courier::{Courier, Outgoing};
use crate::sessions::SessionId;

impl Agent {
    /// Lets results be told to chats through this courier; the first one stays.
    pub fn deliver_with(&self, courier: Arc<dyn Courier>) {
        let _ = self.0.courier.set(courier);
    }
}

/// The conversation in which a task was spawned.
pub(super) struct Report {
    agent: Agent,
    /// Whose conversation it is.
    id: Arc<str>,
    session: SessionId,
    label: Label,
    detail: Detail,
    chat: String,
}

impl Report {
    /// `None` when nothing can be sent to the conversation without a question.
    pub(super) fn to(work: &Work<'_>) -> Option<Self> {
        let (label, channel) = (work.post.label, work.caller.channel);
        let courier = work.post.agent.0.courier.get()?;
        // The label of a channel beyond the vocabulary is not its name.
        let can_send = label.as_str() == channel && courier.destinations().iter().any(|name| name == channel);
        can_send.then_some(())?;
        Some(Self {
            agent: work.post.agent.clone(),
            id: Arc::clone(work.post.id),
            session: work.post.session?.clone(),
            label,
            detail: work.session.clone(),
            chat: work.caller.chat.to_owned(),
        })
    }

    /// Has the conversation told. A named type ends the recursion of turns in turns.
    pub(super) fn tell(self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            let agents = self.agent.0.agents.load_full();
            let setup = agents.get(&self.id).unwrap_or_else(|| agents.default());
            let chosen = self.agent.0.desk.chosen(self.session.key());
            let candidates = setup.models.candidates(chosen.as_deref());
            let Some(candidates) = candidates.or_else(|| setup.models.candidates(None)) else { return };
            // So many messages wait that one of them will hear of it.
            let Some(place) = self.agent.0.gates.queue(self.session.key()) else { return };
            let (answer, reply) = oneshot::channel();
            let task = Task {
                agent: self.agent.clone(),
                origin: Origin::Report,
                setup: Arc::clone(setup),
                candidates,
                label: self.label,
                detail: self.detail.clone(),
                session: Some(self.session.clone()),
                progress: None,
                answer,
                cancel: self.agent.0.cancel_unawaited.child_token(),
                aside: false,
                routed: false,
                sees: true,
                inbound: Inbound {
                    channel: self.label.as_str(),
                    conversation: Conversation::Session(self.chat.clone()),
                    messages: Vec::new(),
                    model: None,
                    sampling: Sampling::default(),
                    stream: false,
                    tool_calls: false,
                    steer: false,
                    received: Instant::now(),
                },
            };
            task.run(Some(place)).await;
            if let (Ok(Ok(reply)), Some(courier)) = (reply.await, self.agent.0.courier.get()) {
                // What becomes of it is on the bus.
                let _ = courier.deliver(self.label.as_str(), &self.chat, Outgoing::text(reply.content)).await;
            }
        })
    }
}
