//! One message, from its arrival to the answer.

use std::sync::Arc;
use std::time::Duration;

use picoclaw_telemetry::Detail;
use tokio::time::Instant;

use super::frames;
use super::{Pico, SENDER, nobody_there};
use crate::link::Link;
use crate::marker;
use picoclaw::agent::{Chat, Conversation, Inbound, Progress, Refusal, Reply, TurnError, TurnHandle};
use picoclaw::chat::{Message, Sampling};
use picoclaw::ids::uuid;
use picoclaw::media::picture::{Picture, fit_inline};

/// A message of a client.
pub(super) struct Heard {
    pub(super) session: String,
    pub(super) content: String,
    pub(super) files: Vec<Picture>,
}

/// Hands a message to the agent. Messages of one client are handed over in the order in which they came; the answer
/// comes later.
pub(super) async fn begin(pico: &Arc<Pico>, link: &Arc<Link>, heard: Heard) {
    let received = std::time::Instant::now();
    let Heard { session, mut content, files } = heard;
    pico.registry.send(&session, frames::typing_start(&session));
    let shown = pico.placeholder.as_ref().map(|text| {
        let id = uuid();
        pico.registry.send(&session, frames::placeholder(&session, &id, text));
        id
    });
    let address = format!("pico:{session}");
    let chat = Chat { kind: "direct", id: address.clone(), sender: SENDER.to_owned(), ..Chat::default() };
    let mut images = Vec::new();
    if !files.is_empty() {
        let inbox = link.inbox(&pico.inbox, &chat);
        let inline = fit_inline(files.iter().map(|file| file.url.len()));
        for file in files {
            images.extend(inbox.enclose(link.name(), file, inline, &mut content).await);
        }
    }
    let inbound = Inbound {
        channel: link.name(),
        conversation: Conversation::Chat(chat),
        messages: vec![Message::from_person(content, images)],
        model: None,
        sampling: Sampling::default(),
        stream: pico.streaming.enabled,
        tool_calls: link.assistant().tool_feedback().is_some(),
        steer: true,
        received,
    };
    let submitted = link.submit(&address, inbound).await;
    let answer = Answer { pico: Arc::clone(pico), link: Arc::clone(link), session, shown };
    link.tasks.spawn(answer.follow(submitted));
}

/// An answer that is awaited.
struct Answer {
    pico: Arc<Pico>,
    link: Arc<Link>,
    session: String,
    /// The message that stands in for the answer, or has grown so far.
    shown: Option<String>,
}

impl Answer {
    async fn follow(mut self, submitted: Result<TurnHandle, Refusal>) {
        match submitted {
            Ok(mut turn) => {
                let done = self.show_progress(&mut turn).await;
                match turn.reply.await {
                    Ok(Ok(reply)) if reply.joined => self.give_way(),
                    Ok(Ok(reply)) => self.answer(&reply, done).await,
                    Ok(Err(error)) => self.excuse(&excuse(&error)).await,
                    Err(_) => self.excuse("Error processing message: the turn was lost").await,
                }
            }
            Err(refusal) => self.excuse(&refusal.message).await,
        }
    }

    fn send(&self, frame: String) -> bool {
        self.pico.registry.send(&self.session, frame)
    }

    /// Sends the answer, but for the parts of it that are done.
    async fn answer(mut self, reply: &Reply, done: usize) {
        let parts = if self.splits() { marker::parts(&reply.content) } else { vec![reply.content.as_str()] };
        let (last, before) = parts.split_last().expect("a text has at least one part");
        for part in before.iter().skip(done) {
            self.show(part);
            self.shown = None;
        }
        self.finish(|session, id, old| frames::answer(session, id, reply, last, old)).await;
    }

    fn splits(&self) -> bool {
        self.link.assistant().splits_answers()
    }

    /// Shows what comes while the turn goes on. Returns how many parts of the answer are done.
    async fn show_progress(&mut self, turn: &mut TurnHandle) -> usize {
        let splits = self.splits();
        let mut done = 0;
        let mut text = String::new();
        let mut thought = String::new();
        let mut growth = self.growth();
        while let Some(progress) = turn.progress.recv().await {
            match progress {
                Progress::Text(piece) => {
                    self.think(&mut thought);
                    text.push_str(&piece);
                    while splits && let Some((part, rest)) = next_part(&text) {
                        self.show(part);
                        self.shown = None;
                        done += 1;
                        text = rest.to_owned();
                        growth = self.growth();
                    }
                    let settled = if splits { marker::visible(&text) } else { &text };
                    if !settled.is_empty() && growth.is_due(settled.chars().count()) {
                        self.show(settled);
                    }
                }
                Progress::Reasoning(piece) => thought.push_str(&piece),
                Progress::ToolCalls { said, calls } => {
                    self.think(&mut thought);
                    // What was shown already is a message of its own.
                    let explanation = if text.is_empty() && done == 0 { said.as_str() } else { "" };
                    done = 0;
                    if !text.is_empty() {
                        self.show(&if splits { marker::together(&text) } else { text.clone() });
                        text.clear();
                        // The answer is a message of its own.
                        self.shown = None;
                        growth = self.growth();
                    }
                    let longest =
                        self.link.assistant().tool_feedback().map(|feedback| feedback.max_args_length);
                    self.send(frames::tool_calls(&self.session, &uuid(), explanation, &calls, longest));
                }
            }
        }
        self.think(&mut thought);
        done
    }

