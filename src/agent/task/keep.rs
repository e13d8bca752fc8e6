//! What a conversation keeps of a turn.

use std::sync::Arc;
use std::time::{Duration, Instant};

use picoclaw_telemetry::words::Outcome;
use picoclaw_telemetry::{Detail, Event};

use super::super::failures::{stopped_meanwhile, store_error};
use super::super::inbound::TurnError;
use super::super::summary::Summary;
use super::super::transcript::Transcript;
use super::Task;
use crate::chat::Message;
use crate::sessions::SessionId;

/// How long the disk may take to make a turn durable that was cut because the gateway stops.
const STORE_PATIENCE: Duration = Duration::from_secs(2);

impl Task {
    /// Whether the conversation should be summed up before it goes on for long.
    pub(super) fn is_long(&self, transcript: &Transcript) -> bool {
        let context = &self.setup.limits.context;
        let tokens = |candidate| self.setup.correction(candidate).tokens(transcript.bytes());
        transcript.len() > context.summarize_messages
            || self.candidates.first().is_some_and(|first| tokens(first) > context.summarize_tokens())
    }

    pub(super) fn summary_of(&self, id: &SessionId) -> Summary {
        Summary {
            setup: Arc::clone(&self.setup),
            candidates: self.candidates.clone(),
            label: self.label,
            detail: self.detail.clone(),
            session: id.clone(),
        }
    }

    /// Makes what a turn has brought durable, and tells of it.
    pub(super) async fn store(&self, new: Vec<Arc<Message>>) -> Result<(), TurnError> {
        let Some(id) = self.remembers() else { return Ok(()) };
        if new.is_empty() {
            return Ok(());
        }
        let began = Instant::now();
        let result = tokio::select! {
            biased;
            appended = self.setup.store.append(id, new) => appended.map_err(|error| store_error(&error)),
            // Who stops the gateway does not wait for a disk that hangs.
            () = self.stopped() => Err(stopped_meanwhile()),
        };
        let session = self.detail.clone();
        self.agent.0.bus.emit(match &result {
            Ok(commit) => Event::SessionWrite {
                outcome: Outcome::Success,
                duration: commit.wait,
                bytes: commit.bytes,
                error: None,
                session,
            },
            Err(error) => Event::SessionWrite {
                outcome: Outcome::Failure,
                duration: began.elapsed(),
                bytes: 0,
                error: Some(Detail::new(&error.message)),
                session,
            },
        });
        result.map(drop)
    }

    /// Completes a moment after all turns were cancelled because the gateway stops.
    async fn stopped(&self) {
        self.agent.0.cancel_all.cancelled().await;
        tokio::time::sleep(STORE_PATIENCE).await;
    }
}
