//! Which tools the agent calls, told to people while they wait for the answer.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::channel::{Channel, Piece};
use super::link::Link;
use picoclaw::agent::{Progress, ToolFeedback, TurnHandle};
use picoclaw::chat::ToolCall;
use picoclaw::chat::courier::Outgoing;

/// Calls that wait to be told. A turn does not wait for a network: more are not told.
const QUEUE: usize = 8;
/// How long the answer waits for what is being told.
const PATIENCE: Duration = Duration::from_secs(5);
/// Calls in one message.
const MOST_LINES: usize = 20;

/// A line about a call: the tool and its arguments, cut.
pub(super) fn line(call: &ToolCall, feedback: ToolFeedback) -> String {
    let function = &call.function;
    // Within a line of code nothing is formatting, but for its end.
    let code = |text: &str| text.replace('`', "'").split_whitespace().collect::<Vec<_>>().join(" ");
    let arguments = shortened(&code(&function.arguments), feedback.max_args_length);
    match arguments.as_str() {
        "" | "{}" => format!("\u{1f527} `{}`", code(&function.name)),
        arguments => format!("\u{1f527} `{}` `{arguments}`", code(&function.name)),
    }
}

/// The beginning of a text.
pub(super) fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", text[..end].trim_end()),
        None => text.to_owned(),
    }
}

/// Tells what comes of a turn until it ends. Returns the message that then stands in for the answer.
pub(super) async fn follow(
    teller: Teller,
    turn: &mut TurnHandle,
    stand_in: Option<String>,
) -> Option<String> {
    let feedback = teller.feedback;
    let (lines, told) = mpsc::channel(QUEUE);
    let tasks = teller.link.tasks.clone();
    let mut telling = tasks.spawn(teller.tell(told, stand_in.clone()));
    while let Some(progress) = turn.progress.recv().await {
        if let Progress::ToolCalls { calls, .. } = progress {
            for call in &calls {
                let _ = lines.try_send(line(call, feedback));
            }
        }
    }
    drop(lines);
    if let Ok(Ok(last)) = timeout(PATIENCE, &mut telling).await {
        return last;
    }
    // Nothing may take the place of the answer.
    telling.abort();
    stand_in
}

/// Who tells it in one chat.
pub(super) struct Teller {
    pub(super) channel: Arc<dyn Channel>,
    pub(super) link: Arc<Link>,
    pub(super) address: String,
    pub(super) feedback: ToolFeedback,
}

impl Teller {
    async fn tell(self, mut told: mpsc::Receiver<String>, mut stand_in: Option<String>) -> Option<String> {
        let mut shown: Vec<String> = Vec::new();
        while let Some(line) = told.recv().await {
            // What cannot be replaced would be said again with every line.
            if self.feedback.separate_messages || !self.channel.replaces() {
                // Counted there, whatever becomes of it.
                let _ = self.link.deliver(&self.address, Outgoing::text(line), None).await;
                continue;
            }
            shown.push(line);
            while let Ok(line) = told.try_recv() {
                shown.push(line);
            }
            let surplus = shown.len().saturating_sub(MOST_LINES);
            shown.drain(..surplus);
            let piece = Piece::Text { text: shown.join("\n"), reply_to: None };
            let sent = self.channel.send(&self.address, &piece, stand_in.as_deref()).await;
            // It is a courtesy: the answer comes without it, too.
            stand_in = sent.ok().flatten().or(stand_in);
            sleep(Duration::from_secs_f64(1.0 / self.channel.rate())).await;
        }
        stand_in
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use picoclaw::chat::FunctionCall;

    #[test]
    fn a_line_is_short_and_plain() {
        let line = |name: &str, arguments: &str| {
            let function = FunctionCall { name: name.into(), arguments: arguments.into() };
            let call =
                ToolCall { id: "1".into(), kind: "function".into(), function, other: Default::default() };
            line(&call, ToolFeedback { max_args_length: 12, separate_messages: false })
        };
        assert_eq!(line("list_dir", "{}"), "\u{1f527} `list_dir`");
        assert_eq!(line("a`b", "{\"x\":\n 1}"), "\u{1f527} `a'b` `{\"x\": 1}`");
        assert_eq!(line("f", "ääääääääääääää"), "\u{1f527} `f` `ääääääääääää…`");
    }
}
