//! A server that says what a test tells it to, byte for byte.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Answers each connection's requests in turn; ends with its owner.
pub(in crate::providers) struct Server {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// Gives the first answer to the first request, and so on; the last one to all further ones. Each answer closes
    /// its connection.
    pub(in crate::providers) async fn saying(answers: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let answers: Vec<Vec<u8>> = answers.into_iter().collect();
        Self::handling(move |mut stream, number| {
            let answer = answers[number.min(answers.len() - 1)].clone();
            async move {
                // A client that has gone away is no concern of the server's.
                let _ = stream.write_all(&answer).await;
                let _ = stream.shutdown().await;
            }
        })
        .await
    }

    /// Hands each connection, after its first request, to `handle`, with the number of the request.
    pub(in crate::providers) async fn handling<F, T>(handle: F) -> Self
    where
        F: Fn(TcpStream, usize) -> T + Send + 'static,
        T: Future<Output = ()> + Send,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let task = tokio::spawn(async move {
            loop {
                let Ok((mut stream, _)) = listener.accept().await else {
                    return;
                };
                // Nagle's algorithm waits in real time, which a paused clock does not see.
                stream.set_nodelay(true).expect("a TCP socket");
                if let Some(request) = read_request(&mut stream).await {
                    let number = {
                        let mut seen = seen.lock().unwrap();
                        seen.push(request);
                        seen.len() - 1
                    };
                    handle(stream, number).await;
                }
            }
        });
        Self { address, requests, task }
    }

    pub(in crate::providers) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The requests so far, head and body.
    pub(in crate::providers) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// The body of a request, as JSON.
    pub(in crate::providers) fn body(&self, number: usize) -> serde_json::Value {
        let request = &self.requests()[number];
        let body = request.split_once("\r\n\r\n").expect("a body").1;
        serde_json::from_str(body).expect("JSON")
    }
}

/// One request with its body; `None` when the client goes away before.
pub(in crate::providers) async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().expect("a length")) {
                return Some(text.into_owned());
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}
