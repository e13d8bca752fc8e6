//! What a turn adds to its session.

use std::fmt::Write as _;
use std::sync::Arc;

use picoclaw_telemetry::words::Compaction;

use super::budget;
use super::pictures;
use crate::chat::{Message, Role};
use crate::sessions::{Forgotten, History};

/// The conversation of one turn: what was there before, and what is new.
#[derive(Debug, Default)]
pub(super) struct Transcript {
    prompt: Option<Arc<Message>>,
    summary: Option<Arc<Message>>,
    history: History,
    new: Vec<Arc<Message>>,
    /// What all of it weighs.
    bytes: u64,
    cut: Option<Cut>,
}

/// What was taken out of the beginning of a conversation so that the rest fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    pub(super) trigger: Compaction,
    /// How many messages are left out, those included that were not even read.
    pub(super) messages: u64,
}

impl Transcript {
    /// A turn that begins with these inbound messages.
    pub(super) fn new(
        prompt: Option<Arc<Message>>,
        history: History,
        inbound: impl IntoIterator<Item = Message>,
    ) -> Self {
        let summary = (!history.summary.is_empty()).then(|| summary_message(&history.summary));
        let mut transcript =
            Self { prompt, summary, history, new: Vec::with_capacity(2), bytes: 0, cut: None };
        let before = transcript.messages_before().map(|message| budget::weigh(message)).sum();
        transcript.bytes = before;
        for message in inbound {
            transcript.push(message);
        }
        transcript
    }

    /// Adds a message.
    pub(super) fn push(&mut self, message: Message) {
        self.bytes += budget::weigh(&message);
        self.new.push(stamped(message));
    }

    /// The whole conversation, oldest first.
    pub(super) fn messages(&self) -> Vec<&Message> {
        let mut all = Vec::with_capacity(self.history.messages.len() + self.new.len() + 2);
        all.extend(self.messages_before().chain(&self.new).map(Arc::as_ref));
        all
    }

    /// Whether images came with what is to be answered: what was said after the last answer.
    pub(super) fn shows_images(&self) -> bool {
        let unanswered = self.new.iter().rev().take_while(|message| message.role != Role::Assistant);
        unanswered.into_iter().any(|message| pictures::has_any(message))
    }

    /// What the conversation weighs, in bytes that a model reads.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What the messages of the conversation weigh, without what opens it.
    pub(super) fn conversation_bytes(&self) -> u64 {
        let opening = self.prompt.iter().chain(&self.summary);
        self.bytes - opening.map(|message| budget::weigh(message)).sum::<u64>()
    }

    /// How many messages the session will have.
    pub(super) fn len(&self) -> usize {
        self.history.messages.len() + self.new.len()
    }

    /// Takes the oldest messages out until the conversation weighs at most `target`, as far as what was said before
    /// this turn goes. It is cut before a message of the person only, which keeps tool calls with their results. Says
    /// whether anything was left to take out.
    pub(super) fn cut(&mut self, target: u64, trigger: Compaction) -> bool {
        let messages = &self.history.messages;
        let (mut at, mut bytes) = (0, self.bytes);
        while at < messages.len() && (bytes > target || messages[at].role != Role::User) {
            bytes -= budget::weigh(&messages[at]);
            at += 1;
        }
        if at == 0 {
            return false;
        }
        Arc::make_mut(&mut self.history.messages).drain(..at);
        self.bytes = bytes;
        let before = self.cut.map_or(self.history.omitted, |cut| cut.messages);
        let cut = Cut { trigger, messages: before + at as u64 };
        self.cut = Some(cut);
        let text = left_out(&self.history.summary, cut.messages);
        self.bytes -= self.summary.as_deref().map_or(0, budget::weigh);
        let summary = summary_message(&text);
        self.bytes += budget::weigh(&summary);
        self.summary = Some(summary);
        true
    }

    /// What was taken out, for the session to forget it too.
    pub(super) fn forgotten(&self) -> Option<(Cut, Forgotten)> {
        let cut = self.cut?;
        let summary = left_out(&self.history.summary, cut.messages);
        Some((cut, Forgotten { since: self.history.skip, messages: cut.messages, summary }))
    }

    /// What the turn adds, when it ended well.
    pub(super) fn into_new(self) -> Vec<Arc<Message>> {
        self.new
    }

    /// What must be remembered of a turn that broke off: nothing, so that the person can ask again, unless tools
    /// ran. Then everything up to the last complete exchange, because the world has changed.
    pub(super) fn into_completed(mut self) -> Vec<Arc<Message>> {
        let last_result = self.new.iter().rposition(|message| message.role == Role::Tool);
        self.new.truncate(last_result.map_or(0, |at| at + 1));
        let unanswered = self.new.iter().rposition(|message| !message.tool_calls.is_empty());
        if let Some(at) = unanswered {
            let wanted = self.new[at].tool_calls.len();
            if self.new.len() - at - 1 < wanted {
                self.new.truncate(at);
            }
        }
        if self.new.iter().all(|message| message.role != Role::Tool) {
            self.new.clear();
        }
        self.new
    }

    fn messages_before(&self) -> impl Iterator<Item = &Arc<Message>> {
        self.prompt.iter().chain(&self.summary).chain(self.history.messages.iter())
    }
}

fn summary_message(summary: &str) -> Arc<Message> {
    Arc::new(Message::new(Role::System, format!("Summary of the earlier conversation:\n{summary}")))
}

/// What stands for messages that nobody summed up.
fn left_out(summary: &str, messages: u64) -> String {
    let gap = if summary.is_empty() { "" } else { "\n\n" };
    format!(
        "{summary}{gap}[{messages} earlier messages were left out because the conversation had become too long.]"
    )
}

fn stamped(mut message: Message) -> Arc<Message> {
    if message.created_at.is_none() {
        let mut now = String::with_capacity("2026-01-02T03:04:05.123456789Z".len());
        let _ = write!(now, "{}", jiff::Timestamp::now());
        message.created_at = Some(now);
    }
    Arc::new(message)
}

#[cfg(test)]
mod tests;
