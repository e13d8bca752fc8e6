//! Cron expressions: `minute hour day month weekday`, with a field for seconds before and one for years behind, if need be.
//!
//! Fields take `*`, `?`, lists, ranges, steps and names. Days also take `L` (the last one, `5L`: the last Friday), `15W` (the
//! working day nearest to the 15th), `LW` and `5#2` (the second Friday). When both days are restricted, either will do, as in
//! cron(8). `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly` and some more stand for the usual expressions.

mod days;
mod field;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;

use self::days::Days;
use self::field::{Field, MONTHS, parse};

/// No expression that ever comes waits longer: a 29th of February on a certain weekday comes every 28 years, 40 around a
/// year such as 2100.
const FARTHEST_YEARS: i16 = 41;

/// Why a text is no cron expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExpressionError {
    /// Too few or too many fields.
    #[error("expected 5 fields (minute hour day month weekday) such as \"0 9 * * 1-5\", found {0}")]
    Fields(usize),
    /// A field that cannot be understood.
    #[error("the {name} \"{text}\" is not {expected}")]
    Field {
        /// Which one.
        name: &'static str,
        /// What stands there.
        text: String,
        /// What could.
        expected: String,
    },
    /// `@something` else.
    #[error("\"{0}\" is none of @yearly, @monthly, @weekly, @daily, @hourly")]
    Tag(String),
    /// Such as the 30th of February.
    #[error("that never comes: no such day")]
    Never,
}

/// A cron expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expression {
    seconds: Field,
    minutes: Field,
    hours: Field,
    days: Days,
    months: Field,
    years: Option<Field>,
    /// Whether the hours begin with a star. Then the hour that comes twice when clocks go back counts twice.
    any_hour: bool,
}

impl Expression {
    /// Reads an expression.
    ///
    /// # Errors
    /// When it cannot be understood, or describes a day that never comes.
    pub fn parse(text: &str) -> Result<Self, ExpressionError> {
        let text = text.trim();
        let text = if text.starts_with('@') { expand(text)? } else { text };
        let fields: Vec<&str> = text.split_whitespace().collect();
        let (seconds, rest, years) = match fields.as_slice() {
            rest @ [_, _, _, _, _] => ("0", rest, None),
            [rest @ .., year] if rest.len() == 5 && is_year(year) => ("0", rest, Some(*year)),
            [seconds, rest @ ..] if rest.len() == 5 => (*seconds, rest, None),
            [seconds, rest @ .., year] if rest.len() == 5 => (*seconds, rest, Some(*year)),
            _ => return Err(ExpressionError::Fields(fields.len())),
        };
        let expression = Self {
            seconds: parse("second", seconds, 0, 59, &[])?,
            minutes: parse("minute", rest[0], 0, 59, &[])?,
            hours: parse("hour", rest[1], 0, 23, &[])?,
            days: Days::parse(rest[2], rest[4])?,
            months: parse("month", rest[3], 1, 12, MONTHS)?,
            years: years.map(|text| parse("year", text, 1970, 2199, &[])).transpose()?,
            any_hour: rest[1].starts_with(['*', '?']),
        };
        let sometime = Date::constant(2024, 1, 1).at(0, 0, 0, 0);
        if expression.years.is_none() && expression.first_from(sometime).is_none() {
            return Err(ExpressionError::Never);
        }
        Ok(expression)
    }

    /// The next time after this one, by the clocks of a time zone.
    ///
    /// What falls into the hour that is left out when clocks go forward comes right after it. What falls into the hour
    /// that comes twice when they go back comes the first time only, unless the hours begin with a star.
    pub fn next(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let mut start = Timestamp::from_second(after.as_second() + 1).ok()?;
        loop {
            let offset = zone.to_offset(start);
            let (seen, shown) = (seen_before(start, zone), offset.to_datetime(start));
            let changes_now = seen.filter(|_| !self.any_hour);
            if let Some((_, seen)) = changes_now.filter(|(at, seen)| *at == start && *seen < shown)
                && self.first_from(seen).is_some_and(|civil| civil < shown)
            {
                return Some(start);
            }
            // What clocks show for the second time has had its turn.
            let from = changes_now.map_or(shown, |(_, seen)| shown.max(seen));
            let change = zone.following(start).next();
            let found = self.first_from(from).and_then(|civil| offset.to_timestamp(civil).ok());
            let Some(change) = change.filter(|change| found.is_none_or(|found| found >= change.timestamp()))
            else {
                return found;
            };
            // Nothing until the change: from there on clocks show something else.
            found?;
            start = change.timestamp();
        }
    }

