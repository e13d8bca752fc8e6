//! Hands batches to the keeper of a plugin.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use picoclaw_telemetry::sink::{Batch, SendError, Transport};
use tokio::sync::{mpsc, oneshot};

use super::frame::read_events_header;
use super::keeper::Keeper;
use super::request::{Outcome, Request, Sealed, Trouble};
use super::sink::Losses;

/// How long a plugin may take to stop.
const STOP_TIME: Duration = Duration::from_secs(5);

/// The way to a plugin. The plugin starts with the first question, and stops with the transport.
pub(super) struct PluginTransport {
    pub(super) name: String,
    pub(super) what: String,
    /// What tells this version of the library from another.
    pub(super) version: Option<String>,
    pub(super) losses: Arc<Losses>,
    pub(super) requests: mpsc::Sender<Request>,
    /// Not yet at work.
    pub(super) keeper: Option<Box<dyn FnOnce() -> Keeper + Send + Sync>>,
}

impl PluginTransport {
    async fn ask<T>(&mut self, request: impl FnOnce(oneshot::Sender<T>) -> Request) -> Result<T, SendError> {
        if let Some(keeper) = self.keeper.take() {
            tokio::spawn(keeper().run());
        }
        let (reply, answer) = oneshot::channel();
        let gone = || SendError::Retry { after: None, message: "the plugin was stopped".to_owned() };
        self.requests.send(request(reply)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())
    }
}

fn failure(trouble: Trouble) -> SendError {
    match trouble {
        Trouble { message, off: true, .. } => SendError::Permanent { message },
        Trouble { message, after, off: false } => SendError::Retry { after, message },
    }
}

#[async_trait]
impl Transport for PluginTransport {
    async fn probe(&mut self) -> Result<(), SendError> {
        self.ask(Request::Ready).await?.map(drop).map_err(failure)
    }

    async fn send(&mut self, batch: &mut Batch) -> Result<(), SendError> {
        if batch.frames.is_empty() {
            let stopped = self.ask(|reply| Request::Stop { within: STOP_TIME, reply }).await?;
            // It is over in any case.
            return stopped.map_err(|trouble| SendError::Permanent { message: trouble.message });
        }
        let batches = batch.frames.chunks_exact(2).filter_map(|pair| {
            let (id, count) = read_events_header(&pair[0])?;
            Some(Sealed { id, count, header: pair[0].clone(), events: pair[1].clone() })
        });
        let batches: Vec<Sealed> = batches.collect();
        let counts: Vec<u64> = batches.iter().map(|batch| u64::from(batch.count)).collect();
        let report = self.ask(|reply| Request::Batches { batches, reply }).await?;
        let off = report.trouble.as_ref().is_some_and(|trouble| trouble.off);
        let mut left = Vec::new();
        for (pair, (outcome, count)) in batch.frames.chunks_exact(2).zip(report.outcomes.iter().zip(&counts))
        {
            match outcome {
                Outcome::Delivered => {}
                Outcome::Again if !off => left.extend_from_slice(pair),
                Outcome::Again | Outcome::Lost => self.losses.add(*count),
            }
        }
        batch.frames = left;
        let trouble = report.trouble.unwrap_or_else(|| Trouble::new("the plugin refused events"));
        if !batch.frames.is_empty() {
            return Err(failure(trouble));
        }
        if self.losses.any() {
            return Err(SendError::Permanent { message: trouble.message });
        }
        Ok(())
    }

    /// The keeper watches the time, and what it was given cannot be taken back.
    fn patience(&self) -> Option<Duration> {
        None
    }

    /// A plugin may hold files and connections of its own.
    async fn reopen(&mut self) -> Result<(), SendError> {
        self.ask(Request::Flush).await?.map_err(failure)
    }

    /// Two of them at once would write to the same places.
    fn claims(&self) -> Vec<String> {
        vec![format!("plugin {}", self.name)]
    }

    fn describe(&self) -> String {
        self.what.clone()
    }

    fn version(&self) -> Option<String> {
        self.version.clone()
    }
}
