//! The way out of a channel: a bounded queue, a rate limit, and a few attempts per message.

use std::sync::Arc;
use std::time::Duration;

use picoclaw_telemetry::guard::Delivery;
use picoclaw_telemetry::{Bus, Detail, Label};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::channel::{Channel, Piece, SendError};
use super::marker;
use picoclaw::agent::Assistant;
use picoclaw::chat::courier::{DeliveryError, Outgoing, Receipt};
use picoclaw::ids::uuid;

/// Messages that wait for a channel.
const QUEUE: usize = 16;
/// How long a message may wait for a place in the queue.
const QUEUE_PATIENCE: Duration = Duration::from_secs(30);
/// Attempts after the first.
const RETRIES: u32 = 3;
/// The pause before the first of them; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(8);
/// The longest pause that a network is granted. What asks for more has failed.
const LONGEST_WISH: Duration = Duration::from_secs(60);

/// Where messages for a channel are handed in. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Post {
    name: &'static str,
    label: Label,
    bus: Bus,
    queue: mpsc::Sender<Parcel>,
}

#[derive(Debug)]
struct Parcel {
    chat: String,
    message: Outgoing,
    replace: Option<String>,
    delivery: Delivery,
    done: oneshot::Sender<Result<Receipt, DeliveryError>>,
}

/// Where they come out, for [`work`].
#[derive(Debug)]
pub(super) struct Out {
    name: &'static str,
    queue: mpsc::Receiver<Parcel>,
}

/// A queue to a channel.
pub(super) fn queue(name: &'static str, label: Label, bus: Bus) -> (Post, Out) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    (Post { name, label, bus, queue: sender }, Out { name, queue: receiver })
}

impl Post {
    /// Waits until the message is sent, in place of the message `replace` if there is one.
    pub(super) async fn deliver(
        &self,
        chat: &str,
        message: Outgoing,
        replace: Option<String>,
    ) -> Result<Receipt, DeliveryError> {
        let delivery = Delivery::start(&self.bus, self.label, Detail::new(chat));
        let stopped = || DeliveryError::Stopped { channel: self.name.to_owned() };
        let place = match timeout(QUEUE_PATIENCE, self.queue.reserve()).await {
            Ok(Ok(place)) => place,
            Ok(Err(_)) => return Err(stopped()),
            Err(_) => {
                let error = DeliveryError::Full { channel: self.name.to_owned(), waiting: QUEUE };
                delivery.failed(Detail::from(error.to_string()));
                return Err(error);
            }
        };
        let (done, end) = oneshot::channel();
        place.send(Parcel { chat: chat.to_owned(), message, replace, delivery, done });
        end.await.unwrap_or_else(|_| Err(stopped()))
    }
}

/// Sends what is handed in, one after another, until nobody can hand in any more.
pub(super) async fn work(channel: Arc<dyn Channel>, assistant: Arc<dyn Assistant>, mut out: Out) {
    let mut pace = Pace::new(channel.rate());
    while let Some(parcel) = out.queue.recv().await {
        let Parcel { chat, message, replace, mut delivery, done } = parcel;
        let pieces = pieces(channel.as_ref(), &message, assistant.splits_answers());
        let sent = send(channel.as_ref(), &chat, pieces, replace, &mut pace, &mut delivery).await;
        let tries = delivery.tries();
        let result = match sent {
            Ok(id) => {
                delivery.sent();
                Ok(Receipt { id, tries })
            }
            Err(error) => {
                let reason = error.to_string();
                delivery.failed(Detail::new(&reason));
                Err(DeliveryError::Failed { channel: out.name.to_owned(), tries, reason })
            }
        };
        // Whoever handed it in may have gone; the message is sent all the same.
        let _ = done.send(result);
    }
}

/// The pieces of a message, or of those that it stands for.
fn pieces(channel: &dyn Channel, message: &Outgoing, split: bool) -> Vec<Piece> {
    if split {
        marker::messages(message).iter().flat_map(|message| channel.pieces(message)).collect()
    } else {
        channel.pieces(message)
    }
}

/// Sends all pieces of a message. A piece that was taken is not sent again because a later one failed.
async fn send(
    channel: &dyn Channel,
    chat: &str,
    pieces: Vec<Piece>,
    mut replace: Option<String>,
    pace: &mut Pace,
    delivery: &mut Delivery,
) -> Result<Option<String>, SendError> {
    if pieces.is_empty() {
        return Err(SendError::Final("the message is empty".to_owned()));
    }
    let mut first = None;
    for piece in pieces {
        let mut attempt = 0;
        let own = uuid();
        let id = loop {
            pace.wait().await;
            attempt += 1;
            delivery.attempt(attempt);
            let error = match channel.send_once(chat, &piece, replace.as_deref(), &own).await {
                Ok(id) => break id,
                Err(error) => error,
            };
            let SendError::Passing { reason, after } = &error else {
                return Err(error);
            };
            let pause = after.unwrap_or_else(|| (FIRST_PAUSE * 2_u32.pow(attempt - 1)).min(LONGEST_PAUSE));
            if attempt > RETRIES || pause > LONGEST_WISH {
                return Err(error);
            }
            delivery.retry(pause, Detail::new(reason));
            sleep(pause).await;
        };
        replace = None;
        first = first.or(id);
    }
    Ok(first)
}

/// Keeps two attempts apart.
struct Pace {
    gap: Duration,
    next: Instant,
}

impl Pace {
    fn new(per_second: f64) -> Self {
        Self { gap: Duration::from_secs_f64(1.0 / per_second), next: Instant::now() }
    }

    async fn wait(&mut self) {
        sleep_until(self.next).await;
        self.next = Instant::now() + self.gap;
    }
}

#[cfg(test)]
mod tests;
