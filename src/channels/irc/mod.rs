//! IRC: rooms that the agent joins, and people who write to it alone.
//!
//! `line` is what servers and clients say to each other, `session` one connection, and `say` how a message becomes
//! lines. IRC does not acknowledge what is said; a `PING` behind each line is answered after the server has dealt with
//! it, so a refusal is known by then and the message counts as what it is.

mod line;
mod say;
mod session;

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use rustls::ClientConfig;
use serde::Deserialize;
use tokio::sync::{mpsc, oneshot};

use super::channel::{Broken, Channel, Piece, SendError};
use super::kinds::Surroundings;
use super::link::Link;
use super::manners::Manners;
use super::settings::{self, SettingError};
use picoclaw::chat::courier::Outgoing;
use picoclaw::config::{ChannelConfig, SecretString};

/// Lines that wait for the connection.
const ROOM: usize = 16;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Settings {
    server: String,
    tls: bool,
    nick: String,
    user: String,
    real_name: String,
    password: SecretString,
    nickserv_password: SecretString,
    sasl_user: String,
    sasl_password: SecretString,
    channels: Vec<String>,
}

/// A line on its way out.
struct Parcel {
    target: String,
    text: String,
    done: oneshot::Sender<Result<(), SendError>>,
}

struct Irc {
    host: String,
    port: u16,
    settings: Settings,
    tls: ClientConfig,
    manners: Manners,
    /// There while it is connected.
    out: Mutex<Option<mpsc::Sender<Parcel>>>,
}

/// The channel.
pub struct IrcChannel(Arc<Irc>);

impl IrcChannel {
    /// A connection as configured.
    ///
    /// # Errors
    /// When a setting cannot be used.
    pub fn new(config: &ChannelConfig, around: &Surroundings) -> Result<Self, SettingError> {
        let mut settings: Settings = settings::network(config)?;
        let usual = if settings.tls { 6697 } else { 6667 };
        let (host, port) = place(settings.server.trim(), usual).ok_or_else(|| {
            SettingError::new(
                "server",
                "missing or malformed: expected host:port, such as irc.libera.chat:6697",
            )
        })?;
        settings.nick = settings.nick.trim().to_owned();
        for (key, text) in [("nick", &settings.nick), ("user", &settings.user)] {
            let needed = key == "nick";
            if (needed && text.is_empty())
                || text.contains(|c: char| c.is_whitespace() || c.is_control() || c == ':')
            {
                return Err(SettingError::new(key, "missing or malformed: expected a name without spaces"));
            }
        }
        let secrets = [&settings.password, &settings.nickserv_password, &settings.sasl_password];
        let texts = secrets.map(SecretString::expose).into_iter().chain([settings.real_name.as_str()]);
        if texts.into_iter().any(|text| text.contains(['\r', '\n', '\0'])) {
            return Err(SettingError::new("password", "a line end in it would be a command of its own"));
        }
        let rooms = settings.channels.iter().filter(|name| !name.trim().is_empty());
        let rooms: Option<Vec<String>> = rooms.map(|name| room(name)).collect();
        settings.channels = rooms.ok_or_else(|| {
            SettingError::new(
                "channels",
                "malformed: expected names of rooms without spaces and commas, such as #home",
            )
        })?;
        Ok(Self(Arc::new(Irc {
            host,
            port,
            settings,
            tls: around.clients.tls(),
            manners: Manners::new(config)?,
            out: Mutex::default(),
        })))
    }
}

/// Host and port of a server.
fn place(server: &str, usual: u16) -> Option<(String, u16)> {
    let (host, port) = match server.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, port.parse().ok()?),
        _ => (server, usual),
    };
    let fits = !host.is_empty() && !host.contains(|c: char| c.is_whitespace() || c == '/');
    fits.then(|| (host.to_owned(), port))
}

/// The name of a room with the mark that rooms begin with.
fn room(name: &str) -> Option<String> {
    let name = name.trim();
    if name.is_empty() || name.contains([' ', ',', '\r', '\n', '\0', '\u{7}']) {
        return None;
    }
    Some(if line::is_room(name) { name.to_owned() } else { format!("#{name}") })
}

#[async_trait]
impl Channel for IrcChannel {
    async fn run(&self, link: &Arc<Link>) -> Result<(), Broken> {
        let irc = &self.0;
        let dialogue = irc.manners.dialogue(Arc::new(Self(Arc::clone(irc))), link);
        let (sender, out) = mpsc::channel(ROOM);
        let session = session::Session::connect(irc, link, &dialogue).await?;
        *irc.out() = Some(sender);
        let end = session.run(out).await;
        *irc.out() = None;
        end
    }

    async fn send(&self, chat: &str, piece: &Piece, _: Option<&str>) -> Result<Option<String>, SendError> {
        let Piece::Text { text, .. } = piece else {
            return Err(SendError::Final("IRC knows no files".to_owned()));
        };
        if chat.is_empty() || chat.contains(|c: char| c.is_whitespace() || c.is_control() || c == ',') {
            return Err(SendError::Final("no name of a room or of a person".to_owned()));
        }
        let gone = || SendError::passing("not connected to the server");
        let out = self.0.out().clone().ok_or_else(gone)?;
        let (done, end) = oneshot::channel();
        let parcel = Parcel { target: chat.to_owned(), text: say::clean(text), done };
        out.send(parcel).await.map_err(|_| gone())?;
        end.await.unwrap_or_else(|_| Err(gone()))?;
        Ok(None)
    }

    fn pieces(&self, message: &Outgoing) -> Vec<Piece> {
        super::channel::pieces(message, say::lines)
    }

    fn rate(&self) -> f64 {
        2.0
    }
}

impl Irc {
    fn out(&self) -> std::sync::MutexGuard<'_, Option<mpsc::Sender<Parcel>>> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_and_rooms_are_read_as_people_write_them() {
        assert_eq!(place("irc.example.org:6697", 6667), Some(("irc.example.org".into(), 6697)));
        assert_eq!(place("irc.example.org", 6667), Some(("irc.example.org".into(), 6667)));
        assert_eq!(place("[::1]:7000", 6667), Some(("[::1]".into(), 7000)));
        for wrong in ["", "irc://x", "host:port", "a b"] {
            assert_eq!(place(wrong, 6667), None, "{wrong}");
        }
        assert_eq!(room(" pico ").as_deref(), Some("#pico"));
        assert_eq!(room("&local").as_deref(), Some("&local"));
        assert_eq!((room(""), room("#a,#b")), (None, None));
    }
}
