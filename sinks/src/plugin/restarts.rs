//! When a plugin that failed is started again.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// The pauses between starts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pauses {
    /// After the first failure; it doubles with each one that follows.
    pub(super) first: Duration,
    /// The longest of them.
    pub(super) longest: Duration,
    /// How long a plugin must live for its earlier failures to be forgotten.
    pub(super) stable: Duration,
    /// After so many failures within `window`, it rests for as long as that.
    pub(super) breaker: usize,
    /// In which time failures are counted.
    pub(super) window: Duration,
}

impl Default for Pauses {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(100),
            longest: Duration::from_secs(30),
            stable: Duration::from_secs(60),
            breaker: 5,
            window: Duration::from_secs(60),
        }
    }
}

/// Remembers the failures.
#[derive(Debug)]
pub(super) struct Restarts {
    pauses: Pauses,
    streak: u32,
    recent: VecDeque<Instant>,
}

/// How long to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pause {
    pub(super) time: Duration,
    /// Whether it is that long because there were too many failures.
    pub(super) breaker: bool,
}

impl Restarts {
    pub(super) fn new(pauses: Pauses) -> Self {
        Self { pauses, streak: 0, recent: VecDeque::new() }
    }

    /// After a failure of a plugin that had lived so long.
    pub(super) fn failed(&mut self, now: Instant, lived: Duration) -> Pause {
        let Pauses { first, longest, stable, breaker, window } = self.pauses;
        if lived >= stable {
            self.streak = 0;
        }
        self.recent.push_back(now);
        while self.recent.front().is_some_and(|at| now.duration_since(*at) >= window)
            || self.recent.len() > breaker
        {
            self.recent.pop_front();
        }
        let time = first.saturating_mul(1 << self.streak.min(20)).min(longest);
        self.streak = self.streak.saturating_add(1);
        if self.recent.len() == breaker {
            self.recent.clear();
            return Pause { time: window.max(time), breaker: true };
        }
        Pause { time, breaker: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_five_failures_in_a_minute_are_too_many() {
        let mut restarts = Restarts::new(Pauses::default());
        let mut now = Instant::now();
        let mut failed = |after: u64, lived: u64| {
            now += Duration::from_millis(after);
            let pause = restarts.failed(now, Duration::from_millis(lived));
            (pause.time.as_millis(), pause.breaker)
        };
        let pauses: Vec<_> = (0..5).map(|_| failed(1000, 10)).collect();
        assert_eq!(pauses, [(100, false), (200, false), (400, false), (800, false), (60_000, true)]);
        assert_eq!(failed(60_000, 10), (3200, false));
        // One that had been well for long begins anew.
        assert_eq!(failed(60_000, 60_000), (100, false));
        let slow: Vec<_> = (0..12).map(|_| failed(61_000, 10).0).collect();
        assert_eq!(slow[..3], [200, 400, 800]);
        assert_eq!(slow[11], 30_000);
    }
}
