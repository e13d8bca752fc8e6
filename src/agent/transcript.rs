//! What a turn adds to its session.

use std::sync::Arc;

use crate::chat::{Message, Role};

/// The conversation of one turn: what was there before, and what is new.
#[derive(Debug)]
pub(super) struct Transcript {
    before: Vec<Arc<Message>>,
    new: Vec<Arc<Message>>,
}

impl Transcript {
    /// A turn that begins with these inbound messages.
    pub(super) fn new(before: Vec<Arc<Message>>, inbound: Vec<Message>) -> Self {
        let new = inbound.into_iter().map(stamped).collect();
        Self { before, new }
    }

    /// Adds a message.
    pub(super) fn push(&mut self, message: Message) {
        self.new.push(stamped(message));
    }

    /// The whole conversation, oldest first.
    pub(super) fn messages(&self) -> Vec<&Message> {
        self.before.iter().chain(&self.new).map(Arc::as_ref).collect()
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
}

fn stamped(mut message: Message) -> Arc<Message> {
    if message.created_at.is_none() {
        message.created_at = Some(jiff::Timestamp::now().to_string());
    }
    Arc::new(message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::{FunctionCall, ToolCall};

    fn calls(n: usize) -> Message {
        let call = |i: usize| ToolCall {
            id: format!("c{i}"),
            kind: "function".into(),
            function: FunctionCall { name: "list_dir".into(), arguments: "{}".into() },
            other: serde_json::Map::new(),
        };
        Message { tool_calls: (0..n).map(call).collect(), ..Message::new(Role::Assistant, "") }
    }

    fn completed(new: Vec<Message>) -> Vec<Role> {
        let mut transcript = Transcript::new(Vec::new(), vec![Message::new(Role::User, "hi")]);
        new.into_iter().for_each(|message| transcript.push(message));
        transcript.into_completed().iter().map(|message| message.role).collect()
    }

    #[test]
    fn a_broken_turn_leaves_only_complete_exchanges() {
        use Role::{Assistant, Tool, User};
        assert_eq!(completed(vec![]), []);
        assert_eq!(completed(vec![calls(1)]), []);
        assert_eq!(completed(vec![calls(1), Message::tool_result("c0", "x")]), [User, Assistant, Tool]);
        assert_eq!(completed(vec![calls(2), Message::tool_result("c0", "x")]), []);
        let two = vec![calls(1), Message::tool_result("c0", "x"), calls(2), Message::tool_result("c0", "x")];
        assert_eq!(completed(two), [User, Assistant, Tool]);
    }
}
