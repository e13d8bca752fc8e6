//! When a job runs.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::expression::{Expression, ExpressionError};

/// When a job runs, as the file has it. Times are Unix time in milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Schedule {
    /// `at`, `every` or `cron`.
    pub kind: String,
    /// When, for `at`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_ms: Option<i64>,
    /// How often, for `every`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every_ms: Option<i64>,
    /// The expression, for `cron`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub expr: String,
    /// The time zone of the expression, such as `Europe/Berlin`; empty: that of the machine.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tz: String,
    /// What other programs keep here.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// Why a schedule cannot be followed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// Another kind.
    #[error("the kind of schedule \"{0}\" is none of at, every, cron")]
    Kind(String),
    /// `at` without a time.
    #[error("atMs is missing: give the time in milliseconds since 1970")]
    NoTime,
    /// `every` without an interval.
    #[error("everyMs is missing or not more than 0")]
    NoInterval,
    /// The expression.
    #[error("the expression \"{expr}\": {error}")]
    Expression {
        /// What stands there.
        expr: String,
        /// What is wrong with it.
        error: ExpressionError,
    },
    /// The time zone.
    #[error(
        "the time zone \"{0}\" is not known to this machine: use a name such as Europe/Berlin, and install tzdata"
    )]
    Zone(String),
}

/// A schedule that can be followed.
#[derive(Clone, Debug)]
pub enum Timing {
    /// Once.
    At(i64),
    /// Again and again, this long after one another.
    Every(i64),
    /// By the clock.
    Cron(Box<Expression>, TimeZone),
}

impl Schedule {
    /// Once, at this time.
    pub fn at(ms: i64) -> Self {
        Self { kind: "at".into(), at_ms: Some(ms), ..Self::default() }
    }

    /// Again and again.
    pub fn every(ms: i64) -> Self {
        Self { kind: "every".into(), every_ms: Some(ms), ..Self::default() }
    }

    /// By the clock of a time zone; an empty one is that of the machine.
    pub fn cron(expr: &str, tz: &str) -> Self {
        Self { kind: "cron".into(), expr: expr.into(), tz: tz.into(), ..Self::default() }
    }

    /// The schedule understood.
    ///
    /// # Errors
    /// When it cannot be.
    pub fn timing(&self) -> Result<Timing, ScheduleError> {
        match self.kind.as_str() {
            "at" => self.at_ms.map(Timing::At).ok_or(ScheduleError::NoTime),
            "every" => self.every_ms.filter(|ms| *ms > 0).map(Timing::Every).ok_or(ScheduleError::NoInterval),
            "cron" => {
                let expression = Expression::parse(&self.expr)
                    .map_err(|error| ScheduleError::Expression { expr: self.expr.clone(), error })?;
                let zone = match self.tz.trim() {
                    "" => TimeZone::try_system().unwrap_or(TimeZone::UTC),
                    name => TimeZone::get(name).map_err(|_| ScheduleError::Zone(name.to_owned()))?,
                };
                Ok(Timing::Cron(Box::new(expression), zone))
            }
            other => Err(ScheduleError::Kind(other.to_owned())),
        }
    }

    /// In words.
    pub fn describe(&self) -> String {
        match (self.kind.as_str(), self.at_ms, self.every_ms) {
            ("at", Some(ms), _) => format!("once at {}", time(ms)),
            ("every", _, Some(ms)) => format!("every {}", length(ms)),
            ("cron", ..) if self.tz.is_empty() => format!("cron {}", self.expr),
            ("cron", ..) => format!("cron {} {}", self.expr, self.tz),
            (kind, ..) => format!("unknown ({kind})"),
        }
    }
}

impl Timing {
    /// The first time after this one.
    pub fn next(&self, after: i64) -> Option<i64> {
        match self {
            Self::At(at) => (*at > after).then_some(*at),
            Self::Every(ms) => after.checked_add(*ms),
            Self::Cron(expression, zone) => {
                let next = expression.next(Timestamp::from_millisecond(after).ok()?, zone)?;
                Some(next.as_millisecond())
            }
        }
    }
}

/// A time for people, in UTC.
pub fn time(ms: i64) -> String {
    let stamp = Timestamp::from_millisecond(ms).map(Timestamp::as_second).and_then(Timestamp::from_second);
    stamp.map_or_else(|_| format!("{ms} ms"), |at| at.to_string())
}

/// A length of time for people, in the largest unit that is exact.
fn length(ms: i64) -> String {
    for (unit, name) in [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1000, "s")] {
        if ms % unit == 0 {
            return format!("{} {name}", ms / unit);
        }
    }
    format!("{ms} ms")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kinds_of_the_existing_format() {
        assert_eq!(Schedule::at(5).timing().unwrap().next(4), Some(5));
        assert_eq!(Schedule::at(5).timing().unwrap().next(5), None);
        assert_eq!(Schedule::every(7).timing().unwrap().next(5), Some(12));
        let utc = |expr| Schedule::cron(expr, "UTC").timing().unwrap();
        assert_eq!(utc("0 0 * * *").next(1), Some(86_400_000));
        let wrong = |schedule: Schedule| schedule.timing().unwrap_err().to_string();
        assert!(wrong(Schedule::every(0)).contains("everyMs"));
        assert!(wrong(Schedule::cron("x", "")).contains("\"x\""));
        assert!(wrong(Schedule::cron("* * * * *", "Mars/Olympus")).contains("Mars/Olympus"));
        assert!(wrong(Schedule { kind: "sometimes".into(), ..Schedule::default() }).contains("sometimes"));
    }

    #[test]
    fn in_words() {
        assert_eq!(Schedule::every(7_200_000).describe(), "every 2 h");
        assert_eq!(Schedule::every(1_500).describe(), "every 1500 ms");
        assert_eq!(Schedule::at(0).describe(), "once at 1970-01-01T00:00:00Z");
        assert_eq!(Schedule::cron("@daily", "UTC").describe(), "cron @daily UTC");
    }
}
