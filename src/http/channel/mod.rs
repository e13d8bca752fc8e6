//! The OpenAI-compatible channel: `POST /v1/chat/completions`, `GET /v1/models`, `GET /v1/models/{id}`.
//!
//! | Module | What it does |
//! |---|---|
//! | [`access`] | who may ask: keys, web pages of other origins, DNS rebinding |
//! | [`request`], [`messages`], `content` | the request, checked field by field |
//! | [`completion`] | the answer in one piece |
//! | [`stream`] | the answer as server-sent events |
//! | [`errors`] | which status stands for which failure |
//! | [`models`] | the list of models |
//!
//! A caller who names a session (`session_id` or `metadata.session_id` in the body, or `X-Session-Id`) has its
//! history kept by the gateway; of the messages that it sends, only those after the last answer are new. Other
//! callers send the whole history each time and nothing is kept. A message for a session whose turn runs waits for a turn
//! of its own, unless `metadata.steer` lets it join: then both callers get that turn's answer.
//!
//! A caller who goes away cancels its turn.
//!
//! Images are shown to the model; those of a session are kept like those of chats.
//!
//! Missing: tools that the caller runs itself, several choices (`n`), sound, files, log probabilities. A request for one
//! of these is refused rather than half fulfilled.

pub mod access;
pub mod completion;
mod content;
pub mod errors;
pub mod messages;
pub mod models;
pub mod request;
pub mod stream;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use bytes::Buf;
use futures_util::Stream;
use hyper::header::{CONTENT_ENCODING, HeaderMap, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use hyper::{Method, StatusCode};
use picoclaw_telemetry::words::{HttpRejection, Rejection};
use warp::reply::Response;

use self::access::{Access, Denied};
use self::completion::Answer;
use self::request::{ChatRequest, Defect};
use crate::agent::{Assistant, Conversation, Inbound, TurnHandle};
use crate::chat::Message;
use crate::http::body::{self, BodyError, BodyLimits, Room};
use crate::http::reply::{self, ApiError};
use crate::http::{ConnInfo, Observer};
use crate::media::inbox::Inbox;
use crate::media::picture::{Picture, fit_inline};
use crate::quote::quote;

/// What the configuration says about the channel.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Who may ask.
    pub access: Access,
    /// What a request may weigh.
    pub body: BodyLimits,
}

/// The channel.
pub struct HttpChannel {
    assistant: Arc<dyn Assistant>,
    observer: Arc<dyn Observer>,
    settings: ArcSwap<Settings>,
    room: Room,
    started: u64,
}

/// The label of the channel.
pub const CHANNEL: &str = "http";
/// The label of messages that this machine's `picoclaw agent` sends through the channel.
pub const CLI_CHANNEL: &str = "cli";

const CHAT: &str = "/v1/chat/completions";
const MODELS: &str = "/v1/models";

/// Which channel a message of this machine's `picoclaw agent` is counted for.
pub const CHANNEL_HEADER: HeaderName = HeaderName::from_static("x-picoclaw-channel");
/// The session that a message belongs to.
pub const SESSION_HEADER: HeaderName = HeaderName::from_static("x-session-id");

impl HttpChannel {
    /// A channel that hands messages to `assistant`.
    /// Large requests share `room` until they are answered.
    pub fn new(
        assistant: Arc<dyn Assistant>,
        observer: Arc<dyn Observer>,
        settings: Settings,
        room: Room,
    ) -> Self {
        let settings = ArcSwap::from_pointee(settings);
        Self { assistant, observer, settings, room, started: unix_time() }
    }

    /// Takes over new settings; requests that are being handled keep the old ones.
    pub fn reconfigure(&self, settings: Settings) {
        self.settings.store(Arc::new(settings));
    }

    /// Answers a request to a path below `/v1`.
    pub async fn handle<S, B, E>(
        &self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
        conn: ConnInfo,
        body: S,
    ) -> Response
    where
        S: Stream<Item = Result<B, E>>,
        B: Buf,
    {
        let settings = self.settings.load_full();
        let mut response = match settings.access.check_origin(headers) {
            Err(denied) => self.deny(path, method, CHANNEL, &denied),
            Ok(()) => self.route(&settings, method, path, headers, conn, body).await,
        };
        settings.access.add_cors(headers, response.headers_mut());
        response
    }

