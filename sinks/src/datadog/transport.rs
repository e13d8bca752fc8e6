//! Sends datagrams to the Agent and finds out which of them it did not get.
//!
//! A refused UDP datagram is no error when it is sent: the refusal comes back later. So a flush goes out in windows.
//! After each one it is waited a moment; when no refusal has come, the window counts as delivered. The first window is
//! a single datagram, so to an Agent that is absent nothing but that one is sent, again and again. From this machine
//! itself a refusal comes before the send returns and tells exactly which datagram it was, so nothing is waited for
//! after the last window; from elsewhere all of the window counts as lost. The pauses between windows also leave an
//! Agent the time to empty its socket's buffer, from which UDP drops silently, when much has gathered. A firewall that drops without a word looks like an Agent that listens.

use std::io;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use picoclaw_telemetry::sink::{Batch, SendError, Transport};

use super::client;
use super::delta::Progress;
use super::options::Destination;
use super::socket::Socket;

/// How long after a window a refusal from another machine is waited for.
const GRACE: Duration = Duration::from_millis(50);
/// How long an Agent on this machine has for a window before the next one.
const PAUSE: Duration = Duration::from_millis(5);
/// Datagrams in a window after the first one: half of what fits into a socket's usual buffer of 208 KiB.
const WINDOW: usize = 32;

/// Sends datagrams to the Agent.
#[derive(Debug)]
pub(super) struct AgentTransport {
    destination: Destination,
    event_tags: Vec<String>,
    /// A line that is always true: a question whether somebody listens must not be noise to whoever does.
    hello: Bytes,
    progress: Progress,
    socket: Option<Socket>,
    attempt: usize,
}

impl AgentTransport {
    pub(super) fn new(
        destination: Destination,
        event_tags: Vec<String>,
        hello: Bytes,
        progress: Progress,
    ) -> Self {
        Self { destination, event_tags, hello, progress, socket: None, attempt: 0 }
    }

    async fn connected(&mut self) -> io::Result<&Socket> {
        let socket = match self.socket.take() {
            Some(socket) => socket,
            None => Socket::connect(&self.destination, self.attempt).await?,
        };
        Ok(self.socket.insert(socket))
    }

    async fn send_all(&mut self, batch: &mut Batch) -> io::Result<()> {
        let progress = Progress::clone(&self.progress);
        let tags = self.event_tags.clone();
        let socket = self.connected().await?;
        let mut window = 1;
        while batch.sent < batch.frames.len() {
            if let Some((title, text)) = client::parse(&batch.frames[batch.sent]) {
                send_event(socket, &tags, title, text).await;
                batch.sent += 1;
            } else {
                send_window(socket, batch, window, &progress).await?;
                window = WINDOW;
            }
            progress.store(batch.sent, Relaxed);
        }
        Ok(())
    }

    /// The next attempt begins with a new socket.
    fn failed(&mut self, error: &io::Error) -> SendError {
        self.socket = None;
        self.attempt = self.attempt.wrapping_add(1);
        let place = match &self.destination {
            Destination::Udp(address) => address.clone(),
            Destination::Unix(path) => path.display().to_string(),
        };
        let what = match error.kind() {
            io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => {
                "no Datadog Agent listens there; totals are kept until one does".to_owned()
            }
            _ => error.to_string(),
        };
        SendError::Retry { after: None, message: format!("sending to {place}: {what}") }
    }
}

/// Sends up to `window` datagrams, not beyond the next event. On an error `batch.sent` says which ones went out.
async fn send_window(
    socket: &Socket,
    batch: &mut Batch,
    window: usize,
    progress: &Progress,
) -> io::Result<()> {
    let began = batch.sent;
    let result = async {
        for datagram in batch.frames.iter().skip(began).take(window) {
            if client::parse(datagram).is_some() {
                break;
            }
            if let Err(error) = socket.send(datagram).await {
                // This one did not go out. A refusal is that of an earlier one.
                if error.kind() == io::ErrorKind::ConnectionRefused && !socket.has_backpressure() {
                    batch.sent = began;
                }
                return Err(error);
            }
            if socket.refuses_at_once() {
                socket.refused()?;
            }
            batch.sent += 1;
            progress.store(batch.sent, Relaxed);
        }
        if socket.refuses_at_once() {
            if batch.sent < batch.frames.len() {
                tokio::time::sleep(PAUSE).await;
            }
        } else if !socket.has_backpressure() {
            tokio::time::sleep(GRACE).await;
            socket.refused().inspect_err(|_| batch.sent = began)?;
        }
        Ok(())
    };
    let result = result.await;
    progress.store(batch.sent, Relaxed);
    result
}

/// An event that cannot be sent is not worth a failed flush: it is in the log too.
async fn send_event(socket: &Socket, tags: &[String], title: String, text: String) {
    let (target, tags) = (socket.target(), tags.to_vec());
    let sent = tokio::task::spawn_blocking(move || client::send(&target, &tags, &title, &text)).await;
    if let Ok(Err(error)) = sent {
        tracing::debug!(error, "A Datadog event could not be sent.");
    }
}

#[async_trait]
impl Transport for AgentTransport {
    async fn probe(&mut self) -> Result<(), SendError> {
        let hello = self.hello.clone();
        let probed = async {
            let socket = self.connected().await?;
            if !socket.has_backpressure() {
                socket.send(&hello).await?;
                if !socket.refuses_at_once() {
                    tokio::time::sleep(GRACE).await;
                }
                socket.refused()?;
            }
            Ok(())
        };
        let probed: io::Result<()> = probed.await;
        probed.map_err(|error| self.failed(&error))
    }

    async fn send(&mut self, batch: &mut Batch) -> Result<(), SendError> {
        let sent = self.send_all(batch).await;
        sent.map_err(|error| self.failed(&error))
    }

    async fn reopen(&mut self) -> Result<(), SendError> {
        self.socket = None;
        Ok(())
    }

    fn claims(&self) -> Vec<String> {
        match &self.destination {
            Destination::Udp(address) => vec![address.clone()],
            Destination::Unix(path) => vec![path.display().to_string()],
        }
    }

    fn describe(&self) -> String {
        match &self.destination {
            Destination::Udp(address) => format!("sends to {address}"),
            Destination::Unix(path) => format!("sends to {}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests;
