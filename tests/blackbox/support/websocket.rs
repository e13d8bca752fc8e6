//! A WebSocket client.

use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;
use tokio_tungstenite::tungstenite::handshake::HandshakeError;
use tokio_tungstenite::tungstenite::handshake::client::Response;
use tokio_tungstenite::tungstenite::http::Request;
use tokio_tungstenite::tungstenite::{Error, Message, WebSocket, client};

/// A connection. What it waits for must come within half a minute.
pub(crate) struct Socket(WebSocket<TcpStream>);

impl Socket {
    /// Connects, or returns the status and the text of the refusal.
    pub(crate) fn connect(
        port: u16,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<(Self, Response), (u16, String)> {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let mut request = Request::builder()
            .uri(format!("ws://127.0.0.1:{port}{path}"))
            .header("Host", "localhost")
            .header("Connection", "Upgrade")
            .header("Upgrade", "websocket")
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        match client(request.body(()).unwrap(), stream) {
            Ok((socket, response)) => Ok((Self(socket), response)),
            Err(HandshakeError::Failure(Error::Http(response))) => {
                let body = response.body().clone().unwrap_or_default();
                Err((response.status().as_u16(), String::from_utf8_lossy(&body).trim().to_owned()))
            }
            Err(error) => panic!("{error}"),
        }
    }

    pub(crate) fn send(&mut self, text: impl ToString) {
        self.0.send(Message::text(text.to_string())).unwrap();
    }

    /// The next frame of JSON, without its timestamp, which must be one.
    pub(crate) fn next(&mut self) -> Value {
        loop {
            match self.0.read().unwrap() {
                Message::Text(text) => {
                    let mut frame: Value = serde_json::from_str(&text).unwrap();
                    let stamp = frame.as_object_mut().unwrap().remove("timestamp").unwrap();
                    assert!(stamp.as_u64().unwrap() > 1_600_000_000_000, "milliseconds");
                    return frame;
                }
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("{other}"),
            }
        }
    }

    /// Reads until the server closes, and returns its code, 1006 without one.
    pub(crate) fn closed(&mut self) -> u16 {
        loop {
            match self.0.read() {
                Ok(Message::Close(frame)) => return frame.map_or(1005, |frame| frame.code.into()),
                Ok(_) => {}
                Err(_) => return 1006,
            }
        }
    }

    /// Waits for a ping of the server.
    pub(crate) fn pinged(&mut self) {
        while !matches!(self.0.read().unwrap(), Message::Ping(_)) {}
    }
}
