//! Whether a sink works, as people see it.

use std::sync::{Arc, Mutex, PoisonError};

use picoclaw_telemetry::SinkStats;

use crate::mask::Masker;

/// The last error of a sink, and who speaks of it.
#[derive(Debug)]
pub(crate) struct Status {
    name: String,
    masker: Arc<Masker>,
    last_error: Mutex<Option<String>>,
}

impl Status {
    pub(crate) fn new(name: &str, masker: Arc<Masker>) -> Self {
        Self { name: name.to_owned(), masker, last_error: Mutex::new(None) }
    }

    /// The error of the last failure, also after it was overcome.
    pub(crate) fn last_error(&self) -> Option<String> {
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes a failure, and speaks of it when it is news: a log line for each try would only make things worse.
    pub(crate) fn fail(&self, stats: &SinkStats, error: &str, next: &str) {
        let error = self.masker.mask(error).into_owned();
        if stats.mark_down() {
            tracing::warn!(target: "picoclaw_sinks", sink = %self.name, %error, next, "Sink is down.");
        }
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    /// Notes a loss that does not mean that the sink is down.
    pub(crate) fn lose(&self, error: &str, lost: u64) {
        let error = self.masker.mask(error).into_owned();
        if lost > 0 {
            tracing::warn!(target: "picoclaw_sinks", sink = %self.name, %error, lost, "Records were refused.");
        }
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    /// Notes that something went out.
    pub(crate) fn succeed(&self, stats: &SinkStats) {
        if stats.mark_up() {
            tracing::info!(target: "picoclaw_sinks", sink = %self.name, "Sink works again.");
        }
    }

    /// Notes that something could go out, which is a success only after failures.
    pub(crate) fn recover(&self, stats: &SinkStats) {
        if !stats.up() {
            self.succeed(stats);
        }
    }
}
