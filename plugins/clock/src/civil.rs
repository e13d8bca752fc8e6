//! Days and dates of the Gregorian calendar.

use std::fmt;

/// A date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Date {
    year: i64,
    month: i64,
    day: i64,
}

const MONTHS: [i64; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

const WEEKDAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn length(year: i64, month: i64) -> i64 {
    let days = usize::try_from(month - 1).ok().and_then(|month| MONTHS.get(month)).copied().unwrap_or(0);
    days + i64::from(month == 2 && is_leap(year))
}

/// Days of all years before this one, from year 1 on.
fn before(year: i64) -> i64 {
    let years = year - 1;
    365 * years + years.div_euclid(4) - years.div_euclid(100) + years.div_euclid(400)
}

impl Date {
    /// Reads `YYYY-MM-DD`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().splitn(3, '-').map(|part| part.parse::<i64>().ok());
        let date = Self { year: parts.next()??, month: parts.next()??, day: parts.next()?? };
        let exists =
            (1..=9999).contains(&date.year) && (1..=length(date.year, date.month)).contains(&date.day);
        exists.then_some(date)
    }

    /// The date so many days after 1970-01-01.
    pub(crate) fn from_days(days: i64) -> Self {
        let days = days + before(1970);
        let mut year = days.div_euclid(366) + 1;
        while before(year + 1) <= days {
            year += 1;
        }
        let (mut month, mut day) = (1, days - before(year) + 1);
        while day > length(year, month) {
            day -= length(year, month);
            month += 1;
        }
        Self { year, month, day }
    }

    /// How many days it lies after 1970-01-01.
    pub(crate) fn days(self) -> i64 {
        let months: i64 = (1..self.month).map(|month| length(self.year, month)).sum();
        before(self.year) - before(1970) + months + self.day - 1
    }

    /// The day of the week.
    pub(crate) fn weekday(self) -> &'static str {
        // 1970-01-01 was a Thursday.
        let day = (self.days() + 3).rem_euclid(7);
        WEEKDAYS[usize::try_from(day).unwrap_or(0)]
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_dates_agree() {
        for days in -200_000..200_000 {
            assert_eq!(Date::from_days(days).days(), days);
        }
        assert_eq!(Date::from_days(19_782).to_string(), "2024-02-29");
        assert_eq!(Date::parse("2024-02-29").unwrap().weekday(), "Thursday");
        for wrong in ["", "2024", "2024-13-01", "2024-02-30", "0-1-1", "2024-01-0", "a-b-c", "2024-1-1-1"] {
            assert_eq!(Date::parse(wrong), None, "{wrong}");
        }
    }
}
