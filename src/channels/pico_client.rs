//! A client of another server that speaks the protocol of the web page: what that server says are messages for the
//! agent, and the agent's answers go back to it.
//!
//! Whoever connects two agents to each other lets them talk without end; the other end should be a hub for people.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use reqwest::Url;
use rustls::ClientConfig;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval};

use super::channel::{Broken, Channel, Piece, SendError};
use super::dialogue::{Dialogue, Heard as Message};
use super::kinds::Surroundings;
use super::link::Link;
use super::manners::Manners;
use super::settings::{self, SettingError};
use super::socket::{Heard, Socket};
use picoclaw::agent::Chat;
use picoclaw::config::{ChannelConfig, SecretString};
use picoclaw::ids::uuid;

/// What chats are called: this and the server's name of the session.
const PREFIX: &str = "pico_client:";
/// Who writes, as far as the server says.
const SENDER: &str = "pico-remote";
/// Messages that wait for the connection.
const ROOM: usize = 16;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Settings {
    url: String,
    token: SecretString,
    session_id: String,
    ping_interval: f64,
    read_timeout: f64,
}

/// A message on its way out, and who waits for it.
type Parcel = (Value, oneshot::Sender<Result<(), String>>);

struct Client {
    url: String,
    token: SecretString,
    session: String,
    ping: Duration,
    silence: Duration,
    tls: ClientConfig,
    manners: Manners,
    /// There while it is connected.
    out: Mutex<Option<mpsc::Sender<Parcel>>>,
}

/// The channel.
pub struct PicoClientChannel(Arc<Client>);

impl PicoClientChannel {
    /// A client as configured.
    ///
    /// # Errors
    /// When a setting cannot be used.
    pub fn new(config: &ChannelConfig, around: &Surroundings) -> Result<Self, SettingError> {
        let settings: Settings = settings::network(config)?;
        let session = match settings.session_id.trim() {
            "" => uuid(),
            session => session.to_owned(),
        };
        let url = address(settings.url.trim(), &session).ok_or_else(|| {
            SettingError::new("url", "missing or malformed: expected an address such as wss://host/pico/ws")
        })?;
        Ok(Self(Arc::new(Client {
            url,
            token: SecretString::new(settings.token.expose().trim()),
            session,
            ping: settings::seconds("ping_interval", settings.ping_interval, 30.0)?,
            silence: settings::seconds("read_timeout", settings.read_timeout, 60.0)?,
            tls: around.clients.tls(),
            manners: Manners::new(config)?,
            out: Mutex::default(),
        })))
    }
}

/// The address with the session in it, unless it has one.
fn address(text: &str, session: &str) -> Option<String> {
    let mut url = Url::parse(text).ok()?;
    if !matches!(url.scheme(), "ws" | "wss") || !url.has_host() {
        return None;
    }
    if !url.query_pairs().any(|(name, _)| name == "session_id") {
        url.query_pairs_mut().append_pair("session_id", session);
    }
    Some(url.into())
}

#[async_trait]
impl Channel for PicoClientChannel {
    async fn run(&self, link: &Arc<Link>) -> Result<(), Broken> {
        let client = &self.0;
        let dialogue = client.manners.dialogue(Arc::new(Self(Arc::clone(client))), link);
        let socket = Socket::connect_with(&client.url, client.token.expose(), &client.tls).await;
        let socket =
            socket.map_err(|error| Broken(format!("{error}: check settings.url and settings.token")))?;
        let (sender, out) = mpsc::channel(ROOM);
        client.set_out(Some(sender));
        link.up();
        let end = client.talk(link, &dialogue, socket, out).await;
        client.set_out(None);
        end
    }

    async fn send(&self, chat: &str, piece: &Piece, _: Option<&str>) -> Result<Option<String>, SendError> {
        let Piece::Text { text, .. } = piece else {
            return Err(SendError::Final("the protocol has no files from clients but images".to_owned()));
        };
        let id = uuid();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let frame = json!({
            "type": "message.send", "id": id, "session_id": chat.strip_prefix(PREFIX).unwrap_or(chat),
            "timestamp": u64::try_from(now).unwrap_or(u64::MAX), "payload": { "content": text },
        });
        let gone = || SendError::passing("not connected to the server");
        let out = self.0.out.lock().unwrap_or_else(PoisonError::into_inner).clone().ok_or_else(gone)?;
        let (done, end) = oneshot::channel();
        out.send((frame, done)).await.map_err(|_| gone())?;
        match end.await {
            Ok(Ok(())) => Ok(Some(id)),
            Ok(Err(reason)) => Err(SendError::passing(reason)),
            Err(_) => Err(gone()),
        }
    }
}

