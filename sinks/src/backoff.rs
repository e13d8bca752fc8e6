//! How long to wait before the next try.

use std::time::Duration;

use crate::config::RetryConfig;

/// The pause after `failures` failed tries in a row: a random share of a ceiling that doubles from the first pause
/// to the longest. The whole range is random, so that gateways that failed together do not try together.
///
/// `random` spreads over all of `u32`. What the receiver asked for with `after` is the least.
pub fn pause(retry: &RetryConfig, failures: u32, random: u32, after: Option<Duration>) -> Duration {
    let doublings = failures.saturating_sub(1).min(63);
    let ceiling = retry.initial_ms.max(1).saturating_mul(1 << doublings).min(retry.max_ms.max(1));
    let share = f64::from(random) / f64::from(u32::MAX);
    let pause = Duration::from_millis(ceiling).mul_f64(share);
    pause.max(after.unwrap_or_default()).max(SHORTEST)
}

/// A pause of nothing would make a loop of failing tries.
const SHORTEST: Duration = Duration::from_millis(1);

/// A random number from the operating system; the middle should it have none.
pub(crate) fn random() -> u32 {
    getrandom::u32().unwrap_or(u32::MAX / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETRY: RetryConfig = RetryConfig { initial_ms: 250, max_ms: 30_000, give_up_ms: 300_000 };

    #[test]
    fn the_ceiling_doubles_up_to_the_longest_pause() {
        let ceilings = [1, 2, 3, 4, 8, 9, 64, u32::MAX].map(|n| pause(&RETRY, n, u32::MAX, None).as_millis());
        assert_eq!(ceilings, [250, 500, 1000, 2000, 30_000, 30_000, 30_000, 30_000]);
    }

    #[test]
    fn the_pause_is_a_random_share() {
        assert_eq!(pause(&RETRY, 3, 0, None), SHORTEST);
        let half = pause(&RETRY, 3, u32::MAX / 2, None);
        assert!(half > Duration::from_millis(499) && half < Duration::from_millis(501));
    }

    #[test]
    fn what_the_receiver_asks_for_is_the_least() {
        let after = Some(Duration::from_secs(90));
        assert_eq!(pause(&RETRY, 1, 0, after), Duration::from_secs(90));
    }
}
