//! What a runner can be asked.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use picoclaw_telemetry::Bus;
use picoclaw_telemetry::sink::{Endpoint, EndpointRequest, EndpointResponse};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout};

/// How long whoever asks a sink waits for its answer.
const ANSWER_TIME: Duration = Duration::from_secs(1);

/// How many commands may wait for a runner.
const COMMANDS: usize = 32;

/// A command to a runner.
#[derive(Debug)]
pub(crate) enum Command {
    /// Answer a question after event `upto`.
    Ask { request: EndpointRequest, upto: u64, reply: oneshot::Sender<EndpointResponse> },
    /// Open files anew.
    Reopen { reply: oneshot::Sender<()> },
    /// Send what there is up to the sink's [`Fence`](super::Fence) (or to the last event now), and stop.
    Drain { deadline: Instant, reply: oneshot::Sender<u64> },
}

/// Where a sink's runner can be reached: a reload puts another runner in its place.
#[derive(Clone, Debug)]
pub(crate) struct Address(Arc<Mutex<mpsc::Sender<Command>>>);

impl Address {
    /// A new address, with the runner's end.
    pub(crate) fn new() -> (Self, mpsc::Receiver<Command>) {
        let (sender, receiver) = mpsc::channel(COMMANDS);
        (Self(Arc::new(Mutex::new(sender))), receiver)
    }

    /// What is sent from now on reaches whom `other` reaches now.
    pub(crate) fn become_as(&self, other: &Self) {
        let sender = other.sender();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = sender;
    }

    /// The way to the runner that is there now.
    pub(crate) fn sender(&self) -> mpsc::Sender<Command> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The endpoints of one sink, as the HTTP server sees them.
#[derive(Debug)]
pub(crate) struct SinkEndpoint {
    pub(crate) name: String,
    pub(crate) bus: Bus,
    pub(crate) address: Address,
}

#[async_trait]
impl Endpoint for SinkEndpoint {
    async fn ask(&self, request: EndpointRequest) -> EndpointResponse {
        let (reply, answer) = oneshot::channel();
        let ask = Command::Ask { request, upto: self.bus.seq(), reply };
        let exchange = async {
            self.address.sender().send(ask).await.ok()?;
            answer.await.ok()
        };
        match timeout(ANSWER_TIME, exchange).await {
            Ok(Some(response)) => response,
            Ok(None) => unavailable(&self.name, "is not running"),
            Err(_) => unavailable(&self.name, "did not answer within 1 s"),
        }
    }
}

/// Says that a sink cannot answer.
pub(crate) fn unavailable(name: &str, why: &str) -> EndpointResponse {
    EndpointResponse {
        status: 503,
        content_type: "text/plain; charset=utf-8",
        headers: Vec::new(),
        body: Bytes::from(format!("sink {name} {why}\n")),
    }
}
