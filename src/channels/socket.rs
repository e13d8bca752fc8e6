//! The client's end of a WebSocket to a network, which notices when the other end is dead.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use hyper::Uri;
use hyper::header::{AUTHORIZATION, HeaderValue};
use rustls::ClientConfig;
use serde_json::Value;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Bytes, Message, Utf8Bytes};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::websocket;
use super::wire::{self, Wire};

/// How long connecting may take, all in all.
const CONNECT_TIME: Duration = Duration::from_secs(15);
/// How long a write may take.
const WRITE_TIME: Duration = Duration::from_secs(10);
/// The largest message of a network.
const LARGEST: usize = 4 << 20;

/// A connection.
pub(super) struct Socket(WebSocketStream<Box<dyn Wire>>);

/// What came.
#[derive(Debug)]
pub(super) enum Heard {
    /// A document.
    Json(Value),
    /// A sign of life.
    Life,
    /// The other end closed, with this code.
    Closed(Option<u16>),
}

impl Socket {
    /// Connects to a `ws` or `wss` address.
    ///
    /// # Errors
    /// Why not. The address is not repeated: it may hold a secret.
    pub(super) async fn connect(url: &str, tls: &ClientConfig) -> Result<Self, String> {
        Self::connect_with(url, "", tls).await
    }

    /// The same with a bearer token, unless that is empty.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub(super) async fn connect_with(url: &str, token: &str, tls: &ClientConfig) -> Result<Self, String> {
        let connecting = timeout(CONNECT_TIME, connect(url, token, tls)).await;
        connecting.unwrap_or_else(|_| Err("no answer in time".to_owned()))
    }

    /// The next thing that the other end says. Dropping the future loses nothing.
    ///
    /// # Errors
    /// When the connection broke.
    pub(super) async fn next(&mut self) -> Result<Heard, String> {
        match self.0.next().await {
            Some(Ok(Message::Text(text))) => {
                let document = serde_json::from_str(&text).map_err(|error| format!("not JSON: {error}"))?;
                Ok(Heard::Json(document))
            }
            Some(Ok(Message::Close(frame))) => Ok(Heard::Closed(frame.map(|frame| frame.code.into()))),
            Some(Ok(_)) => Ok(Heard::Life),
            Some(Err(error)) => Err(error.to_string()),
            None => Ok(Heard::Closed(None)),
        }
    }

    /// Sends a document.
    ///
    /// # Errors
    /// When the connection broke, or takes nothing.
    pub(super) async fn send(&mut self, document: &Value) -> Result<(), String> {
        self.write(Message::Text(Utf8Bytes::from(document.to_string()))).await
    }

    /// Asks for a sign of life.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub(super) async fn ping(&mut self) -> Result<(), String> {
        self.write(Message::Ping(Bytes::new())).await
    }

    /// Says goodbye, with a code by which the network knows whether the session is to go on.
    pub(super) async fn close(mut self, code: u16) {
        let frame = CloseFrame { code: CloseCode::from(code), reason: Utf8Bytes::default() };
        let _ = timeout(Duration::from_secs(1), self.0.close(Some(frame))).await;
    }

    async fn write(&mut self, message: Message) -> Result<(), String> {
        match timeout(WRITE_TIME, self.0.send(message)).await {
            Ok(result) => result.map_err(|error| error.to_string()),
            Err(_) => Err("the other end takes nothing".to_owned()),
        }
    }
}

async fn connect(url: &str, token: &str, tls: &ClientConfig) -> Result<Socket, String> {
    let uri: Uri = url.parse().map_err(|_| "no address of a WebSocket".to_owned())?;
    let host = uri.host().ok_or("no address of a WebSocket")?;
    let secure = uri.scheme_str() == Some("wss");
    let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
    let wire = wire::connect(host, port, secure.then_some(tls)).await?;
    let config = Some(websocket::bounds(LARGEST));
    let mut request = url.into_client_request().map_err(|error| error.to_string())?;
    if !token.is_empty() {
        let value = HeaderValue::from_str(&format!("Bearer {token}"))
            .map_err(|_| "the token is no text for a header")?;
        request.headers_mut().insert(AUTHORIZATION, value);
    }
    let connected = client_async_with_config(request, wire, config).await;
    let (socket, _) = connected.map_err(|error| error.to_string())?;
    Ok(Socket(socket))
}
