//! How long a provider that failed is left alone.

use std::time::Duration;

use picoclaw_telemetry::words::FailureReason;
use tokio::time::Instant;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
/// The n-th rest in a row lasts `MINUTE * 5^(n-1)`, and no longer than this.
const LONGEST: Duration = HOUR;
/// An account without credit: `FIRST_BILLING * 2^(n-1)`, and no longer than [`LONGEST_BILLING`].
const FIRST_BILLING: Duration = Duration::from_secs(5 * 60 * 60);
const LONGEST_BILLING: Duration = Duration::from_secs(24 * 60 * 60);
/// How soon somebody who rests is asked again when there is nobody else.
const EAGERNESS: Duration = Duration::from_secs(15);
/// After so much time without a failure the next one is the first again.
const FORGOTTEN: Duration = Duration::from_secs(24 * 60 * 60);

/// Time in which a provider is not asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rest {
    pub(super) until: Instant,
    pub(super) reason: FailureReason,
    /// What the provider failed with, for a person.
    pub(super) error: String,
}

/// The failures of one way to get an answer, and the rest that follows from them.
#[derive(Debug, Default)]
pub(super) struct Cooldown {
    failures: u32,
    unpaid: u32,
    /// When the last rest began.
    last: Option<Instant>,
    /// When it was last asked in spite of it.
    tried: Option<Instant>,
    /// Whether the provider said how long the rest is to be.
    wished: bool,
    rest: Option<Rest>,
}

impl Cooldown {
    /// A question that was put at `asked` stayed unanswered. Returns the rest that begins: none when the fault is not
    /// the provider's, and none when the question is older than the last rest, of which its failure is no news.
    pub(super) fn failed(
        &mut self,
        asked: Instant,
        now: Instant,
        reason: FailureReason,
        retry_after: Option<Duration>,
        error: &str,
    ) -> Option<Rest> {
        if !reason.cools_down() || self.last.is_some_and(|began| asked <= began) {
            return None;
        }
        // The provider knows best when it can be asked again.
        let wished = retry_after.filter(|wait| !wait.is_zero());
        if let Some(rest) = &mut self.rest {
            // It was asked in spite of its rest, which goes on.
            (rest.reason, rest.error) = (reason, error.to_owned());
            self.wished |= wished.is_some();
            rest.until = rest.until.max(now + wished.unwrap_or_default());
            return None;
        }
        if self.last.is_some_and(|began| now.duration_since(began) >= FORGOTTEN) {
            (self.failures, self.unpaid) = (0, 0);
        }
        self.failures = self.failures.saturating_add(1);
        if reason == FailureReason::Billing {
            self.unpaid = self.unpaid.saturating_add(1);
        }
        let length = wished.unwrap_or_else(|| self.length(reason));
        let rest = Rest { until: now + length, reason, error: error.to_owned() };
        self.wished = wished.is_some();
        self.last = Some(now);
        self.rest = Some(rest.clone());
        Some(rest)
    }

    /// A question was answered: all is forgiven. Returns the rest that this ends.
    pub(super) fn answered(&mut self) -> Option<Rest> {
        std::mem::take(self).rest
    }

    /// When to ask in spite of the rest if nobody else can be asked: now and then, but not before the time at which the
    /// provider wants to be asked again.
    pub(super) fn next_try(&self, now: Instant) -> Duration {
        let due = match &self.rest {
            Some(rest) if self.wished => Some(rest.until),
            _ => self.tried.max(self.last).map(|then| then + EAGERNESS),
        };
        due.map_or(Duration::ZERO, |due| due.saturating_duration_since(now))
    }

    /// Whether it is asked now in spite of the rest.
    pub(super) fn try_anyway(&mut self, now: Instant) -> bool {
        let due = self.next_try(now).is_zero();
        if due {
            self.tried = Some(now);
        }
        due
    }

    /// Ends the rest if its time is over, and says so.
    pub(super) fn elapse(&mut self, now: Instant) -> Option<Rest> {
        self.rest.take_if(|rest| rest.until <= now)
    }

    /// Ends the rest whatever its time.
    pub(super) fn cancel(&mut self) -> Option<Rest> {
        self.rest.take()
    }

    /// The rest that has not ended.
    pub(super) const fn rest(&self) -> Option<&Rest> {
        self.rest.as_ref()
    }

