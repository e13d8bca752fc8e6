//! What a runner can be asked.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
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
pub(crate) struct Address {
    runner: Arc<Mutex<mpsc::Sender<Command>>>,
    /// Whether a wish to reopen stands in line for a place among the commands.
    reopen_waits: Arc<AtomicBool>,
}

impl Address {
    /// A new address, with the runner's end.
    pub(crate) fn new() -> (Self, mpsc::Receiver<Command>) {
        let (sender, receiver) = mpsc::channel(COMMANDS);
        (Self { runner: Arc::new(Mutex::new(sender)), reopen_waits: Arc::default() }, receiver)
    }

    /// What is sent from now on reaches whom `other` reaches now.
    pub(crate) fn become_as(&self, other: &Self) {
        let sender = other.sender();
        *self.runner.lock().unwrap_or_else(PoisonError::into_inner) = sender;
    }

    /// The way to the runner that is there now.
    pub(crate) fn sender(&self) -> mpsc::Sender<Command> {
        self.runner.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Has the runner open its files anew, however many commands wait before this one. `None` when one that was asked
    /// for earlier still stands in line: it does for both.
    pub(crate) fn reopen(&self) -> Option<oneshot::Receiver<()>> {
        if self.reopen_waits.swap(true, SeqCst) {
            return None;
        }
        let (reply, answer) = oneshot::channel();
        let (sender, waits) = (self.sender(), Arc::clone(&self.reopen_waits));
        // A task of its own: whoever asks may stop waiting, and a log rotator does not ask twice.
        tokio::spawn(async move {
            let place = sender.reserve().await;
            // Before it can be obeyed: who asks from here on has a reason that came later.
            waits.store(false, SeqCst);
            // Without a place the runner has ended, and its successor opens the file by itself.
            if let Ok(place) = place {
                place.send(Command::Reopen { reply });
            }
        });
        Some(answer)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn ask() -> Command {
        Command::Ask { request: EndpointRequest::default(), upto: 0, reply: oneshot::channel().0 }
    }

    #[tokio::test]
    async fn a_wish_to_reopen_is_not_lost_in_a_full_queue_and_stands_there_once() {
        let (address, mut commands) = Address::new();
        for _ in 0..COMMANDS {
            address.sender().try_send(ask()).unwrap();
        }
        let answer = address.reopen().unwrap();
        assert!(address.reopen().is_none(), "one does for both");
        for _ in 0..COMMANDS {
            assert!(matches!(commands.recv().await, Some(Command::Ask { .. })));
        }
        let Some(Command::Reopen { reply }) = commands.recv().await else { panic!("the wish was lost") };
        assert!(commands.try_recv().is_err(), "it stands there once");
        let later = address.reopen();
        assert!(later.is_some(), "what is asked for later is obeyed later");
        reply.send(()).unwrap();
        answer.await.unwrap();
    }
}
