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
        stats.set_error(&error);
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    /// Notes a loss that does not mean that the sink is down. It is spoken of when the reason is news: the line about
    /// it may itself be among what is refused next.
    pub(crate) fn lose(&self, error: &str, lost: u64) {
        let error = self.masker.mask(error).into_owned();
        let mut last = self.last_error.lock().unwrap_or_else(PoisonError::into_inner);
        let is_news = last.as_ref() != Some(&error);
        *last = Some(error.clone());
        drop(last);
        if lost > 0 && is_news {
            tracing::warn!(target: "picoclaw_sinks", sink = %self.name, %error, lost, "Records were refused.");
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};
    use tracing::span::{Attributes, Id, Record};

    /// Counts lines.
    #[derive(Clone, Default)]
    struct Lines(Arc<AtomicU64>);

    impl tracing::Subscriber for Lines {
        fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
            true
        }
        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }
        fn record(&self, _: &Id, _: &Record<'_>) {}
        fn record_follows_from(&self, _: &Id, _: &Id) {}
        fn event(&self, _: &tracing::Event<'_>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
        fn enter(&self, _: &Id) {}
        fn exit(&self, _: &Id) {}
    }

    #[test]
    fn only_news_is_spoken_of() {
        let stats = SinkStats::new("x");
        let status = Status::new("x", Arc::new(Masker::new(&["hunter2hunter2".to_owned()])));
        let lines = Lines::default();
        let count = |act: &dyn Fn()| {
            let before = lines.0.load(Ordering::Relaxed);
            tracing::subscriber::with_default(lines.clone(), act);
            lines.0.load(Ordering::Relaxed) - before
        };
        assert_eq!(count(&|| status.succeed(&stats)), 0, "it is up from the start");
        assert_eq!(count(&|| (0..9).for_each(|_| status.fail(&stats, "away: hunter2hunter2", "later"))), 1);
        assert_eq!(status.last_error().as_deref(), Some("away: ***"));
        assert_eq!(count(&|| (0..9).for_each(|_| status.succeed(&stats))), 1);
        assert_eq!(count(&|| (0..9).for_each(|_| status.lose("some are bad", 3))), 1);
        assert_eq!(count(&|| status.lose("others are bad", 3)), 1);
        assert_eq!(count(&|| status.lose("nothing is lost", 0)), 0);
    }
}
