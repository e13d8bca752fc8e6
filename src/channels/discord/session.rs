//! Connections to Discord's gateway: heartbeats, and sessions that a new connection takes up where the last one broke.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant as Clock};

use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until, timeout};

use super::Discord;
use super::api::ApiError;
use super::event::Message;
use crate::channel::Broken;
use crate::dialogue::{Dialogue, Heard as Incoming};
use crate::lenient;
use crate::link::Link;
use crate::socket::{Heard, Socket};
use picoclaw::media::inbox::{LARGEST_FILE, MOST_FILES};

/// Messages in servers and in private, with their text.
const INTENTS: u64 = 1 << 9 | 1 << 12 | 1 << 15;
/// How long Discord may take to say hello.
const HELLO_TIME: Duration = Duration::from_secs(15);
/// A code by which Discord keeps the session for the next connection.
const KEEP_SESSION: u16 = 4000;
/// A code by which it forgets it.
const FORGET_SESSION: u16 = 1000;

/// A connection that Discord ends sooner is a failure, so that there is a pause before the next.
const SHORTEST: Duration = Duration::from_secs(1);

/// A session that can be taken up.
#[derive(Clone, Debug)]
pub(super) struct Resumable {
    id: String,
    url: String,
    me: String,
    sequence: u64,
}

/// How a connection ended.
enum End {
    /// The link says stop.
    Stop,
    /// Another connection is wanted at once.
    Again,
}

/// Receives until the link says stop.
pub(super) async fn run(discord: &Discord, link: &Arc<Link>, dialogue: &Dialogue) -> Result<(), Broken> {
    loop {
        let resumable = discord.resumable.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let url = match &resumable {
            Some(session) => session.url.clone(),
            None => {
                let found =
                    discord.api.call("GET", "gateway/bot", None).await.map_err(|error| broken(&error))?;
                found["url"]
                    .as_str()
                    .map(str::to_owned)
                    .ok_or_else(|| Broken("no gateway was named".into()))?
            }
        };
        let url = format!("{}/?v=10&encoding=json", url.trim_end_matches('/'));
        let socket = Socket::connect(&url, &discord.tls).await;
        let mut session = Session { discord, link, dialogue, resumable };
        let began = Clock::now();
        let end = match socket {
            Ok(socket) => session.listen(socket).await,
            Err(error) => Err(Broken(error)),
        };
        *discord.resumable.lock().unwrap_or_else(PoisonError::into_inner) = session.resumable;
        match end? {
            End::Stop => return Ok(()),
            End::Again if began.elapsed() < SHORTEST => {
                return Err(Broken("discord ended the connection at once".to_owned()));
            }
            End::Again => {}
        }
    }
}

struct Session<'a> {
    discord: &'a Discord,
    link: &'a Arc<Link>,
    dialogue: &'a Dialogue,
    resumable: Option<Resumable>,
}