impl Client {
    fn set_out(&self, out: Option<mpsc::Sender<Parcel>>) {
        *self.out.lock().unwrap_or_else(PoisonError::into_inner) = out;
    }

    /// Hears and says until the connection breaks or the link says stop.
    async fn talk(
        &self,
        link: &Arc<Link>,
        dialogue: &Dialogue,
        mut socket: Socket,
        mut out: mpsc::Receiver<Parcel>,
    ) -> Result<(), Broken> {
        let mut ping = interval(self.ping);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = Instant::now();
        loop {
            tokio::select! {
                next = socket.next() => {
                    heard = Instant::now();
                    match next.map_err(Broken)? {
                        Heard::Life => {}
                        Heard::Closed(_) => return Err(Broken("the server closed the connection".to_owned())),
                        Heard::Json(frame) => {
                            if !self.hear(link, dialogue, &frame).await {
                                link.stop.cancelled().await;
                                return Ok(());
                            }
                        }
                    }
                }
                Some((frame, done)) = out.recv() => {
                    let sent = socket.send(&frame).await;
                    let broken = sent.clone().err();
                    let _ = done.send(sent);
                    if let Some(reason) = broken {
                        return Err(Broken(reason));
                    }
                }
                _ = ping.tick() => {
                    if heard.elapsed() > self.silence {
                        let seconds = self.silence.as_secs_f64();
                        return Err(Broken(format!("the server has said nothing for {seconds} s, not even pong")));
                    }
                    socket.ping().await.map_err(Broken)?;
                }
                () = link.stop.cancelled() => {
                    socket.close(1000).await;
                    return Ok(());
                }
            }
        }
    }

    /// Hands a frame to the agent if it is a message for it. `false` when the gateway is stopping.
    async fn hear(&self, link: &Arc<Link>, dialogue: &Dialogue, frame: &Value) -> bool {
        if frame["type"] == "error" {
            let code = frame["payload"]["code"].as_str().unwrap_or_default();
            tracing::warn!(channel = link.name(), code, "The server of pico_client complains of a message.");
            return true;
        }
        let Some(text) = words(frame) else { return true };
        if !self.manners.allowed.any("pico_client", &[SENDER]) {
            link.not_allowed(SENDER);
            return true;
        }
        let session = frame["session_id"].as_str().filter(|session| !session.is_empty());
        let id = format!("{PREFIX}{}", session.unwrap_or(&self.session));
        let chat = Chat { kind: "direct", id, sender: SENDER.to_owned(), ..Chat::default() };
        dialogue.hear_or_refuse(Message::now(chat, text.to_owned())).await.is_ok()
    }
}

/// What a frame says to the agent: a message that is whole, and none of the server's own thoughts and tools.
fn words(frame: &Value) -> Option<&str> {
    let payload = &frame["payload"];
    let is_message = matches!(frame["type"].as_str(), Some("message.create" | "media.create"));
    let is_aside =
        payload["thought"] == true || payload["placeholder"] == true || payload["kind"].is_string();
    let text = payload["content"].as_str().filter(|text| !text.trim().is_empty())?;
    (is_message && !is_aside).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_session_stands_in_the_address() {
        let with = |url| address(url, "s 1");
        assert_eq!(with("ws://hub/pico/ws").as_deref(), Some("ws://hub/pico/ws?session_id=s+1"));
        assert_eq!(with("wss://hub/x?session_id=a").as_deref(), Some("wss://hub/x?session_id=a"));
        for wrong in ["", "hub/pico/ws", "https://hub/pico/ws"] {
            assert_eq!(with(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn only_messages_are_for_the_agent() {
        let create = |payload: Value| json!({ "type": "message.create", "payload": payload });
        assert_eq!(words(&create(json!({ "content": "hi" }))), Some("hi"));
        for aside in [
            create(json!({ "content": " " })),
            create(json!({ "content": "hm", "kind": "thought", "thought": true })),
            create(json!({ "content": "…", "placeholder": true })),
            create(json!({ "content": "", "kind": "tool_calls" })),
            json!({ "type": "message.update", "payload": { "content": "hi" } }),
            json!({ "type": "typing.start" }),
            json!([]),
        ] {
            assert_eq!(words(&aside), None, "{aside}");
        }
    }
}
