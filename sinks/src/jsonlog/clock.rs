//! Times as they stand in lines: `2024-01-15T10:30:00.123Z`.

use std::time::{SystemTime, UNIX_EPOCH};

/// `2024-01-15T10:30:00.`
const PREFIX: usize = 20;

/// Writes times, and remembers the last second: lines come in crowds.
#[derive(Debug)]
pub(super) struct Clock {
    second: u64,
    prefix: [u8; PREFIX],
}

impl Default for Clock {
    fn default() -> Self {
        Self { second: 0, prefix: *b"1970-01-01T00:00:00." }
    }
}

impl Clock {
    /// Appends a time in UTC. Times that RFC 3339 cannot express become 1970.
    pub(super) fn push(&mut self, time: SystemTime, out: &mut Vec<u8>) {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        if since.as_secs() != self.second {
            self.second = since.as_secs();
            self.prefix = prefix(self.second).unwrap_or(Self::default().prefix);
        }
        out.extend_from_slice(&self.prefix);
        let millis = since.subsec_millis();
        let digit = |n: u32| b'0' + u8::try_from(n % 10).expect("a digit is below 10");
        out.extend_from_slice(&[digit(millis / 100), digit(millis / 10), digit(millis), b'Z']);
    }
}

fn prefix(second: u64) -> Option<[u8; PREFIX]> {
    let time = jiff::Timestamp::from_second(i64::try_from(second).ok()?).ok()?;
    let text = time.strftime("%Y-%m-%dT%H:%M:%S.").to_string();
    text.into_bytes().try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn text(clock: &mut Clock, since: Duration) -> String {
        let mut out = Vec::new();
        clock.push(UNIX_EPOCH + since, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn times_are_rfc_3339_with_milliseconds() {
        let mut clock = Clock::default();
        for (millis, expected) in [
            (7, "1970-01-01T00:00:00.007Z"),
            (1_705_314_600_123, "2024-01-15T10:30:00.123Z"),
            (1_705_314_600_999, "2024-01-15T10:30:00.999Z"),
            (1_705_314_601_000, "2024-01-15T10:30:01.000Z"),
            (1_709_164_800_000, "2024-02-29T00:00:00.000Z"),
        ] {
            assert_eq!(text(&mut clock, Duration::from_millis(millis)), expected);
        }
        assert_eq!(text(&mut clock, Duration::from_secs(1 << 60)), "1970-01-01T00:00:00.000Z");
    }
}
