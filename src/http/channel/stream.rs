//! The answer as server-sent events.
//!
//! Each piece is one event; pieces that are ready at the same time go out in one write, and none waits for
//! another. An error after the beginning is an event with `error`, and no `[DONE]` follows, so that a client
//! can tell a broken answer from a complete one.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::Stream;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use tokio::time::{Instant, Sleep, sleep, timeout};
use warp::Reply as _;
use warp::reply::Response;

use super::completion::{Answer, Tokens};
use super::errors;
use crate::agent::{Progress, Reply, TurnError, TurnHandle};
use crate::http::body::Taken;
use crate::http::reply::{self, ApiError};

/// How often a silent stream says that it is alive; proxies close what is silent for longer.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Pieces that go out in one write, in bytes, at most.
const MAX_WRITE: usize = 32 << 10;

const BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// The response for a turn. It waits a while for the first piece, because a turn that fails before is better
/// told by a status than by an event.
pub async fn respond(mut turn: TurnHandle, answer: Answer, include_usage: bool, room: Taken) -> Response {
    let mut first = None;
    match timeout(KEEP_ALIVE, turn.progress.recv()).await {
        Ok(Some(piece)) => first = Some(piece),
        Ok(None) => {
            // The turn has ended without a piece.
            return match (&mut turn.reply).await {
                Ok(Ok(reply)) => response(Events::finished(turn, answer, include_usage, room, &reply)),
                Ok(Err(error)) => reply::error(&errors::of_turn(&error)),
                Err(_) => reply::error(&errors::lost_turn()),
            };
        }
        Err(_) => {}
    }
    let mut events = Events::new(turn, answer, include_usage, room);
    if let Some(piece) = first {
        events.piece(&piece);
    }
    response(events)
}

fn response(events: Events) -> Response {
    let mut response = warp::reply::stream(events).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    // nginx would otherwise collect the pieces.
    headers.insert(BUFFERING, HeaderValue::from_static("no"));
    response
}

/// The events of one answer. Dropping it, as the server does when the caller goes away, cancels the turn.
struct Events {
    turn: TurnHandle,
    answer: Answer,
    include_usage: bool,
    _room: Taken,
    /// Everything of an event before the delta; the same for the whole answer.
    prefix: String,
    pending: BytesMut,
    has_text: bool,
    is_complete: bool,
    keep_alive: Pin<Box<Sleep>>,
}

