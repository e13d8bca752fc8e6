//! One message of a chat network, from its arrival to the answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use picoclaw_telemetry::words::Rejection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::channel::{Channel, Piece};
use super::feedback::{self, Teller};
use super::link::Link;
use picoclaw::agent::{Chat, Conversation, Inbound, Refusal, ToolFeedback, TurnHandle};
use picoclaw::chat::courier::Outgoing;
use picoclaw::chat::{Message, Sampling};
use picoclaw::media::inbox::Kept;

/// Messages of one channel that are being answered. More wait in the network, where it keeps them.
const MOST: usize = 64;
/// How often a network is told that the agent still works on the answer, and for how long.
const TYPING_PERIOD: Duration = Duration::from_secs(4);
const LONGEST_TYPING: Duration = Duration::from_secs(300);

/// What takes the place of a placeholder whose message was answered together with another one.
const ANSWERED: &str = "Answered together with the message before.";

/// A message that came in.
pub(super) struct Heard {
    /// Which session it belongs to.
    pub(super) chat: Chat,
    /// Where the answer goes.
    pub(super) address: String,
    /// What the agent reads.
    pub(super) text: String,
    /// Images that it looks at.
    pub(super) images: Vec<String>,
    /// When it came.
    pub(super) received: Instant,
}

impl Heard {
    /// Something that was said in this chat right now.
    pub(super) fn now(chat: Chat, text: String) -> Self {
        let address = chat.id.clone();
        Self { chat, address, text, images: Vec::new(), received: Instant::now() }
    }

    /// Adds what became of a file that came with it.
    pub(super) fn enclose(&mut self, file: Kept) {
        self.text.push_str(if self.text.is_empty() { "" } else { "\n" });
        self.text.push_str(&file.words);
        self.images.extend(file.image);
    }
}

/// The conversations of a channel.
pub(super) struct Dialogue {
    channel: Arc<dyn Channel>,
    link: Arc<Link>,
    typing: bool,
    placeholder: Option<String>,
    steer: bool,
    places: Arc<Semaphore>,
}

impl Dialogue {
    /// Conversations over this channel. Whether it shows that it is typing, and what stands in for an answer, is
    /// configured.
    pub(super) fn new(
        channel: Arc<dyn Channel>,
        link: Arc<Link>,
        typing: bool,
        placeholder: Option<String>,
    ) -> Self {
        Self { channel, link, typing, placeholder, steer: true, places: Arc::new(Semaphore::new(MOST)) }
    }

    /// Every message gets an answer of its own, as programs expect it; people add to what they have just said.
    #[must_use]
    pub(super) fn one_answer_each(mut self) -> Self {
        self.steer = false;
        self
    }

    /// Hands a message to the agent; the answer comes later. Messages are handed over in the order of the calls.
    ///
    /// # Errors
    /// When the gateway is stopping: the message is for the next start.
    pub(super) async fn hear(&self, heard: Heard) -> Result<(), Refusal> {
        let place = Arc::clone(&self.places).acquire_owned().await.expect("the places are never closed");
        self.answer(place, heard).await
    }

    /// The same for a connection over which answers go out as well: it must not wait for them. A message is refused while
    /// too many are being answered.
    ///
    /// # Errors
    /// As [`hear`](Self::hear).
    pub(super) async fn hear_or_refuse(&self, heard: Heard) -> Result<(), Refusal> {
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return self.answer(place, heard).await;
        }
        let why = format!("{MOST} messages of this channel are being answered already");
        self.link.refused_because(Rejection::Busy, &why);
        Ok(())
    }

    async fn answer(&self, place: OwnedSemaphorePermit, heard: Heard) -> Result<(), Refusal> {
        // Programs want the answer alone.
        let feedback = self.link.assistant().tool_feedback().filter(|_| self.steer);
        let inbound = Inbound {
            channel: self.link.name(),
            conversation: Conversation::Chat(heard.chat),
            messages: vec![Message::from_person(heard.text, heard.images)],
            model: None,
            sampling: Sampling::default(),
            stream: false,
            tool_calls: feedback.is_some(),
            steer: self.steer,
            received: heard.received,
        };
        let submitted = self.link.submit(&heard.address, inbound).await;
        if let Err(refusal) = &submitted
            && refusal.reason == Rejection::Draining
        {
            return Err(refusal.clone());
        }
        let answer = Answer {
            channel: Arc::clone(&self.channel),
            link: Arc::clone(&self.link),
            address: heard.address,
            placeholder: self.placeholder.clone(),
            typing: self.typing,
            feedback,
            _place: place,
        };
        self.link.tasks.spawn(answer.follow(submitted));
        Ok(())
    }
}

struct Answer {
    channel: Arc<dyn Channel>,
    link: Arc<Link>,
    address: String,
    placeholder: Option<String>,
    typing: bool,
    feedback: Option<ToolFeedback>,
    _place: OwnedSemaphorePermit,
}

impl Answer {
    async fn follow(self, submitted: Result<TurnHandle, Refusal>) {
        let mut stand_in = None;
        let text = match submitted {
            Ok(mut turn) => {
                let typing = self.typing.then(|| self.show_typing());
                stand_in = self.show_placeholder().await;
                if let Some(feedback) = self.feedback {
                    stand_in = feedback::follow(self.teller(feedback), &mut turn, stand_in).await;
                }
                let end = turn.reply.await;
                drop(typing);
                match end {
                    // The chat has that answer already.
                    Ok(Ok(reply)) if reply.joined && stand_in.is_none() => return,
                    Ok(Ok(reply)) if reply.joined => ANSWERED.to_owned(),
                    Ok(Ok(reply)) => reply.content,
                    Ok(Err(error)) => format!("Error processing message: {}", error.message),
                    Err(_) => "Error processing message: the turn was lost".to_owned(),
                }
            }
            Err(refusal) => refusal.message,
        };
        // Counted there, whatever becomes of it.
        let _ = self.link.deliver(&self.address, Outgoing::text(text), stand_in).await;
    }

    fn teller(&self, feedback: ToolFeedback) -> Teller {
        let (channel, link) = (Arc::clone(&self.channel), Arc::clone(&self.link));
        Teller { channel, link, address: self.address.clone(), feedback }
    }

    /// Shows it until the guard is dropped.
    fn show_typing(&self) -> DropGuard {
        let over = CancellationToken::new();
        let (channel, address, until) = (Arc::clone(&self.channel), self.address.clone(), over.clone());
        let show = async move {
            loop {
                channel.typing(&address).await;
                tokio::time::sleep(TYPING_PERIOD).await;
            }
        };
        self.link.tasks.spawn(async move {
            tokio::select! {
                () = until.cancelled() => {}
                () = tokio::time::sleep(LONGEST_TYPING) => {}
                () = show => {}
            }
        });
        over.drop_guard()
    }

    /// An answer comes without one, too.
    async fn show_placeholder(&self) -> Option<String> {
        let text = self.placeholder.clone()?;
        let piece = Piece::Text { text, reply_to: None };
        let shown = self.channel.send(&self.address, &piece, None).await.ok().flatten();
        shown.filter(|_| self.channel.replaces())
    }
}
