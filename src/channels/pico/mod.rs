//! The channel of the web page and of programs: JSON frames over a WebSocket of the gateway's own HTTP server.
//!
//! | Module | What it does |
//! |---|---|
//! | `access` | who may connect |
//! | `frames` | what client and server say |
//! | `registry` | which connections belong to which session |
//! | `connection` | one client, from its first frame to the close |
//! | `conversation` | one message, from its arrival to the answer |
//! | `media` | files in messages, and `/pico/media/<id>` |
//!
//! The answer goes to every connection of the session, so that a page that was reloaded meanwhile still sees it. A turn
//! goes on when its client is gone: the history has the answer, and it counts as not delivered.

mod access;
mod connection;
mod conversation;
mod frames;
mod media;
mod registry;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use hyper::header::{HeaderValue, RETRY_AFTER, SEC_WEBSOCKET_PROTOCOL};
use hyper::{Method, StatusCode};
use picoclaw_telemetry::words::HttpRejection;
use serde::Deserialize;
use warp::reply::Response;

use self::access::Access;
use self::connection::Connection;
use self::media::Shelf;
use self::registry::Registry;
use super::channel::{self, Broken, Channel, Piece, SendError};
use super::link::Link;
use super::settings::{self, SettingError, Streaming};
use super::websocket;
use picoclaw::chat::courier::Outgoing;
use picoclaw::config::{ChannelConfig, SecretString};
use picoclaw::http::Observer;
use picoclaw::http::admin::Token;
use picoclaw::http::inlets::{Call, Inlet};
use picoclaw::http::takeover::Next;
use picoclaw::ids::uuid;
use picoclaw::media::Inbox;

/// Where its paths begin.
pub const PREFIX: &str = "/pico/";
/// Longest name of a session in bytes.
const LONGEST_SESSION: usize = 256;

#[derive(Deserialize)]
#[serde(default)]
struct Settings {
    token: SecretString,
    allow_token_query: bool,
    allow_origins: Vec<String>,
    streaming: Streaming,
    ping_interval: f64,
    read_timeout: f64,
    write_timeout: f64,
    max_connections: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            token: SecretString::default(),
            allow_token_query: false,
            allow_origins: Vec::new(),
            streaming: Streaming::default(),
            ping_interval: 30.0,
            read_timeout: 60.0,
            write_timeout: 10.0,
            max_connections: 100,
        }
    }
}

/// What does not change while the channel lives.
struct Pico {
    access: Access,
    placeholder: Option<String>,
    streaming: Streaming,
    ping_interval: Duration,
    read_timeout: Duration,
    write_timeout: Duration,
    max_connections: usize,
    allowed: bool,
    registry: Registry,
    shelf: Shelf,
    inbox: Inbox,
    observer: Arc<dyn Observer>,
    /// There while it runs.
    link: Mutex<Option<Arc<Link>>>,
}

/// The channel.
pub struct PicoChannel(Arc<Pico>);

/// What the sender of every message is called.
pub(super) const SENDER: &str = "pico-user";

impl PicoChannel {
    /// A channel as configured. Files of messages go to `inbox`; who is turned away is told to `observer`.
    ///
    /// # Errors
    /// When a setting cannot be used.
    pub fn new(
        config: &ChannelConfig,
        inbox: Inbox,
        observer: Arc<dyn Observer>,
    ) -> Result<Self, SettingError> {
        let settings: Settings = settings::network(config)?;
        if !(0.0..=3600.0).contains(&settings.streaming.throttle_seconds) {
            let problem = "expected 0 to 3600 seconds";
            return Err(SettingError::new("streaming.throttle_seconds", problem));
        }
        Ok(Self(Arc::new(Pico {
            access: Access {
                token: Token::new(settings.token.expose()),
                allow_token_query: settings.allow_token_query,
                allow_origins: settings.allow_origins,
            },
            placeholder: settings::placeholder(config)?,
            streaming: settings.streaming,
            ping_interval: settings::seconds("ping_interval", settings.ping_interval, 30.0)?,
            read_timeout: settings::seconds("read_timeout", settings.read_timeout, 60.0)?,
            write_timeout: settings::seconds("write_timeout", settings.write_timeout, 10.0)?,
            max_connections: if settings.max_connections == 0 { 100 } else { settings.max_connections },
            allowed: super::allow::Allowed::new(&config.allow_from).any("pico", &[SENDER]),
            registry: Registry::default(),
            shelf: Shelf::default(),
            inbox,
            observer,
            link: Mutex::new(None),
        })))
    }
}