    fn length(&self, reason: FailureReason) -> Duration {
        if reason == FailureReason::Billing {
            let factor = 2_u32.saturating_pow(self.unpaid - 1);
            return FIRST_BILLING.saturating_mul(factor).min(LONGEST_BILLING);
        }
        MINUTE.saturating_mul(5_u32.saturating_pow(self.failures - 1)).min(LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Lets every question fail as soon as it may be put, and returns the lengths of the rests in seconds.
    fn rests(reasons: &[FailureReason]) -> Vec<u64> {
        let mut cooldown = Cooldown::default();
        let mut now = Instant::now();
        let mut lengths = Vec::new();
        for reason in reasons {
            now += SECOND;
            let rest = cooldown.failed(now, now, *reason, None, "").expect("a rest");
            lengths.push(rest.until.duration_since(now).as_secs());
            assert_eq!(cooldown.elapse(rest.until - SECOND), None);
            now = rest.until;
            assert!(cooldown.elapse(now).is_some() && cooldown.rest().is_none());
        }
        lengths
    }

    #[test]
    fn rests_grow_with_each_failure_in_a_row_and_by_reason() {
        assert_eq!(rests(&[FailureReason::Server; 5]), [60, 300, 1500, 3600, 3600]);
        assert_eq!(rests(&[FailureReason::Billing; 4]), [18_000, 36_000, 72_000, 86_400]);
        assert_eq!(rests(&[FailureReason::Network, FailureReason::Billing]), [60, 18_000]);
    }

    #[test]
    fn an_answer_and_a_day_without_failure_make_good() {
        let mut cooldown = Cooldown::default();
        let mut now = Instant::now();
        let mut fail = |cooldown: &mut Cooldown, after: Duration| {
            now += after;
            cooldown.cancel();
            let rest = cooldown.failed(now, now, FailureReason::Auth, None, "").expect("a rest");
            rest.until.duration_since(now).as_secs()
        };
        assert_eq!([fail(&mut cooldown, SECOND), fail(&mut cooldown, SECOND)], [60, 300]);
        assert!(cooldown.answered().is_some());
        assert_eq!([fail(&mut cooldown, SECOND), fail(&mut cooldown, SECOND)], [60, 300]);
        assert_eq!(fail(&mut cooldown, FORGOTTEN), 60);
    }

    #[test]
    fn questions_that_were_under_way_say_nothing_new() {
        let mut cooldown = Cooldown::default();
        let start = Instant::now();
        let fails = |cooldown: &mut Cooldown, asked, now| {
            cooldown.failed(start + SECOND * asked, start + SECOND * now, FailureReason::Server, None, "")
        };
        assert!(fails(&mut cooldown, 0, 2).is_some());
        assert!(fails(&mut cooldown, 1, 3).is_none());
        assert!(cooldown.elapse(start + SECOND * 62).is_some());
        assert!(fails(&mut cooldown, 1, 70).is_none(), "older than the rest that is over");
        let next = fails(&mut cooldown, 63, 64).expect("a rest");
        assert_eq!(next.until, start + SECOND * (64 + 300));
    }

    #[test]
    fn who_rests_is_asked_now_and_then_if_there_is_nobody_else() {
        let mut cooldown = Cooldown::default();
        let start = Instant::now();
        let at = |seconds: u32| start + SECOND * seconds;
        let until = cooldown.failed(start, at(1), FailureReason::Server, None, "").expect("a rest").until;
        assert!(!cooldown.try_anyway(at(15)));
        assert_eq!(cooldown.next_try(at(15)), SECOND);
        assert!(cooldown.try_anyway(at(16)));
        assert!(!cooldown.try_anyway(at(17)), "one at a time");
        assert!(cooldown.failed(at(16), at(18), FailureReason::Network, None, "refused").is_none());
        let rest = cooldown.rest().expect("it goes on");
        assert_eq!((rest.until, rest.error.as_str()), (until, "refused"));
        assert!(!cooldown.try_anyway(at(30)) && cooldown.try_anyway(at(31)));
        // Who says when to come back is left alone until then.
        cooldown.failed(at(31), at(32), FailureReason::RateLimit, Some(SECOND * 100), "");
        assert!(!cooldown.try_anyway(at(131)));
        assert_eq!(cooldown.rest().map(|rest| rest.until), Some(at(132)));
        assert!(cooldown.answered().is_some());
    }

    #[test]
    fn the_caller_s_mistakes_do_not_count_and_the_provider_s_wish_does() {
        let mut cooldown = Cooldown::default();
        let now = Instant::now();
        for reason in [FailureReason::BadRequest, FailureReason::ContextOverflow] {
            assert_eq!(cooldown.failed(now, now, reason, Some(SECOND), ""), None);
        }
        let rest = cooldown.failed(now, now, FailureReason::RateLimit, Some(SECOND * 7), "").expect("a rest");
        assert_eq!(rest.until, now + SECOND * 7);
        let asked = now + SECOND * 8;
        assert!(cooldown.elapse(asked).is_some());
        let rest = cooldown.failed(asked, asked, FailureReason::RateLimit, Some(Duration::ZERO), "");
        assert_eq!(rest.expect("a rest").until, asked + MINUTE * 5);
    }
}
