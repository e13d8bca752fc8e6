//! One connection to a server: registration, rooms, what is said, and signs of life.

use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::line::{Line, is_room, mention, same};
use super::{Irc, Parcel};
use crate::channel::{Broken, SendError};
use crate::dialogue::{Dialogue, Heard};
use crate::link::Link;
use crate::wire::{self, Wire};
use picoclaw::agent::Chat;

/// How long connecting and registering may take, all in all.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a write may take.
const WRITE_TIME: Duration = Duration::from_secs(10);
/// How often the server is asked for a sign of life, and how long it may be silent.
const PING_PERIOD: Duration = Duration::from_secs(30);
const SILENCE: Duration = Duration::from_secs(75);
/// How long a server may take to deal with a line.
const LINE_TIME: Duration = Duration::from_secs(20);
/// The longest line that is read: one with all the tags that it may have.
const LONGEST: usize = 16 << 10;
/// How often another name is tried when one is taken.
const MOST_NAMES: usize = 5;
/// The part of a secret that one line of SASL takes.
const SASL_CHUNK: usize = 400;

/// A connection that is registered.
pub(super) struct Session<'a> {
    irc: &'a Irc,
    link: &'a Arc<Link>,
    dialogue: &'a Dialogue,
    reader: Reader,
    writer: WriteHalf<Box<dyn Wire>>,
    nick: String,
    /// The line that the server deals with.
    pending: Option<Pending>,
    tokens: u64,
}

struct Pending {
    target: String,
    token: String,
    since: Instant,
    refused: Option<SendError>,
    done: oneshot::Sender<Result<(), SendError>>,
}

impl<'a> Session<'a> {
    /// Connects and registers.
    pub(super) async fn connect(
        irc: &'a Irc,
        link: &'a Arc<Link>,
        dialogue: &'a Dialogue,
    ) -> Result<Self, Broken> {
        let connecting = async {
            let tls = irc.settings.tls.then_some(&irc.tls);
            let wire = wire::connect(&irc.host, irc.port, tls).await.map_err(|error| {
                let (host, port) = (&irc.host, irc.port);
                Broken(format!(
                    "{host}:{port} cannot be reached: {error}: check settings.server and settings.tls"
                ))
            })?;
            let (reader, writer) = tokio::io::split(wire);
            let reader = Reader { half: reader, buffer: Vec::new() };
            let nick = irc.settings.nick.clone();
            let mut session = Self { irc, link, dialogue, reader, writer, nick, pending: None, tokens: 0 };
            session.register().await?;
            Ok(session)
        };
        tokio::select! {
            connected = timeout(PATIENCE, connecting) => {
                connected.unwrap_or_else(|_| Err(Broken("the server did not let us in within 30 s".to_owned())))
            }
            () = link.stop.cancelled() => Err(Broken("stopped".to_owned())),
        }
    }

    async fn register(&mut self) -> Result<(), Broken> {
        let settings = &self.irc.settings;
        let sasl = !settings.sasl_user.is_empty() && !settings.sasl_password.is_empty();
        if sasl {
            self.write("CAP LS 302").await?;
        }
        if !settings.password.is_empty() {
            self.write(&format!("PASS :{}", settings.password.expose())).await?;
        }
        let or_nick = |text: &str| if text.is_empty() { settings.nick.clone() } else { text.to_owned() };
        self.write(&format!("NICK {}", settings.nick)).await?;
        let (user, real_name) = (or_nick(&settings.user), or_nick(&settings.real_name));
        self.write(&format!("USER {user} 0 * :{real_name}")).await?;
        let mut names = 1;
        loop {
            let text = self.reader.line().await?;
            let Some(line) = Line::parse(&text) else { continue };
            match line.command {
                "PING" => self.write(&format!("PONG :{}", line.words())).await?,
                "CAP" if sasl && line.parameter(1) == "LS" && line.parameter(2) != "*" => {
                    self.write("CAP REQ :sasl").await?;
                }
                "CAP" if line.parameter(1) == "ACK" => self.write("AUTHENTICATE PLAIN").await?,
                "CAP" if line.parameter(1) == "NAK" => {
                    return Err(Broken("the server knows no SASL: leave settings.sasl_user out".to_owned()));
                }
                "AUTHENTICATE" => self.authenticate().await?,
                "903" => self.write("CAP END").await?,
                "902" | "904" | "905" | "906" | "908" => {
                    let text =
                        "the server does not know this account: check settings.sasl_user and sasl_password";
                    return Err(Broken(text.to_owned()));
                }
                "433" | "436" | "437" if names < MOST_NAMES => {
                    names += 1;
                    self.nick.push('_');
                    self.write(&format!("NICK {}", self.nick)).await?;
                }
                "432" | "433" | "436" | "437" => {
                    return Err(Broken(format!("{}: set another settings.nick", said(&line))));
                }
                "464" => return Err(Broken(format!("{}: check settings.password", said(&line)))),
                "465" | "ERROR" => return Err(Broken(said(&line))),
                "001" => {
                    self.nick = line.parameter(0).to_owned();
                    break;
                }
                _ => {}
            }
        }
        if !sasl && !settings.nickserv_password.is_empty() {
            let password = settings.nickserv_password.expose();
            self.write(&format!("PRIVMSG NickServ :IDENTIFY {password}")).await?;
        }
        for room in &settings.channels {
            self.write(&format!("JOIN {room}")).await?;
        }
        Ok(())
    }

