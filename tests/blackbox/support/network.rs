//! A chat network with an HTTP API and a WebSocket, which a test plays.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Message, WebSocket, accept};

use super::wait_for;

/// The network. Calls are answered by a function of path and body.
pub(crate) struct Network {
    pub(crate) port: u16,
    sockets: TcpListener,
    calls: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Network {
    /// `answer` gets the path of a call, its body, and the address of the WebSocket. A body that is no JSON comes as
    /// `{"form": text}`, an answer `{"raw": text}` goes as that text, and one with `status` with that.
    pub(crate) fn start(answer: fn(&str, &Value, &str) -> Value) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let sockets = TcpListener::bind("127.0.0.1:0").unwrap();
        let network = Self { port: listener.local_addr().unwrap().port(), sockets, calls: Arc::default() };
        let url = format!("ws://{}", network.sockets.local_addr().unwrap());
        let calls = Arc::clone(&network.calls);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (calls, url) = (Arc::clone(&calls), url.clone());
                std::thread::spawn(move || serve(stream, &calls, &url, answer));
            }
        });
        network
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The address of the WebSocket.
    pub(crate) fn socket_url(&self) -> String {
        format!("ws://{}", self.sockets.local_addr().unwrap())
    }

    /// The gateway's next connection.
    pub(crate) fn accept(&self) -> Peer {
        let (stream, _) = self.sockets.accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        Peer(accept(stream).unwrap())
    }

    /// The body of the n-th call of a path, waited for.
    pub(crate) fn call(&self, path: &str, n: usize) -> Value {
        wait_for(path, || {
            let calls = self.calls.lock().unwrap();
            calls.iter().filter(|(called, _)| called == path).nth(n).map(|(_, body)| body.clone())
        })
    }

    /// The body of the n-th call of the paths that begin so, waited for.
    pub(crate) fn call_below(&self, begin: &str, n: usize) -> Value {
        wait_for(begin, || {
            let calls = self.calls.lock().unwrap();
            calls.iter().filter(|(called, _)| called.starts_with(begin)).nth(n).map(|(_, body)| body.clone())
        })
    }

    pub(crate) fn count(&self, path: &str) -> usize {
        self.calls.lock().unwrap().iter().filter(|(called, _)| called == path).count()
    }
}

/// The network's end of a connection.
pub(crate) struct Peer(WebSocket<TcpStream>);

impl Peer {
    pub(crate) fn send(&mut self, document: Value) {
        self.0.send(Message::text(document.to_string())).unwrap();
    }

    /// The next document.
    pub(crate) fn next(&mut self) -> Value {
        loop {
            if let Message::Text(text) = self.0.read().unwrap() {
                return serde_json::from_str(&text).unwrap();
            }
        }
    }

    /// Reads until the gateway closes.
    pub(crate) fn closed(&mut self) {
        while self.0.read().is_ok() {}
    }

    /// Ends the connection without a word.
    pub(crate) fn cut(self) {
        let _ = self.0.get_ref().shutdown(std::net::Shutdown::Both);
    }
}

fn serve(
    stream: TcpStream,
    calls: &Mutex<Vec<(String, Value)>>,
    url: &str,
    answer: fn(&str, &Value, &str) -> Value,
) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut length = 0;
        loop {
            let mut header = String::new();
            if reader.read_line(&mut header).unwrap_or(0) == 0 {
                return;
            }
            let header = header.trim().to_ascii_lowercase();
            if header.is_empty() {
                break;
            }
            if let Some(value) = header.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let form =
            || if body.is_empty() { Value::Null } else { json!({ "form": String::from_utf8_lossy(&body) }) };
        let body: Value = serde_json::from_slice(&body).unwrap_or_else(|_| form());
        let answer = answer(&path, &body, url);
        let status = answer["status"].as_u64().unwrap_or(200);
        let text = answer["raw"].as_str().map_or_else(|| answer.to_string(), str::to_owned);
        calls.lock().unwrap().push((path, body));
        let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{text}", text.len());
        if reader.get_mut().write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}
