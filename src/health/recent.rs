//! What the last minute brought, per provider.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

/// How far back "recent" reaches.
const WINDOW: Duration = Duration::from_secs(60);

/// Totals of requests and errors at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) requests: u64,
    pub(super) errors: u64,
}

/// Samples of totals, per provider, reaching back one window.
#[derive(Debug, Default)]
pub(super) struct Recent(HashMap<&'static str, VecDeque<(Instant, Totals)>>);

impl Recent {
    /// Remembers the totals of a moment.
    pub(super) fn sample(&mut self, provider: &'static str, now: Instant, totals: Totals) {
        let samples = self.0.entry(provider).or_default();
        samples.push_back((now, totals));
        // One sample older than the window stays: it is where the window begins.
        while samples.get(1).is_some_and(|(at, _)| now.duration_since(*at) >= WINDOW) {
            samples.pop_front();
        }
    }

    /// What was added to the totals in the last window.
    pub(super) fn since(&self, provider: &str, totals: Totals) -> Totals {
        let Some((_, then)) = self.0.get(provider).and_then(VecDeque::front) else {
            return totals;
        };
        Totals { requests: totals.requests - then.requests, errors: totals.errors - then.errors }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_errors_are_forgotten_after_a_minute() {
        let mut recent = Recent::default();
        let start = Instant::now();
        let bad = Totals { requests: 10, errors: 10 };
        recent.sample("p", start, Totals::default());
        assert_eq!(recent.since("p", bad), bad);
        for second in (5..=65).step_by(5) {
            recent.sample("p", start + Duration::from_secs(second), bad);
        }
        assert_eq!(recent.since("p", bad), Totals::default());
        assert!(recent.0["p"].len() <= 14);
    }
}