    async fn authenticate(&mut self) -> Result<(), Broken> {
        let settings = &self.irc.settings;
        let secret = format!("\0{}\0{}", settings.sasl_user, settings.sasl_password.expose());
        let secret = STANDARD.encode(secret);
        let mut rest = secret.as_str();
        loop {
            let (chunk, after) = rest.split_at(rest.len().min(SASL_CHUNK));
            self.write(&format!("AUTHENTICATE {}", if chunk.is_empty() { "+" } else { chunk })).await?;
            // A full line is followed by another one.
            if chunk.len() < SASL_CHUNK {
                return Ok(());
            }
            rest = after;
        }
    }

    /// Hears and says until the connection breaks or the link says stop.
    pub(super) async fn run(mut self, mut out: mpsc::Receiver<Parcel>) -> Result<(), Broken> {
        self.link.up();
        let mut ping = interval(PING_PERIOD);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = Instant::now();
        loop {
            tokio::select! {
                text = self.reader.line() => {
                    heard = Instant::now();
                    let text = text?;
                    let Some(line) = Line::parse(&text) else { continue };
                    if !self.hear(&line).await? {
                        self.link.stop.cancelled().await;
                        return Ok(());
                    }
                }
                Some(parcel) = out.recv(), if self.pending.is_none() => self.say(parcel).await?,
                _ = ping.tick() => {
                    if heard.elapsed() > SILENCE {
                        let seconds = SILENCE.as_secs();
                        return Err(Broken(format!("the server has said nothing for {seconds} s, not even PONG")));
                    }
                    if self.pending.as_ref().is_some_and(|pending| pending.since.elapsed() > LINE_TIME) {
                        return Err(Broken("the server does not deal with what is said".to_owned()));
                    }
                    self.write("PING :alive").await?;
                }
                () = self.link.stop.cancelled() => {
                    let _ = self.write("QUIT :Goodbye").await;
                    let _ = timeout(Duration::from_secs(1), self.writer.shutdown()).await;
                    return Ok(());
                }
            }
        }
    }

    async fn say(&mut self, parcel: Parcel) -> Result<(), Broken> {
        self.tokens += 1;
        let Parcel { target, text, done } = parcel;
        let token = format!("said-{}", self.tokens);
        let lines = format!("PRIVMSG {target} :{text}\r\nPING :{token}");
        // It waits until the server has dealt with it; when the connection breaks, whoever waits hears of it.
        self.pending = Some(Pending { target, token, since: Instant::now(), refused: None, done });
        self.write(&lines).await
    }

    /// `false` when the gateway is stopping.
    async fn hear(&mut self, line: &Line<'_>) -> Result<bool, Broken> {
        match line.command {
            "PING" => self.write(&format!("PONG :{}", line.words())).await?,
            "PONG" => self.settle(line.words()),
            "ERROR" => return Err(Broken(said(line))),
            "NICK" if same(line.nick(), &self.nick) => self.nick = line.parameter(0).to_owned(),
            "PRIVMSG" => return Ok(self.listen(line).await),
            // Rooms that cannot be entered.
            "403" | "405" | "471" | "473" | "474" | "475" | "476" | "477"
                if self.irc.settings.channels.iter().any(|room| same(room, line.parameter(1))) =>
            {
                let (channel, room) = (self.link.name(), line.parameter(1));
                tracing::warn!(channel, room, reason = line.words(), "A room of IRC could not be entered.");
                self.refuse(line);
            }
            "KICK" if same(line.parameter(1), &self.nick) => {
                let (channel, room) = (self.link.name(), line.parameter(0));
                tracing::warn!(channel, room, reason = line.words(), "We were put out of a room of IRC.");
            }
            "401" | "402" | "403" | "404" | "407" | "408" | "411" | "412" | "413" | "414" | "415" | "477"
            | "489" | "531" | "716" => self.refuse(line),
            _ => {}
        }
        Ok(true)
    }