    /// Whether this is one of its times.
    pub fn matches(&self, at: Timestamp, zone: &TimeZone) -> bool {
        Timestamp::from_second(at.as_second() - 1).is_ok_and(|before| {
            self.next(before, zone).is_some_and(|next| next.as_second() == at.as_second())
        })
    }

    /// The first time from this one on, whatever the clocks do.
    fn first_from(&self, from: DateTime) -> Option<DateTime> {
        let last_year = from.year().saturating_add(FARTHEST_YEARS);
        let mut date = from.date();
        let mut time = self.first_time(from.time());
        while date.year() <= last_year {
            if !self.years.as_ref().is_none_or(|years| years.has(date.year().unsigned_abs())) {
                date = Date::new(date.year().checked_add(1)?, 1, 1).ok()?;
                time = self.first_time(Time::midnight());
                continue;
            }
            if !self.months.has(date.month().unsigned_abs().into()) {
                date = date.last_of_month().tomorrow().ok()?;
                time = self.first_time(Time::midnight());
                continue;
            }
            if let Some(time) = time.filter(|_| self.days.have(date)) {
                return Some(date.to_datetime(time));
            }
            date = date.tomorrow().ok()?;
            time = self.first_time(Time::midnight());
        }
        None
    }

    /// The first time of a day from this one on.
    fn first_time(&self, from: Time) -> Option<Time> {
        let at = |time: i8| u16::from(time.unsigned_abs());
        let (hour, minute, second) = (at(from.hour()), at(from.minute()), at(from.second()));
        let make = |h: u16, m: u16, s: u16| {
            let small = |n: u16| i8::try_from(n).ok();
            Time::new(small(h)?, small(m)?, small(s)?, 0).ok()
        };
        if self.hours.has(hour) {
            if self.minutes.has(minute)
                && let Some(second) = self.seconds.from(second)
            {
                return make(hour, minute, second);
            }
            if let Some(minute) = self.minutes.from(minute + 1) {
                return make(hour, minute, self.seconds.from(0)?);
            }
        }
        make(self.hours.from(hour + 1)?, self.minutes.from(0)?, self.seconds.from(0)?)
    }
}

/// When clocks were last changed, now included, and what they would have shown then without that.
fn seen_before(now: Timestamp, zone: &TimeZone) -> Option<(Timestamp, DateTime)> {
    let behind = Timestamp::from_second(now.as_second() + 1).ok()?;
    let change = zone.preceding(behind).next()?.timestamp();
    let before = Timestamp::from_second(change.as_second() - 1).ok()?;
    Some((change, zone.to_offset(before).to_datetime(change)))
}

fn is_year(field: &str) -> bool {
    field.split([',', '-', '/']).any(|part| part.len() == 4 && part.bytes().all(|byte| byte.is_ascii_digit()))
}

fn expand(tag: &str) -> Result<&'static str, ExpressionError> {
    Ok(match tag.to_ascii_lowercase().as_str() {
        "@yearly" | "@annually" => "0 0 1 1 *",
        "@monthly" => "0 0 1 * *",
        "@weekly" => "0 0 * * 0",
        "@daily" | "@midnight" => "0 0 * * *",
        "@hourly" => "0 * * * *",
        "@30minutes" => "*/30 * * * *",
        "@15minutes" => "*/15 * * * *",
        "@10minutes" => "*/10 * * * *",
        "@5minutes" => "*/5 * * * *",
        "@always" | "@everyminute" => "* * * * *",
        "@everysecond" => "* * * * * *",
        _ => return Err(ExpressionError::Tag(tag.to_owned())),
    })
}

#[cfg(test)]
mod tests;
