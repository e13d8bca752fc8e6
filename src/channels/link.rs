//! What a channel has of the gateway.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use picoclaw_telemetry::guard::{Client, Delivery};
use picoclaw_telemetry::words::Rejection;
use picoclaw_telemetry::{Bus, Detail, Event, Label};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::last_chat::LastChat;
use super::outbound::Post;
use picoclaw::agent::{Assistant, Chat, Conversation, Inbound, Refusal, TurnHandle};
use picoclaw::chat::courier::{DeliveryError, Outgoing, Receipt};
use picoclaw::media::inbox::Inbox;
use picoclaw::quote::quote;

/// The gateway, as one channel sees it.
pub struct Link {
    name: &'static str,
    label: Label,
    bus: Bus,
    assistant: Arc<dyn Assistant>,
    post: Post,
    last_chat: LastChat,
    is_up: AtomicBool,
    /// Cancelled when the channel is to stop.
    pub stop: CancellationToken,
    /// What the channel has under way.
    pub tasks: TaskTracker,
}

impl Link {
    pub(super) fn new(
        name: &'static str,
        label: Label,
        bus: Bus,
        assistant: Arc<dyn Assistant>,
        post: Post,
        last_chat: LastChat,
    ) -> Self {
        Self {
            name,
            label,
            bus,
            assistant,
            post,
            last_chat,
            is_up: AtomicBool::new(false),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        }
    }

    /// The channel's configured name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The same as a label.
    pub(super) fn label(&self) -> Label {
        self.label
    }

    /// Who answers.
    pub fn assistant(&self) -> &dyn Assistant {
        self.assistant.as_ref()
    }

    /// Hands a message of a chat to the agent, and remembers that this chat was the last one.
    ///
    /// # Errors
    /// When the agent does not accept it.
    pub(super) async fn submit(&self, chat: &str, inbound: Inbound) -> Result<TurnHandle, Refusal> {
        let turn = self.assistant.submit(inbound).await?;
        self.last_chat.note(self.name, chat);
        Ok(turn)
    }

    /// Where files of a message in this chat are kept: with the agent that will answer it, else where they usually are.
    pub(super) fn inbox(&self, usual: &Inbox, chat: &Chat) -> Inbox {
        usual.within(self.assistant.workspace(self.name, &Conversation::Chat(chat.clone())))
    }

    /// The channel can receive messages.
    pub fn up(&self) {
        if !self.is_up.swap(true, Ordering::AcqRel) {
            self.bus.emit(Event::ChannelStarted { channel: self.label });
        }
    }

    /// The channel cannot receive messages, and does what it can about it.
    pub fn down(&self, error: &str) {
        self.is_up.store(false, Ordering::Release);
        self.bus.emit(Event::ChannelFailed { channel: self.label, error: Detail::new(error) });
    }

    /// Whether it can receive messages.
    pub fn is_up(&self) -> bool {
        self.is_up.load(Ordering::Acquire)
    }

    /// The channel has stopped on purpose.
    pub(super) fn stopped(&self) {
        self.is_up.store(false, Ordering::Release);
        self.bus.emit(Event::ChannelStopped { channel: self.label });
    }

    /// Counts a message that the channel itself refuses, with what an operator wants to know; it must not quote what
    /// people say.
    pub fn refused_because(&self, reason: Rejection, why: &str) {
        self.assistant.refused_because(self.name, reason, why);
    }

    /// Counts a message of somebody who is not in `allow_from`, and says who it was.
    pub fn not_allowed(&self, sender: &str) {
        let why = format!("the sender {} is not in channel_list.{}.allow_from", quote(sender), self.name);
        self.refused_because(Rejection::NotAllowed, &why);
    }

    /// Sends a message through the queue, in place of the message `replace` if there is one.
    pub async fn deliver(
        &self,
        chat: &str,
        message: Outgoing,
        replace: Option<String>,
    ) -> Result<Receipt, DeliveryError> {
        self.post.deliver(chat, message, replace).await
    }

    /// Counts a message that the channel sends by itself, past the queue.
    pub fn delivery(&self, chat: &str) -> Delivery {
        Delivery::start(&self.bus, self.label, Detail::new(chat))
    }

    /// Counts a client that is connected, until the guard is dropped.
    pub fn client(&self) -> Client {
        Client::connected(&self.bus, self.label)
    }
}