    /// The server refuses the line that it deals with.
    fn refuse(&mut self, line: &Line<'_>) {
        if let Some(pending) = &mut self.pending
            && same(&pending.target, line.parameter(1))
        {
            pending.refused = Some(SendError::Final(said(line)));
        }
    }

    /// The server has dealt with everything before the `PING` with this token.
    fn settle(&mut self, token: &str) {
        if let Some(pending) = self.pending.take_if(|pending| pending.token == token) {
            let _ = pending.done.send(pending.refused.map_or(Ok(()), Err));
        }
    }

    /// `false` when the gateway is stopping.
    async fn listen(&mut self, line: &Line<'_>) -> bool {
        let (nick, target) = (line.nick(), line.parameter(0));
        if nick.is_empty() || same(nick, &self.nick) {
            return true;
        }
        let Some(text) = words(nick, line.words()) else { return true };
        let in_room = is_room(target);
        let manners = &self.irc.manners;
        let heard = if in_room {
            let mentioned = mention(&text, &self.nick);
            manners.group.heard(mentioned.unwrap_or(&text), mentioned.is_some())
        } else {
            Some(text.trim().to_owned())
        };
        let Some(said) = heard.filter(|text| !text.is_empty()) else { return true };
        if !manners.allowed.any("irc", &[nick, line.source]) {
            self.link.not_allowed(line.source);
            return true;
        }
        let chat = Chat {
            kind: if in_room { "group" } else { "direct" },
            id: if in_room { target } else { nick }.to_owned(),
            sender: nick.to_owned(),
            mentioned: in_room && mention(&text, &self.nick).is_some(),
            ..Chat::default()
        };
        self.dialogue.hear_or_refuse(Heard::now(chat, said)).await.is_ok()
    }

    async fn write(&mut self, line: &str) -> Result<(), Broken> {
        let bytes = format!("{line}\r\n");
        let writing = async {
            self.writer.write_all(bytes.as_bytes()).await?;
            self.writer.flush().await
        };
        match timeout(WRITE_TIME, writing).await {
            Ok(written) => written.map_err(|error| Broken(error.to_string())),
            Err(_) => Err(Broken("the server takes nothing".to_owned())),
        }
    }
}

/// What somebody says; `None` for what clients say to each other.
fn words(nick: &str, text: &str) -> Option<String> {
    match text.strip_prefix('\u{1}') {
        None => Some(text.to_owned()),
        Some(rest) => {
            let action = rest.trim_end_matches('\u{1}').strip_prefix("ACTION ")?;
            Some(format!("* {nick} {action}"))
        }
    }
}

/// Why the server says no.
fn said(line: &Line<'_>) -> String {
    format!("the server says {}: {}", line.command, line.words())
}

struct Reader {
    half: ReadHalf<Box<dyn Wire>>,
    buffer: Vec<u8>,
}

impl Reader {
    /// The next line. Dropping the future loses nothing.
    async fn line(&mut self) -> Result<String, Broken> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                return Ok(String::from_utf8_lossy(&line).into_owned());
            }
            if self.buffer.len() > LONGEST {
                return Err(Broken("the server sends lines without an end".to_owned()));
            }
            let read = self.half.read_buf(&mut self.buffer).await;
            if read.map_err(|error| Broken(error.to_string()))? == 0 {
                return Err(Broken("the server closed the connection".to_owned()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_talk_among_themselves() {
        assert_eq!(words("ann", "hi").as_deref(), Some("hi"));
        assert_eq!(words("ann", "\u{1}ACTION waves\u{1}").as_deref(), Some("* ann waves"));
        assert_eq!(words("ann", "\u{1}VERSION\u{1}"), None);
    }
}
