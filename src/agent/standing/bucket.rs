//! How often a provider may be asked.

use std::time::Duration;

use tokio::time::Instant;

/// A token bucket: as many requests at once as are allowed in a minute, refilled evenly.
#[derive(Debug)]
pub(super) struct Bucket {
    per_minute: f64,
    /// Negative when requests wait that have their place already.
    tokens: f64,
    filled: Instant,
}

impl Bucket {
    /// A full one.
    pub(super) fn new(per_minute: u32, now: Instant) -> Self {
        let per_minute = f64::from(per_minute);
        Self { per_minute, tokens: per_minute, filled: now }
    }

    /// How long until a request may be sent, if nobody else sends one.
    pub(super) fn wait(&mut self, now: Instant) -> Duration {
        self.fill(now);
        let missing = 1.0 - self.tokens;
        // A hair too little is what adding up fractions leaves.
        if missing < 1e-9 {
            return Duration::ZERO;
        }
        Duration::try_from_secs_f64(missing * 60.0 / self.per_minute).unwrap_or(Duration::MAX)
    }

    /// Takes the place of one request, which may be sent after [`Bucket::wait`].
    pub(super) fn take(&mut self) {
        self.tokens -= 1.0;
    }

    /// Gives back a place that was not used.
    pub(super) fn give_back(&mut self) {
        self.tokens = (self.tokens + 1.0).min(self.per_minute);
    }

    fn fill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.filled).as_secs_f64();
        self.tokens = (self.tokens + passed * self.per_minute / 60.0).min(self.per_minute);
        self.filled = self.filled.max(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn near(a: Duration, b: Duration) -> bool {
        a.abs_diff(b) < Duration::from_millis(1)
    }

    #[test]
    fn a_minute_s_worth_at_once_and_then_evenly() {
        let start = Instant::now();
        let mut bucket = Bucket::new(6, start);
        for _ in 0..6 {
            assert_eq!(bucket.wait(start), Duration::ZERO);
            bucket.take();
        }
        // Who waits has a place, and the next one comes after.
        assert!(near(bucket.wait(start), 10 * SECOND));
        bucket.take();
        assert!(near(bucket.wait(start), 20 * SECOND));
        bucket.give_back();
        assert!(near(bucket.wait(start + 4 * SECOND), 6 * SECOND));
        assert_eq!(bucket.wait(start + 10 * SECOND), Duration::ZERO);
        // An idle hour is worth one minute.
        let later = start + 3600 * SECOND;
        for _ in 0..6 {
            assert_eq!(bucket.wait(later), Duration::ZERO);
            bucket.take();
        }
        assert!(bucket.wait(later) > Duration::ZERO);
    }
}