    fn growth(&self) -> Growth {
        let streaming = &self.pico.streaming;
        Growth::new(streaming.throttle_seconds, streaming.min_growth_chars)
    }

    fn think(&self, thought: &mut String) {
        if !thought.is_empty() {
            self.send(frames::thought(&self.session, &uuid(), thought));
            thought.clear();
        }
    }

    /// Shows the text so far.
    fn show(&mut self, text: &str) {
        if let Some(id) = &self.shown {
            self.send(frames::update(&self.session, id, text));
        } else {
            let id = uuid();
            self.send(frames::create(&self.session, &id, text));
            self.shown = Some(id);
        }
    }

    /// The message joined a turn whose answer the session has already.
    fn give_way(self) {
        self.send(frames::typing_stop(&self.session));
        if let Some(id) = &self.shown {
            self.send(frames::delete(&self.session, id));
        }
    }

    async fn excuse(self, text: &str) {
        self.finish(|session, id, replaces| match replaces {
            true => frames::update(session, id, text),
            false => frames::create(session, id, text),
        })
        .await;
    }

    /// Sends the last frame, and counts whether it reached somebody.
    async fn finish(self, frame: impl FnOnce(&str, &str, bool) -> String) {
        let mut delivery = self.link.delivery(&format!("pico:{}", self.session));
        self.send(frames::typing_stop(&self.session));
        let id = self.shown.clone().unwrap_or_else(uuid);
        delivery.attempt(1);
        if self.pico.registry.deliver(&self.session, frame(&self.session, &id, self.shown.is_some())).await {
            delivery.sent();
        } else {
            delivery.failed(Detail::from(nobody_there(&self.session)));
        }
    }
}

/// The first part of a text if another one has begun after it, and the rest.
fn next_part(text: &str) -> Option<(&str, &str)> {
    let (part, rest) = marker::cut(text)?;
    if part.trim().is_empty() {
        return next_part(rest);
    }
    // The last part is the answer's, whatever marks follow it.
    let begun = marker::settled(rest).trim_start();
    let more = !begun.is_empty() && marker::cut(begun).is_none_or(|(before, _)| !before.trim().is_empty());
    more.then(|| (part.trim(), rest))
}

/// What a person reads in place of an answer.
fn excuse(error: &TurnError) -> String {
    format!("Error processing message: {}", error.message)
}

/// When the growing text is shown again.
struct Growth {
    throttle: Duration,
    least: usize,
    shown: usize,
    last: Option<Instant>,
}

impl Growth {
    fn new(throttle_seconds: f64, least: usize) -> Self {
        Self {
            throttle: Duration::from_secs_f64(throttle_seconds),
            least: least.max(1),
            shown: 0,
            last: None,
        }
    }

    /// Whether a text of this length is to be shown: the first one is, then after a while or some growth.
    fn is_due(&mut self, length: usize) -> bool {
        let waits = self.last.is_some_and(|last| last.elapsed() < self.throttle);
        if waits && length < self.shown + self.least {
            return false;
        }
        self.shown = length;
        self.last = Some(Instant::now());
        true
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[test]
    fn a_part_is_done_when_another_one_has_begun() {
        assert_eq!(next_part("one<|[SPLIT]|>t"), Some(("one", "t")));
        assert_eq!(next_part("<|[SPLIT]|> one <|[SPLIT]|>two<|[SPLIT]|>"), Some(("one", "two<|[SPLIT]|>")));
        for not_yet in ["one", "one<|[SPLIT]|> ", "one<|[SPLIT]|> <|[SPL", "one<|[SPLIT]|><|[SPLIT]|>"] {
            assert_eq!(next_part(not_yet), None, "{not_yet}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_growing_text_is_shown_after_a_while_or_some_growth() {
        let mut growth = Growth::new(1.0, 10);
        assert!(growth.is_due(1) && !growth.is_due(5) && !growth.is_due(10) && growth.is_due(11));
        advance(Duration::from_millis(1100)).await;
        assert!(growth.is_due(12) && !growth.is_due(13));
    }
}
