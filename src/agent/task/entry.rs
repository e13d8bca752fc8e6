//! How a message gets to its turn: it waits, or joins one that runs.

use std::sync::Arc;

use picoclaw_telemetry::guard::Waiting;
use tokio::sync::OwnedSemaphorePermit;

use super::super::failures::lost_turn;
use super::super::gate::{Entered, Place};
use super::super::inbound::{Reply, TurnError};
use super::Task;

/// What becomes of a message that was accepted.
pub(super) enum Start {
    /// A turn of its own, with the session and a worker.
    Turn(Option<Entered>, OwnedSemaphorePermit),
    /// It joined another turn, which ended like this.
    Joined(Result<Reply, TurnError>),
}

impl Task {
    /// Waits for the session and then for a worker; or the turn of the session that runs takes the message in.
    pub(super) async fn enter(&mut self, place: Option<Place>) -> Start {
        let (bus, label, detail) = (self.agent.0.bus.clone(), self.label, self.detail.clone());
        let wait = || Waiting::start(&bus, label, detail.clone());
        let mut waiting = None;
        let entered = match place.map(|place| place.try_enter(&self.cancel)) {
            None => None,
            Some(Ok(entered)) => Some(entered),
            Some(Err(place)) if self.inbound.steer => {
                waiting = Some(wait());
                let messages = std::mem::take(&mut self.inbound.messages);
                match place.enter_or_join(messages, &self.cancel).await {
                    Ok((entered, messages)) => {
                        self.inbound.messages = messages;
                        Some(entered)
                    }
                    Err(ending) => {
                        drop(waiting);
                        return Start::Joined(ending.await.unwrap_or_else(|_| Err(lost_turn())));
                    }
                }
            }
            Some(Err(place)) => {
                waiting = Some(wait());
                Some(place.enter(&self.cancel).await)
            }
        };
        let inner = &self.agent.0;
        let worker = match Arc::clone(&inner.workers).try_acquire_owned() {
            Ok(worker) => worker,
            Err(_) => {
                waiting.get_or_insert_with(wait);
                Arc::clone(&inner.workers).acquire_owned().await.expect("the workers are never closed")
            }
        };
        drop(waiting);
        Start::Turn(entered, worker)
    }
}
