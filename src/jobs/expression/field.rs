//! One field of an expression: a set of numbers.

use super::ExpressionError;

/// Names of months, from 1.
pub(super) const MONTHS: &[&str] =
    &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// A set of numbers: `first` and what follows it, a bit each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field {
    first: u16,
    numbers: Vec<bool>,
}

impl Field {
    pub(super) fn has(&self, number: u16) -> bool {
        number.checked_sub(self.first).is_some_and(|at| self.numbers.get(usize::from(at)) == Some(&true))
    }

    /// The first number of the set from this one on.
    pub(super) fn from(&self, number: u16) -> Option<u16> {
        let end = self.first + u16::try_from(self.numbers.len()).unwrap_or(u16::MAX);
        (number.max(self.first)..end).find(|number| self.has(*number))
    }
}

/// Reads a field with numbers from `least` to `most`, whose `names` begin at `least`.
pub(super) fn parse(
    name: &'static str,
    text: &str,
    least: u16,
    most: u16,
    names: &[&str],
) -> Result<Field, ExpressionError> {
    let wrong = || ExpressionError::Field {
        name,
        text: text.to_owned(),
        expected: format!("a number from {least} to {most}, a range such as {least}-{most}, a list, or *"),
    };
    let number = |text: &str| -> Option<u16> {
        let lower = text.to_ascii_lowercase();
        let named = names.iter().position(|name| *name == lower);
        let number = match named {
            Some(at) => least + u16::try_from(at).ok()?,
            None => text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))?,
        };
        (least..=most).contains(&number).then_some(number)
    };
    let mut numbers = vec![false; usize::from(most - least) + 1];
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => {
                (range, Some(step.parse::<u16>().ok().filter(|step| *step > 0).ok_or_else(wrong)?))
            }
            None => (part, None),
        };
        let (from, to) = match range.split_once('-') {
            _ if range == "*" || range == "?" => (least, most),
            Some((from, to)) => (number(from).ok_or_else(wrong)?, number(to).ok_or_else(wrong)?),
            None => {
                let from = number(range).ok_or_else(wrong)?;
                // `5/15` begins at 5 and has no end, as in other crons.
                (from, if step.is_some() { most } else { from })
            }
        };
        if from > to {
            return Err(wrong());
        }
        for number in (from..=to).step_by(usize::from(step.unwrap_or(1))) {
            numbers[usize::from(number - least)] = true;
        }
    }
    Ok(Field { first: least, numbers })
}
