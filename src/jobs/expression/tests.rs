use jiff::civil::DateTime;
use jiff::tz::Offset;
use proptest::prelude::*;

use super::*;

fn berlin() -> TimeZone {
    // As a rule of its own, so that the test needs no files of the system.
    TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap()
}

fn at(text: &str, zone: &TimeZone) -> Timestamp {
    text.parse::<DateTime>().unwrap().to_zoned(zone.clone()).unwrap().timestamp()
}

/// The times after `from`, with their offset to UTC.
fn times(expression: &str, from: &str, count: usize) -> Vec<String> {
    let zone = berlin();
    let expression = Expression::parse(expression).unwrap();
    let mut now = at(from, &zone);
    (0..count)
        .map(|_| {
            now = expression.next(now, &zone).unwrap();
            assert!(expression.matches(now, &zone), "{now}");
            let offset = zone.to_offset(now);
            format!("{}{offset}", offset.to_datetime(now).strftime("%m-%d %H:%M"))
        })
        .collect()
}

#[test]
fn usual_expressions() {
    assert_eq!(
        times("0 9 * * 1-5", "2026-11-27T08:00:00", 3),
        ["11-27 09:00+01", "11-30 09:00+01", "12-01 09:00+01"]
    );
    assert_eq!(
        times("*/20 8,9 * * *", "2026-11-27T08:30:00", 3),
        ["11-27 08:40+01", "11-27 09:00+01", "11-27 09:20+01"]
    );
    assert_eq!(
        times("0 0 13 * fri", "2026-11-12T12:00:00", 3),
        ["11-13 00:00+01", "11-20 00:00+01", "11-27 00:00+01"]
    );
    assert_eq!(times("@monthly", "2026-11-12T12:00:00", 2), ["12-01 00:00+01", "01-01 00:00+01"]);
    assert_eq!(times("0 12 1 1 ? 2030", "2026-01-01T00:00:00", 1), ["01-01 12:00+01"]);
    assert_eq!(
        times("5/25 * * * *", "2026-11-12T12:00:00", 3),
        ["11-12 12:05+01", "11-12 12:30+01", "11-12 12:55+01"]
    );
}

#[test]
fn seconds_come_first() {
    let expression = Expression::parse("*/30 * * * * *").unwrap();
    let now = Timestamp::from_second(1_000_000_001).unwrap();
    assert_eq!(expression.next(now, &TimeZone::UTC).unwrap().as_second(), 1_000_000_020);
}

#[test]
fn ends_of_months() {
    assert_eq!(
        times("0 1 31 * *", "2026-01-31T02:00:00", 3),
        ["03-31 01:00+02", "05-31 01:00+02", "07-31 01:00+02"]
    );
    assert_eq!(times("0 1 L * *", "2028-01-31T02:00:00", 2), ["02-29 01:00+01", "03-31 01:00+02"]);
    assert_eq!(times("0 1 29 2 *", "2026-01-01T00:00:00", 2), ["02-29 01:00+01", "02-29 01:00+01"]);
    // The 31st of January 2027 is a Sunday.
    assert_eq!(times("0 1 LW * *", "2027-01-01T00:00:00", 1), ["01-29 01:00+01"]);
    assert_eq!(times("0 1 15W 8 *", "2026-01-01T00:00:00", 1), ["08-14 01:00+02"]);
    assert_eq!(times("0 1 1W 8 *", "2026-01-01T00:00:00", 1), ["08-03 01:00+02"]);
    assert_eq!(times("0 1 * * 5L", "2026-11-01T00:00:00", 2), ["11-27 01:00+01", "12-25 01:00+01"]);
    assert_eq!(times("0 1 * * mon#2", "2026-11-01T00:00:00", 2), ["11-09 01:00+01", "12-14 01:00+01"]);
}

#[test]
fn what_the_clocks_leave_out_comes_right_after() {
    // On the 29th of March 2026 the clocks go from 2 to 3.
    assert_eq!(times("30 2 * * *", "2026-03-28T12:00:00", 2), ["03-29 03:00+02", "03-30 02:30+02"]);
    assert_eq!(times("30 * * * *", "2026-03-29T01:00:00", 2), ["03-29 01:30+01", "03-29 03:30+02"]);
}

#[test]
fn what_the_clocks_show_twice_comes_once_unless_it_comes_each_hour() {
    // On the 25th of October 2026 the clocks go from 3 to 2.
    assert_eq!(times("30 2 * * *", "2026-10-24T12:00:00", 2), ["10-25 02:30+02", "10-26 02:30+01"]);
    assert_eq!(
        times("0,30 * * * *", "2026-10-25T01:45:00", 5),
        ["10-25 02:00+02", "10-25 02:30+02", "10-25 02:00+01", "10-25 02:30+01", "10-25 03:00+01"]
    );
    // Also when it is asked for in the middle of the second time.
    let expression = Expression::parse("30 2 * * *").unwrap();
    let between = "2026-10-25T01:10:00Z".parse().unwrap();
    assert_eq!(expression.next(between, &berlin()).unwrap().to_string(), "2026-10-26T01:30:00Z");
}

#[test]
fn what_is_wrong_is_named() {
    let error = |text: &str| Expression::parse(text).unwrap_err().to_string();
    assert!(error("* * *").contains("found 3"));
    assert_eq!(
        error("60 * * * *"),
        "the minute \"60\" is not a number from 0 to 59, a range such as 0-59, a list, or *"
    );
    assert!(error("* * * foo *").starts_with("the month \"foo\""));
    assert!(error("*/0 * * * *").starts_with("the minute"));
    assert!(error("30-10 * * * *").starts_with("the minute"));
    assert!(error("0 0 30 2 *").contains("never comes"));
    assert!(error("@often").contains("@often"));
    assert!(error("").contains("found 0"));
}

proptest! {
    #[test]
    fn the_next_time_is_the_first_that_matches(minute in 0_i8..60, hour in 0_i8..24, day in 1_i8..29, from in 0_i64..2_000_000_000) {
        let expression = Expression::parse(&format!("{minute} {hour} {day} * *")).unwrap();
        let from = Timestamp::from_second(from).unwrap();
        let next = expression.next(from, &TimeZone::UTC).unwrap();
        let civil = Offset::UTC.to_datetime(next);
        prop_assert_eq!((civil.minute(), civil.hour(), civil.day(), civil.second()), (minute, hour, day, 0));
        prop_assert!(next > from);
        prop_assert!(next.as_second() - from.as_second() <= 31 * 86_400);
    }

    #[test]
    fn no_text_is_too_strange(text in "[-*/,?LW#0-9a-z @]{0,24}") {
        if let Ok(expression) = Expression::parse(&text) {
            expression.next(Timestamp::from_second(1_700_000_000).unwrap(), &berlin());
        }
    }
}
