//! One message, from its arrival to the answer.

use std::sync::Arc;
use std::time::Duration;

use picoclaw_telemetry::Detail;
use tokio::time::Instant;

use super::frames;
use super::{Pico, SENDER, nobody_there};
use crate::agent::{Chat, Conversation, Inbound, Progress, Refusal, TurnError, TurnHandle};
use crate::channels::ids::uuid;
use crate::channels::link::Link;
use crate::channels::picture::{Picture, fit_inline};
use crate::chat::{Message, Sampling};

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
                self.show_progress(&mut turn).await;
                match turn.reply.await {
                    Ok(Ok(reply)) if reply.joined => self.give_way(),
                    Ok(Ok(reply)) => {
                        self.finish(|session, id, old| frames::answer(session, id, &reply, old)).await;
                    }
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

    /// Shows what comes while the turn goes on.
    async fn show_progress(&mut self, turn: &mut TurnHandle) {
        let mut text = String::new();
        let mut thought = String::new();
        let mut growth = self.growth();
        while let Some(progress) = turn.progress.recv().await {
            match progress {
                Progress::Text(piece) => {
                    self.think(&mut thought);
                    text.push_str(&piece);
                    if growth.is_due(text.chars().count()) {
                        self.show(&text);
                    }
                }
                Progress::Reasoning(piece) => thought.push_str(&piece),
                Progress::ToolCalls { said, calls } => {
                    self.think(&mut thought);
                    let mut explanation = said;
                    if !text.is_empty() {
                        // It is a message of its own.
                        explanation.clear();
                        self.show(&text);
                        text.clear();
                        // The answer is a message of its own.
                        self.shown = None;
                        growth = self.growth();
                    }
                    self.send(frames::tool_calls(&self.session, &uuid(), &explanation, &calls));
                }
            }
        }
        self.think(&mut thought);
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

    #[tokio::test(start_paused = true)]
    async fn a_growing_text_is_shown_after_a_while_or_some_growth() {
        let mut growth = Growth::new(1.0, 10);
        assert!(growth.is_due(1) && !growth.is_due(5) && !growth.is_due(10) && growth.is_due(11));
        advance(Duration::from_millis(1100)).await;
        assert!(growth.is_due(12) && !growth.is_due(13));
    }
}
