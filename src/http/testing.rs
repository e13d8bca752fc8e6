//! A gateway with a fake agent on a real socket, and a client that can send anything.

mod fake;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use picoclaw_telemetry::words::HttpRejection;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

pub(crate) use self::fake::Fake;
use super::admin::{Admin, Reloader, Token};
use super::body::Room;
use super::inlets::Inlets;
use super::{Drained, EndpointTable, Endpoints, Limits, Observer, bind, routes, serve};
use crate::http::channel::{HttpChannel, Settings};

/// No test waits longer for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// What the server told about itself.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    rejected: Mutex<BTreeMap<&'static str, usize>>,
    connections: Mutex<(usize, usize)>,
}

impl Counts {
    pub(crate) fn rejected(&self, why: HttpRejection) -> usize {
        self.rejected.lock().unwrap().get(why.as_str()).copied().unwrap_or(0)
    }

    pub(crate) fn open(&self) -> usize {
        self.connections.lock().unwrap().0
    }

    pub(crate) fn most_open(&self) -> usize {
        self.connections.lock().unwrap().1
    }
}

impl Observer for Counts {
    fn rejected(&self, why: HttpRejection) {
        *self.rejected.lock().unwrap().entry(why.as_str()).or_default() += 1;
    }

    fn connections(&self, open: usize) {
        let mut connections = self.connections.lock().unwrap();
        *connections = (open, connections.1.max(open));
    }
}

/// How to start a gateway.
#[derive(Default)]
pub(crate) struct Setup {
    pub(crate) host: Option<&'static str>,
    pub(crate) limits: Limits,
    pub(crate) settings: Settings,
    pub(crate) table: EndpointTable,
    pub(crate) reloader: Option<Arc<dyn Reloader>>,
}

/// A running gateway.
pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    pub(crate) assistant: Arc<Fake>,
    pub(crate) counts: Arc<Counts>,
    pub(crate) endpoints: Endpoints,
    pub(crate) stop: CancellationToken,
    server: JoinHandle<Drained>,
}

impl Setup {
    pub(crate) async fn start(self) -> Gateway {
        let bound = bind(self.host.unwrap_or("127.0.0.1"), 0).await.unwrap();
        let counts = Arc::new(Counts::default());
        let observer: Arc<dyn Observer> = counts.clone();
        let assistant = Arc::new(Fake::default());
        let endpoints = Endpoints::new(self.table);
        let admin = Admin::new(Token::new("operator-token"), self.reloader, observer.clone());
        let channel =
            HttpChannel::new(assistant.clone(), observer.clone(), self.settings, Room::new(1 << 20));
        let routes =
            routes::gateway(endpoints.clone(), Arc::new(admin), Arc::new(channel), Inlets::default());
        let stop = CancellationToken::new();
        let address = SocketAddr::new([127, 0, 0, 1].into(), bound.port());
        let server = tokio::spawn(serve(bound.listeners, routes, self.limits, observer, stop.clone()));
        Gateway { address, assistant, counts, endpoints, stop, server }
    }
}

impl Gateway {
    pub(crate) async fn start() -> Self {
        Setup::default().start().await
    }

    pub(crate) async fn connect(&self) -> Client {
        Client(TcpStream::connect(self.address).await.unwrap())
    }

    /// Sends bytes on a new connection and returns everything until the server closes.
    pub(crate) async fn exchange(&self, request: impl AsRef<[u8]>) -> String {
        let mut client = self.connect().await;
        client.send(request).await;
        client.rest().await
    }

    /// A request without a body; the connection is closed after it.
    pub(crate) async fn ask(&self, method: &str, path: &str, headers: &str) -> String {
        self.exchange(format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}\r\n"
        ))
        .await
    }

    /// A chat message with further header lines, each with its line end.
    pub(crate) async fn chat(&self, headers: &str, body: &str) -> String {
        self.exchange(chat_request(&format!("connection: close\r\n{headers}"), body)).await
    }

    /// Waits until `condition` holds.
    pub(crate) async fn until(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        let wait = async {
            while !condition(self) {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("waited in vain until {what}"));
    }

    pub(crate) async fn stopped(self) -> Drained {
        timeout(PATIENCE, self.server).await.expect("the server ends").unwrap()
    }
}

pub(crate) fn chat_request(headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n{headers}\r\n{body}"
    )
}

/// A body with one message of the user.
pub(crate) fn message(text: &str, stream: bool) -> String {
    serde_json::json!({"messages": [{"role": "user", "content": text}], "stream": stream}).to_string()
}

/// The status of an answer.
pub(crate) fn status(answer: &str) -> u16 {
    answer.get(9..12).and_then(|code| code.parse().ok()).unwrap_or_else(|| panic!("no status in {answer:?}"))
}

/// The JSON document of an answer that is not chunked.
pub(crate) fn json(answer: &str) -> serde_json::Value {
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
}

/// One end of a connection.
pub(crate) struct Client(pub(crate) TcpStream);

impl Client {
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Reads until `needle` has arrived.
    pub(crate) async fn until(&mut self, needle: &str) -> String {
        let mut text = String::new();
        let read = async {
            while !text.contains(needle) {
                let mut buffer = [0; 4096];
                match self.0.read(&mut buffer).await {
                    Ok(length @ 1..) => text.push_str(&String::from_utf8_lossy(&buffer[..length])),
                    end => panic!("{end:?} before {needle:?}: {text:?}"),
                }
            }
        };
        timeout(PATIENCE, read).await.unwrap_or_else(|_| panic!("no {needle:?} in time"));
        text
    }

    /// Reads until the server closes.
    pub(crate) async fn rest(&mut self) -> String {
        let mut bytes = Vec::new();
        timeout(PATIENCE, self.0.read_to_end(&mut bytes)).await.expect("the server closes").unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}
