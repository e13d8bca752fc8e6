//! What happened lately: a ring of samples of cumulative numbers.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// About how many samples a window holds: it begins at most a thirtieth of its length too early.
const SAMPLES: u32 = 30;
/// Sampling more often than this is not worth waking up for.
const SHORTEST_CADENCE: Duration = Duration::from_secs(10);

/// Samples that reach back one window. The clock is the monotonic one: setting the time of day changes nothing. It is
/// tokio's, which tests can turn.
#[derive(Debug)]
pub(crate) struct Window<T> {
    length: Duration,
    samples: VecDeque<(Instant, T)>,
}

impl<T> Window<T> {
    /// An empty window.
    pub(crate) fn new(length: Duration) -> Self {
        Self { length, samples: VecDeque::new() }
    }

    /// How often to push: a window holds few samples however long it is.
    pub(crate) fn cadence(&self) -> Duration {
        (self.length / SAMPLES).max(SHORTEST_CADENCE)
    }

    /// Remembers the numbers of a moment. One sample at or before the window's beginning stays.
    pub(crate) fn push(&mut self, now: Instant, sample: T) {
        self.samples.push_back((now, sample));
        while self.samples.get(1).is_some_and(|(at, _)| now.duration_since(*at) >= self.length) {
            self.samples.pop_front();
        }
    }

    /// The numbers at the beginning of the window, and how long ago that is.
    pub(crate) fn begin(&self, now: Instant) -> Option<(Duration, &T)> {
        self.samples.front().map(|(at, sample)| (now.duration_since(*at), sample))
    }

    /// The samples after the window's beginning.
    pub(crate) fn since_begin(&self) -> impl Iterator<Item = &T> {
        self.samples.iter().skip(1).map(|(_, sample)| sample)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_slides() {
        let mut window = Window::new(Duration::from_secs(60));
        let start = Instant::now();
        for second in (0..=120).step_by(10) {
            window.push(start + Duration::from_secs(second), second);
        }
        let (age, sample) = window.begin(start + Duration::from_secs(120)).unwrap();
        assert_eq!((age, *sample), (Duration::from_secs(60), 60));
        assert!(window.since_begin().copied().eq((70..=120).step_by(10)));
    }

    #[test]
    fn a_long_window_holds_few_samples() {
        for (seconds, cadence) in [(10, 10), (300, 10), (86_400, 2_880)] {
            let mut window = Window::new(Duration::from_secs(seconds));
            assert_eq!(window.cadence(), Duration::from_secs(cadence));
            let start = Instant::now();
            for n in 0..200 {
                window.push(start + window.cadence() * n, n);
            }
            assert!(window.samples.len() <= SAMPLES as usize + 1, "{}", window.samples.len());
        }
    }
}