impl Events {
    fn new(turn: TurnHandle, answer: Answer, include_usage: bool, room: Taken) -> Self {
        let prefix = prefix(&answer, &answer.model);
        let mut events = Self {
            turn,
            answer,
            include_usage,
            _room: room,
            prefix,
            pending: BytesMut::with_capacity(1024),
            has_text: false,
            is_complete: false,
            keep_alive: Box::pin(sleep(KEEP_ALIVE)),
        };
        events.delta(r#"{"role":"assistant","content":"","refusal":null}"#);
        events
    }

    /// For a turn that has ended before the answer began.
    fn finished(turn: TurnHandle, answer: Answer, include_usage: bool, room: Taken, reply: &Reply) -> Self {
        let mut events = Self::new(turn, answer, include_usage, room);
        events.finish(reply);
        events
    }

    fn piece(&mut self, piece: &Progress) {
        let (field, text) = match piece {
            Progress::Text(text) => {
                self.has_text |= !text.is_empty();
                ("content", text)
            }
            Progress::Reasoning(text) => ("reasoning_content", text),
            // The gateway calls its tools itself: to the caller they are no calls of its own.
            Progress::ToolCalls { .. } => return,
        };
        self.pending.reserve(self.prefix.len() + text.len() + text.len() / 8 + 96);
        self.pending.put_slice(self.prefix.as_bytes());
        self.pending.put_slice(b"{\"");
        self.pending.put_slice(field.as_bytes());
        self.pending.put_slice(b"\":");
        write_json(&mut self.pending, text);
        self.pending.put_slice(b"}");
        self.end_choice(None);
    }

    fn delta(&mut self, delta: &str) {
        self.pending.put_slice(self.prefix.as_bytes());
        self.pending.put_slice(delta.as_bytes());
        self.end_choice(None);
    }

    fn end_choice(&mut self, finish: Option<&str>) {
        self.pending.put_slice(b",\"logprobs\":null,\"finish_reason\":");
        write_json(&mut self.pending, &finish);
        self.pending.put_slice(b"}]");
        // With the option every event has the field, as in the OpenAI API.
        if self.include_usage {
            self.pending.put_slice(b",\"usage\":null");
        }
        self.pending.put_slice(b"}\n\n");
    }

    fn finish(&mut self, reply: &Reply) {
        if reply.model_name != self.answer.model {
            self.prefix = prefix(&self.answer, &reply.model_name);
        }
        if !self.has_text && !reply.content.is_empty() {
            self.piece(&Progress::Text(reply.content.clone()));
        }
        self.pending.put_slice(self.prefix.as_bytes());
        self.pending.put_slice(b"{}");
        self.end_choice(Some(reply.finish.as_str()));
        if self.include_usage {
            let head = self.prefix.find("{\"index\"").unwrap_or(self.prefix.len());
            self.pending.put_slice(&self.prefix.as_bytes()[..head]);
            self.pending.put_slice(b"],\"usage\":");
            write_json(&mut self.pending, &Tokens::from(reply.usage));
            self.pending.put_slice(b"}\n\n");
        }
        self.pending.put_slice(b"data: [DONE]\n\n");
        self.is_complete = true;
    }

    fn fail(&mut self, error: &ApiError) {
        self.pending.put_slice(b"data: ");
        self.pending.put_slice(&error.to_json());
        self.pending.put_slice(b"\n\n");
        self.is_complete = true;
    }

    /// Takes everything that is ready, and says whether more may come.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.pending.len() < MAX_WRITE {
            match self.turn.progress.poll_recv(cx) {
                Poll::Ready(Some(piece)) => self.piece(&piece),
                Poll::Ready(None) => {
                    let end = std::task::ready!(Pin::new(&mut self.turn.reply).poll(cx));
                    self.end(end.ok());
                    return Poll::Ready(());
                }
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(())
    }

    fn end(&mut self, end: Option<Result<Reply, TurnError>>) {
        match end {
            Some(Ok(reply)) => self.finish(&reply),
            Some(Err(error)) => self.fail(&errors::of_turn(&error)),
            None => self.fail(&errors::lost_turn()),
        }
    }
}

impl Stream for Events {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let events = &mut *self;
        if !events.is_complete {
            let _ = events.poll_turn(cx);
        }
        if events.pending.is_empty() {
            if events.is_complete {
                return Poll::Ready(None);
            }
            if events.keep_alive.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            events.pending.put_slice(b": keep-alive\n\n");
        }
        events.keep_alive.as_mut().reset(Instant::now() + KEEP_ALIVE);
        Poll::Ready(Some(Ok(events.pending.split().freeze())))
    }
}

fn prefix(answer: &Answer, model: &str) -> String {
    let mut text = BytesMut::with_capacity(192);
    text.put_slice(b"data: {\"id\":");
    write_json(&mut text, &answer.id);
    text.put_slice(b",\"object\":\"chat.completion.chunk\",\"created\":");
    write_json(&mut text, &answer.created);
    text.put_slice(b",\"model\":");
    write_json(&mut text, model);
    text.put_slice(b",\"system_fingerprint\":null,\"choices\":[{\"index\":0,\"delta\":");
    String::from_utf8_lossy(&text).into_owned()
}

fn write_json<T: serde::Serialize + ?Sized>(buffer: &mut BytesMut, value: &T) {
    serde_json::to_writer(buffer.writer(), value).expect("memory takes every text and number");
}
