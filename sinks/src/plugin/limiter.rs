//! How much a plugin may say: a flood of lines would drown the gateway's log.

use std::time::{Duration, Instant};

/// How many lines may come in a [`WINDOW`].
const MOST: u32 = 100;

/// How long lines are counted before the count begins anew.
const WINDOW: Duration = Duration::from_secs(10);

/// The longest line, in bytes; what is longer is cut.
pub(super) const LONGEST_LINE: usize = 2048;

/// Lets a number of lines through in each window of time.
#[derive(Debug)]
pub(super) struct Limiter {
    window: Option<Instant>,
    passed: u32,
    suppressed: u64,
}

/// What to do with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Write it, after a word on so many that were not written.
    Write {
        /// How many were suppressed since the last one that was written.
        suppressed: u64,
    },
    /// Leave it out.
    Suppress {
        /// Whether it is the first one after a line that was written: a word on that is due.
        first: bool,
    },
}

impl Limiter {
    pub(super) const fn new() -> Self {
        Self { window: None, passed: 0, suppressed: 0 }
    }

    /// What to do with a line that comes now.
    pub(super) fn line(&mut self, now: Instant) -> Verdict {
        if self.window.is_none_or(|began| now.duration_since(began) >= WINDOW) {
            self.window = Some(now);
            self.passed = 0;
        }
        if self.passed >= MOST {
            self.suppressed += 1;
            return Verdict::Suppress { first: self.suppressed == 1 };
        }
        self.passed += 1;
        Verdict::Write { suppressed: std::mem::take(&mut self.suppressed) }
    }
}

/// A line within the bounds.
pub(super) fn cut(line: &str) -> &str {
    &line[..line.floor_char_boundary(LONGEST_LINE)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_cut_and_counted() {
        let mut limiter = Limiter::new();
        let now = Instant::now();
        let written = (0..1000).map(|_| limiter.line(now));
        let verdicts: Vec<_> = written.collect();
        assert!(verdicts[..MOST as usize].iter().all(|v| *v == Verdict::Write { suppressed: 0 }));
        assert_eq!(verdicts[MOST as usize], Verdict::Suppress { first: true });
        assert_eq!(verdicts[999], Verdict::Suppress { first: false });
        let later = now + WINDOW;
        assert_eq!(limiter.line(later), Verdict::Write { suppressed: 900 });
        assert_eq!(limiter.line(later), Verdict::Write { suppressed: 0 });
    }
}