    async fn route<S, B, E>(
        &self,
        settings: &Settings,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
        conn: ConnInfo,
        body: S,
    ) -> Response
    where
        S: Stream<Item = Result<B, E>>,
        B: Buf,
    {
        let model = path.strip_prefix(MODELS).and_then(|rest| rest.strip_prefix('/'));
        let is_models = path == MODELS || model.is_some_and(|id| !id.is_empty());
        if path != CHAT && !is_models {
            return reply::unknown_path(path);
        }
        if method == Method::OPTIONS {
            return access::preflight(headers);
        }
        let is_read = method == Method::GET || method == Method::HEAD;
        if path == CHAT && method != Method::POST {
            return reply::method_not_allowed(path, "POST, OPTIONS");
        }
        if is_models && !is_read {
            return reply::method_not_allowed(path, "GET, HEAD, OPTIONS");
        }

        let caller = match settings.access.check(headers, conn, !is_read) {
            Ok(caller) => caller,
            Err(denied) => return self.deny(path, method, CHANNEL, &denied),
        };
        if is_models {
            let models = self.assistant.models();
            return match model {
                None => models::list(&models, self.started),
                Some(id) => models::one(&models, id, self.started),
            };
        }
        let is_cli = caller.is_operator()
            && headers.get(CHANNEL_HEADER).is_some_and(|value| value.as_bytes() == CLI_CHANNEL.as_bytes());
        self.chat(settings, if is_cli { CLI_CHANNEL } else { CHANNEL }, headers, body).await
    }