impl Session<'_> {
    async fn listen(&mut self, mut socket: Socket) -> Result<End, Broken> {
        let hello = timeout(HELLO_TIME, socket.next()).await;
        let period = match hello {
            Ok(Ok(Heard::Json(hello))) if hello["op"] == 10 => hello["d"]["heartbeat_interval"].as_u64(),
            _ => None,
        };
        let period = period.filter(|millis| (10..=600_000).contains(millis));
        let period = Duration::from_millis(period.ok_or_else(|| Broken("discord said no hello".into()))?);
        self.introduce(&mut socket).await?;
        // The first heartbeat is early, so that a dead connection shows early.
        let mut beat = Instant::now() + period / 2;
        let mut answered = true;
        loop {
            tokio::select! {
                next = socket.next() => match next.map_err(Broken)? {
                    Heard::Life => {}
                    Heard::Closed(code) => return self.closed(code),
                    Heard::Json(document) => {
                        match document["op"].as_u64() {
                            Some(0) => {
                                let taken = self.take(&mut socket, &document, period, &mut beat).await?;
                                if !taken {
                                    socket.close(FORGET_SESSION).await;
                                    self.resumable = None;
                                    return Ok(End::Stop);
                                }
                            }
                            Some(1) => self.heartbeat(&mut socket).await?,
                            Some(7) => {
                                socket.close(KEEP_SESSION).await;
                                return Ok(End::Again);
                            }
                            Some(9) => {
                                if document["d"] != true {
                                    self.resumable = None;
                                }
                                socket.close(KEEP_SESSION).await;
                                return Err(Broken("discord does not take the session up".to_owned()));
                            }
                            Some(11) => answered = true,
                            _ => {}
                        }
                    }
                },
                () = sleep_until(beat) => {
                    if !answered {
                        socket.close(KEEP_SESSION).await;
                        return Err(Broken("discord did not answer the last heartbeat".to_owned()));
                    }
                    answered = false;
                    self.heartbeat(&mut socket).await?;
                    beat = Instant::now() + period;
                }
                () = self.link.stop.cancelled() => {
                    socket.close(FORGET_SESSION).await;
                    self.resumable = None;
                    return Ok(End::Stop);
                }
            }
        }
    }

    /// Takes an event in, which may last: files are fetched. Heartbeats go on meanwhile. `false` when the gateway is
    /// stopping.
    async fn take(
        &mut self,
        socket: &mut Socket,
        document: &Value,
        period: Duration,
        beat: &mut Instant,
    ) -> Result<bool, Broken> {
        let sequence = self.sequence();
        let mut taking = std::pin::pin!(self.dispatch(document));
        loop {
            tokio::select! {
                biased;
                taken = &mut taking => return Ok(taken),
                () = sleep_until(*beat) => {
                    socket.send(&json!({ "op": 1, "d": sequence })).await.map_err(Broken)?;
                    // The answer is read afterwards: it has a whole period for that.
                    *beat = Instant::now() + period;
                }
            }
        }
    }

    fn sequence(&self) -> Option<u64> {
        self.resumable.as_ref().map(|session| session.sequence)
    }

    async fn introduce(&self, socket: &mut Socket) -> Result<(), Broken> {
        let token = self.discord.token.expose();
        let document = match &self.resumable {
            Some(session) => json!({ "op": 6, "d": {
                "token": token, "session_id": session.id, "seq": session.sequence,
            } }),
            None => json!({ "op": 2, "d": {
                "token": token, "intents": INTENTS,
                "properties": { "os": std::env::consts::OS, "browser": "picoclaw", "device": "picoclaw" },
            } }),
        };
        socket.send(&document).await.map_err(Broken)
    }

    async fn heartbeat(&self, socket: &mut Socket) -> Result<(), Broken> {
        socket.send(&json!({ "op": 1, "d": self.sequence() })).await.map_err(Broken)
    }

    fn closed(&mut self, code: Option<u16>) -> Result<End, Broken> {
        let why = match code {
            Some(4004) => "discord refuses the token; set settings.token",
            Some(4013 | 4014) => {
                "discord refuses what the bot wants to receive; allow the Message Content Intent in its settings"
            }
            Some(4007 | 4009) => {
                self.resumable = None;
                return Ok(End::Again);
            }
            Some(1000 | 1001) | None => return Ok(End::Again),
            Some(code) => return Err(Broken(format!("discord closed the connection ({code})"))),
        };
        self.resumable = None;
        Err(Broken(why.to_owned()))
    }

    /// `false` when the gateway is stopping.
    async fn dispatch(&mut self, document: &Value) -> bool {
        let data = &document["d"];
        let sequence = document["s"].as_u64();
        match document["t"].as_str() {
            Some("READY") => {
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                self.resumable = Some(Resumable {
                    id: text(&data["session_id"]),
                    url: text(&data["resume_gateway_url"]),
                    me: text(&data["user"]["id"]),
                    sequence: sequence.unwrap_or_default(),
                });
                self.link.up();
            }
            Some("RESUMED") => self.link.up(),
            Some("MESSAGE_CREATE") => {
                let taken = self.message(data).await;
                if !taken {
                    return false;
                }
            }
            _ => {}
        }
        // Only now: what was not taken comes again when the session is taken up.
        if let (Some(session), Some(sequence)) = (&mut self.resumable, sequence) {
            session.sequence = sequence;
        }
        true
    }

    async fn message(&self, data: &Value) -> bool {
        let me = self.resumable.as_ref().map(|session| session.me.as_str()).unwrap_or_default();
        let Some(message) = lenient::read::<Message>(data.clone()) else {
            return true;
        };
        let Some(said) = message.said(me) else {
            return true;
        };
        let has_words = |text: &String| !text.is_empty() || !message.attachments.is_empty();
        let heard = self.discord.manners.group.heard(&said.text, said.addressed);
        let Some(text) = heard.filter(has_words) else {
            return true;
        };
        if !self.discord.manners.allowed.any("discord", &[&message.author.id, &message.author.username]) {
            self.link.not_allowed(&message.author.id);
            return true;
        }
        let mut heard = Incoming::now(said.chat, text);
        let inbox = self.link.inbox(&self.discord.inbox, &heard.chat);
        for file in message.attachments.iter().take(MOST_FILES) {
            let fetching = self.discord.api.download(&file.url, LARGEST_FILE);
            heard.enclose(inbox.fetch(self.link.name(), &file.offered(), fetching).await);
        }
        self.dialogue.hear(heard).await.is_ok()
    }
}

fn broken(error: &ApiError) -> Broken {
    let remedy = match error {
        ApiError::Refused { code: 401, .. } => {
            ": the bot's token is wrong or was revoked; set settings.token"
        }
        _ => "",
    };
    Broken(format!("{error}{remedy}"))
}
