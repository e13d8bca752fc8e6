//! What an answer costs.

use crate::chat::Usage;

/// Dollars for a million tokens are so many pico-dollars for one.
const PICO_PER_TOKEN: f64 = 1e6;

/// What tokens of a model cost, in pico-dollars each: whole numbers, so that sums are exact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Price {
    input: u64,
    output: u64,
    cached: u64,
    cache_writes: u64,
}

impl Price {
    /// A price in dollars for a million tokens. Tokens from and into the cache cost what other input does where the
    /// configuration does not say.
    pub fn per_million(input: f64, output: f64, cached: Option<f64>, cache_writes: Option<f64>) -> Self {
        let input = pico(input);
        Self {
            input,
            output: pico(output),
            cached: cached.map_or(input, pico),
            cache_writes: cache_writes.map_or(input, pico),
        }
    }

    /// What this usage costs, in pico-dollars.
    pub fn of(&self, usage: Usage) -> u64 {
        let apart = usage.cached.saturating_add(usage.cache_writes);
        let parts = [
            (usage.input.saturating_sub(apart), self.input),
            (usage.cached, self.cached),
            (usage.cache_writes, self.cache_writes),
            (usage.output, self.output),
        ];
        parts.iter().fold(0, |sum, (tokens, price)| sum.saturating_add(tokens.saturating_mul(*price)))
    }
}

/// The cast saturates: what is not a price is none.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates, as wanted")]
fn pico(dollars_per_million: f64) -> u64 {
    (dollars_per_million * PICO_PER_TOKEN).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_token_has_its_price() {
        let usage = Usage { input: 1_000_000, output: 500_000, cached: 600_000, cache_writes: 100_000 };
        let price = Price::per_million(3.0, 15.0, Some(0.3), Some(3.75));
        // 300 000 * $3 + 600 000 * $0.30 + 100 000 * $3.75 + 500 000 * $15, each for a million.
        assert_eq!(price.of(usage), 8_955_000_000_000);
        // Without prices for the cache its tokens are input like other input.
        assert_eq!(Price::per_million(3.0, 15.0, None, None).of(usage), 10_500_000_000_000);
        assert_eq!(Price::per_million(0.000_001, 0.0, None, None).of(Usage::new(7, 9)), 7);
        assert_eq!(Price::per_million(f64::NAN, -1.0, None, None).of(Usage::new(7, 9)), 0);
    }
}