    async fn chat<S, B, E>(
        &self,
        settings: &Settings,
        channel: &'static str,
        headers: &HeaderMap,
        body: S,
    ) -> Response
    where
        S: Stream<Item = Result<B, E>>,
        B: Buf,
    {
        if let Some(encoding) = headers.get(CONTENT_ENCODING).filter(|encoding| *encoding != "identity") {
            let message = format!(
                "the body has the Content-Encoding {}: send it without one",
                quote(&String::from_utf8_lossy(encoding.as_bytes()))
            );
            self.assistant.refused_because(channel, Rejection::Invalid, &message);
            return reply::error(&ApiError::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_encoding",
                message,
            ));
        }
        let (body, room) = match body::read(body, headers, settings.body, &self.room).await {
            Ok(read) => read,
            Err(error) => {
                self.assistant.refused_because(channel, Rejection::Invalid, &error.to_string());
                return self.unreadable(error);
            }
        };
        let header = headers.get(SESSION_HEADER).map(HeaderValue::as_bytes);
        let request = match ChatRequest::parse(&body, header) {
            Ok(request) => request,
            Err(defect) => {
                self.assistant.refused_because(channel, Rejection::Invalid, &defect.for_operators());
                return reply::error(&defect.into());
            }
        };
        drop(body);
        let ChatRequest { messages, model, sampling, stream, include_usage, session, steer } = request;
        let model = model.filter(|name| self.is_model(name));
        // Only a stream has to name the model before the answer is there.
        let announced = stream.then(|| model.clone().unwrap_or_else(|| self.default_model()));
        let answer = Answer::new(announced.unwrap_or_default());
        let conversation = session.clone().map_or(Conversation::Stateless, Conversation::Session);
        let messages = self.with_images_kept(channel, &conversation, messages).await;
        let inbound = Inbound {
            channel,
            conversation,
            messages,
            model,
            sampling,
            stream,
            tool_calls: false,
            steer,
            received: Instant::now(),
        };
        let turn = match self.assistant.submit(inbound).await {
            Ok(turn) => turn,
            Err(refusal) => return reply::error(&errors::of_refusal(&refusal)),
        };
        let mut response = if stream {
            stream::respond(turn, answer, include_usage, room).await
        } else {
            whole(turn, &answer).await
        };
        if let Some(session) = session.and_then(|session| HeaderValue::from_str(&session).ok()) {
            response.headers_mut().insert(SESSION_HEADER, session);
        }
        response
    }

    /// Keeps the images of what a session remembers where its agent's tools find them. A conversation that is not stored
    /// leaves nothing behind.
    async fn with_images_kept(
        &self,
        channel: &str,
        conversation: &Conversation,
        mut messages: Vec<Message>,
    ) -> Vec<Message> {
        let has_images = |message: &Message| !message.media().is_empty();
        if *conversation == Conversation::Stateless || !messages.iter().any(has_images) {
            return messages;
        }
        let Some(workspace) = self.assistant.workspace(channel, conversation) else {
            return messages;
        };
        let inbox = Inbox::new(workspace);
        for message in messages.iter_mut().filter(|message| has_images(message)) {
            let urls = message.media().iter().filter_map(|url| url.as_str().map(str::to_owned));
            let urls: Vec<String> = urls.collect();
            let inline = fit_inline(urls.iter().map(String::len));
            let mut text = std::mem::take(&mut message.content);
            let mut images = Vec::with_capacity(urls.len());
            for (url, n) in urls.into_iter().zip(1..) {
                images.extend(match Picture::read(n, &url) {
                    Ok(picture) => inbox.enclose(channel, picture, inline, &mut text).await,
                    // An address.
                    Err(_) => Some(url),
                });
            }
            *message = Message::from_person(text, images);
        }
        messages
    }

    /// Whether the name means a model rather than "whatever is configured".
    fn is_model(&self, name: &str) -> bool {
        !models::is_alias(name) || self.assistant.models().iter().any(|model| model.name == name)
    }

    fn default_model(&self) -> String {
        self.assistant.models().into_iter().next().map_or_else(|| "default".to_owned(), |model| model.name)
    }

    fn deny(&self, path: &str, method: &Method, channel: &'static str, denied: &Denied) -> Response {
        self.observer.rejected(denied.rejection());
        let error = denied.to_error();
        if path == CHAT && method == Method::POST {
            self.assistant.refused_because(channel, Rejection::Unauthorized, &error.message);
        }
        let mut response = reply::error(&error);
        if error.status == StatusCode::UNAUTHORIZED {
            // RFC 9110, section 11.6.1.
            response
                .headers_mut()
                .insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"picoclaw\""));
        }
        response
    }

    fn unreadable(&self, error: BodyError) -> Response {
        let (status, code) = match error {
            BodyError::TooLarge(_) => {
                self.observer.rejected(HttpRejection::BodyTooLarge);
                (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large")
            }
            BodyError::TooSlow(_) => {
                self.observer.rejected(HttpRejection::BodyTimeout);
                (StatusCode::REQUEST_TIMEOUT, "body_timeout")
            }
            BodyError::Busy => {
                self.observer.rejected(HttpRejection::BodyBacklog);
                (StatusCode::SERVICE_UNAVAILABLE, "busy")
            }
            BodyError::Broken => {
                self.observer.rejected(HttpRejection::Malformed);
                (StatusCode::BAD_REQUEST, "malformed_body")
            }
        };
        let may_pass = error == BodyError::Busy;
        reply::error(&ApiError {
            retry: (!may_pass).then_some(false),
            retry_after: may_pass.then_some(Duration::from_secs(1)),
            ..ApiError::new(status, code, error.to_string())
        })
    }
}

/// Waits for the end of a turn. When the caller goes away the server drops this future, and the turn with it.
async fn whole(turn: TurnHandle, answer: &Answer) -> Response {
    let TurnHandle { progress: _progress, reply, cancel: _cancel } = turn;
    match reply.await {
        Ok(Ok(reply)) => reply::json(StatusCode::OK, answer.to_json(&reply)),
        Ok(Err(error)) => reply::error(&errors::of_turn(&error)),
        Err(_) => reply::error(&errors::lost_turn()),
    }
}

fn unix_time() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

impl From<Defect> for ApiError {
    fn from(defect: Defect) -> Self {
        Self { param: defect.param, ..Self::new(StatusCode::BAD_REQUEST, defect.code, defect.message) }
    }
}

#[cfg(test)]
mod tests;
