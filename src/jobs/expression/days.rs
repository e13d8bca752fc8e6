//! The days of an expression: of the month, of the week, or either.

use jiff::civil::{Date, Weekday};

use super::ExpressionError;
use super::field::{Field, parse};

/// Names of weekdays, from 0.
const WEEKDAYS: &[&str] = &["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// Which days.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Days {
    of_month: Option<Vec<OfMonth>>,
    of_week: Option<Vec<OfWeek>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum OfMonth {
    In(Field),
    /// The last one.
    Last,
    /// The last working day.
    LastWorking,
    /// The working day nearest to it.
    Nearest(i8),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum OfWeek {
    /// Sunday is 0 and 7.
    In(Field),
    /// The last one of the month.
    Last(u16),
    /// The n-th one of the month.
    Nth(u16, i8),
}

impl Days {
    /// Reads both fields. A star restricts nothing.
    pub(super) fn parse(of_month: &str, of_week: &str) -> Result<Self, ExpressionError> {
        let is_any = |text: &str| matches!(text, "*" | "?");
        let month = |text: &str| text.split(',').map(of_month_part).collect::<Result<Vec<_>, _>>();
        let week = |text: &str| text.split(',').map(of_week_part).collect::<Result<Vec<_>, _>>();
        Ok(Self {
            of_month: (!is_any(of_month)).then(|| month(of_month)).transpose()?,
            of_week: (!is_any(of_week)).then(|| week(of_week)).transpose()?,
        })
    }

    /// Whether a day is one of them.
    pub(super) fn have(&self, date: Date) -> bool {
        let of_month = self.of_month.as_ref().map(|parts| parts.iter().any(|part| part.has(date)));
        let of_week = self.of_week.as_ref().map(|parts| parts.iter().any(|part| part.has(date)));
        match (of_month, of_week) {
            (None, None) => true,
            (Some(one), None) | (None, Some(one)) => one,
            (Some(month), Some(week)) => month || week,
        }
    }
}

fn of_month_part(text: &str) -> Result<OfMonth, ExpressionError> {
    let upper = text.to_ascii_uppercase();
    match upper.as_str() {
        "L" => return Ok(OfMonth::Last),
        "LW" | "WL" => return Ok(OfMonth::LastWorking),
        _ => {}
    }
    if let Some(day) = upper.strip_suffix('W').and_then(|day| day.parse().ok())
        && (1..=31).contains(&day)
    {
        return Ok(OfMonth::Nearest(day));
    }
    parse("day of the month", text, 1, 31, &[]).map(OfMonth::In)
}

fn of_week_part(text: &str) -> Result<OfWeek, ExpressionError> {
    let day = |text: &str| -> Option<u16> {
        let lower = text.to_ascii_lowercase();
        let named = WEEKDAYS.iter().position(|name| *name == lower).and_then(|at| u16::try_from(at).ok());
        named.or_else(|| lower.parse().ok().filter(|day| *day <= 7)).map(|day| day % 7)
    };
    if let Some(day) = text.strip_suffix(['L', 'l']).and_then(day) {
        return Ok(OfWeek::Last(day));
    }
    if let Some((name, nth)) = text.split_once('#')
        && let (Some(day), Ok(nth @ 1..=5)) = (day(name), nth.parse())
    {
        return Ok(OfWeek::Nth(day, nth));
    }
    parse("weekday", text, 0, 7, WEEKDAYS).map(OfWeek::In)
}

impl OfMonth {
    fn has(&self, date: Date) -> bool {
        match self {
            Self::In(days) => days.has(date.day().unsigned_abs().into()),
            Self::Last => date == date.last_of_month(),
            Self::LastWorking => date.day() == working_day_near(date, date.days_in_month()),
            Self::Nearest(day) => *day <= date.days_in_month() && date.day() == working_day_near(date, *day),
        }
    }
}

/// The working day of `date`'s month that is nearest to a day of it.
fn working_day_near(date: Date, day: i8) -> i8 {
    let last = date.days_in_month();
    let Ok(wanted) = Date::new(date.year(), date.month(), day.min(last)) else { return day };
    match wanted.weekday() {
        Weekday::Saturday if wanted.day() == 1 => 3,
        Weekday::Saturday => wanted.day() - 1,
        Weekday::Sunday if wanted.day() == last => wanted.day() - 2,
        Weekday::Sunday => wanted.day() + 1,
        _ => wanted.day(),
    }
}

impl OfWeek {
    fn has(&self, date: Date) -> bool {
        let weekday = u16::from(date.weekday().to_sunday_zero_offset().unsigned_abs());
        match self {
            Self::In(days) => days.has(weekday) || weekday == 0 && days.has(7),
            Self::Last(day) => weekday == *day && date.day() + 7 > date.days_in_month(),
            Self::Nth(day, nth) => weekday == *day && (date.day() - 1) / 7 + 1 == *nth,
        }
    }
}