impl Pico {
    fn set_link(&self, link: Option<Arc<Link>>) {
        *self.link.lock().unwrap_or_else(PoisonError::into_inner) = link;
    }

    fn link(&self) -> Option<Arc<Link>> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Channel for PicoChannel {
    async fn run(&self, link: &Arc<Link>) -> Result<(), Broken> {
        self.0.set_link(Some(Arc::clone(link)));
        link.up();
        link.stop.cancelled().await;
        self.0.set_link(None);
        self.0.registry.emptied().await;
        Ok(())
    }

    async fn send(
        &self,
        chat: &str,
        piece: &Piece,
        replace: Option<&str>,
    ) -> Result<Option<String>, SendError> {
        let session = session_of(chat);
        let id = replace.map_or_else(uuid, str::to_owned);
        let frame = match piece {
            Piece::Text { text, .. } if replace.is_some() => frames::update(session, &id, text),
            Piece::Text { text, .. } => frames::create(session, &id, text),
            Piece::File { file, caption } => {
                let path = self.0.shelf.put(file.clone());
                frames::files(session, &id, caption, &[(file, path)])
            }
        };
        if self.0.registry.deliver(session, frame).await {
            Ok(Some(id))
        } else {
            Err(SendError::Final(nobody_there(session)))
        }
    }

    fn pieces(&self, message: &Outgoing) -> Vec<Piece> {
        channel::captioned(channel::pieces(message, |text| vec![text.to_owned()]), usize::MAX)
    }

    fn inlet(&self) -> Option<(String, Arc<dyn Inlet>)> {
        Some((PREFIX.to_owned(), Arc::new(Self(Arc::clone(&self.0)))))
    }
}

#[async_trait]
impl Inlet for PicoChannel {
    async fn call(&self, call: Call) -> Response {
        match call.path.trim_end_matches('/') {
            "/pico/ws" => self.connect(&call),
            path => match path.strip_prefix("/pico/media/") {
                Some(id) if call.method == Method::GET || call.method == Method::HEAD => self.file(&call, id),
                _ => text(StatusCode::NOT_FOUND, "404 page not found"),
            },
        }
    }
}

impl PicoChannel {
    fn connect(&self, call: &Call) -> Response {
        let pico = &self.0;
        let Some(link) = pico.link() else {
            return text(StatusCode::SERVICE_UNAVAILABLE, "channel not running");
        };
        let Some(grant) = pico.access.admit(call) else {
            pico.observer.rejected(HttpRejection::Unauthorized);
            return text(StatusCode::UNAUTHORIZED, "unauthorized");
        };
        let Some(place) = pico.registry.place(pico.max_connections) else {
            pico.observer.rejected(HttpRejection::ConnectionLimit);
            let mut response = text(StatusCode::SERVICE_UNAVAILABLE, "too many connections");
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
            return response;
        };
        if !pico.access.allows_origin(&call.headers) {
            pico.observer.rejected(HttpRejection::ForbiddenOrigin);
            return text(StatusCode::FORBIDDEN, "the origin of the page is not in allow_origins");
        }
        let mut response = match websocket::accept(&call.method, &call.headers) {
            Ok(response) => response,
            Err(problem) => return text(StatusCode::BAD_REQUEST, problem),
        };
        let session = access::parameter(call, "session_id").filter(|id| !id.is_empty());
        let session = session.unwrap_or_else(uuid);
        if session.len() > LONGEST_SESSION {
            return text(StatusCode::BAD_REQUEST, "session_id is longer than 256 bytes");
        }
        if let Some(protocol) = grant.subprotocol {
            response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, protocol);
        }
        let connection = Connection::new(Arc::clone(pico), link, place, session);
        response.extensions_mut().insert(Next(Arc::new(connection)));
        response
    }

    fn file(&self, call: &Call, id: &str) -> Response {
        if self.0.access.admit(call).is_none() {
            self.0.observer.rejected(HttpRejection::Unauthorized);
            return text(StatusCode::UNAUTHORIZED, "unauthorized");
        }
        match self.0.shelf.take(id) {
            Some(file) => media::response(file),
            None => text(StatusCode::NOT_FOUND, "404 page not found"),
        }
    }
}

fn session_of(chat: &str) -> &str {
    chat.strip_prefix("pico:").unwrap_or(chat)
}

fn nobody_there(session: &str) -> String {
    format!("no active connections for session {session}")
}

fn text(status: StatusCode, text: &'static str) -> Response {
    let mut response = Response::new(format!("{text}\n").into());
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(hyper::header::CONTENT_TYPE, plain);
    response
}
