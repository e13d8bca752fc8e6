//! One client, from its first frame to the close.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{SinkExt, StreamExt};
use picoclaw_telemetry::words::Rejection;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};
use tokio_tungstenite::tungstenite::{Bytes, Message, Utf8Bytes};
use tokio_util::sync::CancellationToken;

use super::conversation::{self, Heard};
use super::frames::{self, ClientFrame};
use super::registry::{Membership, Place, ROOM, ToClient};
use super::{LONGEST_SESSION, Pico, SENDER, media};
use crate::link::Link;
use crate::websocket;
use picoclaw::http::takeover::{Socket, Takeover};
use picoclaw::quote::quote;

/// The largest frame of a client: a file of 20 MiB in base64, and some text.
const LARGEST_FRAME: usize = 28 << 20;
/// How long the client may take to answer a close.
const CLOSE_PATIENCE: Duration = Duration::from_secs(1);

/// A client that was let in.
pub(super) struct Connection {
    pico: Arc<Pico>,
    link: Arc<Link>,
    session: String,
    /// Taken when the client is there.
    place: Mutex<Option<Place>>,
}

type Stream = WebSocketStream<Socket>;

impl Connection {
    pub(super) fn new(pico: Arc<Pico>, link: Arc<Link>, place: Place, session: String) -> Self {
        Self { pico, link, session, place: Mutex::new(Some(place)) }
    }
}

#[async_trait]
impl Takeover for Connection {
    async fn run(&self, socket: Socket, stop: CancellationToken) {
        let place = self.place.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(place) = place else { return };
        let config = websocket::bounds(LARGEST_FRAME);
        let stream = WebSocketStream::from_raw_socket(socket, Role::Server, Some(config)).await;
        let (sender, frames) = mpsc::channel(ROOM);
        let mut member = place.member(sender);
        member.enter(&self.session);
        let _connected = self.link.client();
        Client { connection: self, stream, member, frames }.serve(stop).await;
    }
}

struct Client<'a> {
    connection: &'a Connection,
    stream: Stream,
    member: Membership,
    frames: mpsc::Receiver<ToClient>,
}

/// The client is gone, or is to go.
struct Over;

impl Client<'_> {
    async fn serve(mut self, stop: CancellationToken) {
        let pico = Arc::clone(&self.connection.pico);
        let mut ping = interval_at(Instant::now() + pico.ping_interval, pico.ping_interval);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = Instant::now();
        loop {
            // A client that does not take what it is sent is no better than one that says nothing.
            if self.frames.len() == ROOM {
                return self.close(CloseCode::Policy, "the client does not read").await;
            }
            let step = tokio::select! {
                message = self.stream.next() => {
                    heard = Instant::now();
                    match message {
                        Some(Ok(message)) => self.hear(message).await,
                        Some(Err(_)) | None => Err(Over),
                    }
                }
                Some(frame) = self.frames.recv() => self.say(frame).await,
                _ = ping.tick() => self.write(Message::Ping(Bytes::new())).await,
                () = tokio::time::sleep_until(heard + pico.read_timeout) => Err(Over),
                () = self.connection.link.stop.cancelled() => {
                    return self.close(CloseCode::Away, "the channel stops").await;
                }
                () = stop.cancelled() => return self.close(CloseCode::Away, "the gateway stops").await,
            };
            if step.is_err() {
                return;
            }
        }
    }

    async fn write(&mut self, message: Message) -> Result<(), Over> {
        let write = timeout(self.connection.pico.write_timeout, self.stream.send(message));
        matches!(write.await, Ok(Ok(()))).then_some(()).ok_or(Over)
    }

    async fn say(&mut self, frame: ToClient) -> Result<(), Over> {
        self.write(Message::Text(frame.text)).await?;
        if let Some(written) = frame.written {
            // Nobody may be waiting any more.
            let _ = written.send(());
        }
        Ok(())
    }

    /// Says something to this client alone.
    async fn tell(&mut self, frame: String) -> Result<(), Over> {
        self.write(Message::Text(Utf8Bytes::from(frame))).await
    }

    async fn hear(&mut self, message: Message) -> Result<(), Over> {
        let text = match &message {
            Message::Text(text) => text.as_str(),
            Message::Binary(bytes) => std::str::from_utf8(bytes).unwrap_or_default(),
            // Pings are answered by the library, with the next write or read.
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => return Ok(()),
            Message::Close(_) => {
                let _ = self.stream.flush().await;
                return Err(Over);
            }
        };
        let Some(frame) = ClientFrame::parse(text) else {
            let problem = "failed to parse message";
            self.connection.link.refused_because(Rejection::Invalid, problem);
            return self.tell(frames::error("invalid_message", problem, None)).await;
        };
        match frame.kind.as_deref().unwrap_or_default() {
            "ping" => self.tell(frames::pong(frame.id.as_deref())).await,
            "message.send" | "media.send" => self.message(&frame).await,
            other => {
                let other = if other.len() > 60 { quote(other) } else { other.to_owned() };
                let message = format!("unknown message type: {other}");
                self.tell(frames::error("unknown_type", &message, None)).await
            }
        }
    }

    async fn message(&mut self, frame: &ClientFrame) -> Result<(), Over> {
        let request = frame.id.as_deref();
        let files = match media::read(frame) {
            Ok(files) => files,
            Err(problem) => return self.refuse("invalid_media", &problem, request).await,
        };
        let content = frame.content();
        if content.trim().is_empty() && files.is_empty() {
            return self.refuse("empty_content", "message content is empty", request).await;
        }
        let session = frame.session_id.as_deref().filter(|id| !id.is_empty());
        let session = session.unwrap_or(&self.connection.session).to_owned();
        if session.len() > LONGEST_SESSION {
            return self.refuse("invalid_message", "session_id is longer than 256 bytes", request).await;
        }
        self.member.enter(&session);
        if !self.connection.pico.allowed {
            self.connection.link.not_allowed(SENDER);
            return Ok(());
        }
        let heard = Heard { session, content: content.to_owned(), files };
        conversation::begin(&self.connection.pico, &self.connection.link, heard).await;
        // What was said meanwhile goes out before the next message comes in.
        while let Ok(frame) = self.frames.try_recv() {
            self.say(frame).await?;
        }
        Ok(())
    }

    async fn refuse(&mut self, code: &str, message: &str, request: Option<&str>) -> Result<(), Over> {
        self.connection.link.refused_because(Rejection::Invalid, message);
        self.tell(frames::error(code, message, request)).await
    }

    /// What waits still goes out; then the client is told why, and may answer.
    async fn close(mut self, code: CloseCode, reason: &'static str) {
        let goodbye = async {
            while let Ok(frame) = self.frames.try_recv() {
                self.stream.send(Message::Text(frame.text)).await.ok()?;
                frame.written.map(|written| written.send(()));
            }
            let frame = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
            self.stream.close(Some(frame)).await.ok()?;
            while let Some(Ok(_)) = self.stream.next().await {}
            Some(())
        };
        let _ = timeout(CLOSE_PATIENCE, goodbye).await;
    }
}
