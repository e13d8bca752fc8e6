//! What the Agent was told, which outlives the sink that told it.
//!
//! A reload or a panic replaces the sink, not the Agent's knowledge. The table therefore belongs to the sink's name
//! (its [`SinkStats`], which outlive it too): the sink that runs has it, and leaves it to its successor. While a
//! predecessor still sends its last batch, the successor waits, so that nothing is told twice.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use picoclaw_telemetry::SinkStats;

/// A successor starts within this time. A sink that is configured again later begins anew: what happened without it
/// would be a peak that never was.
pub(super) const INHERITANCE: Duration = Duration::from_secs(60);

/// A number of which not even 0 was told.
const NEVER: u64 = u64::MAX;

/// Numbers as they went out: of a counter the count, of a histogram the observations in each bucket.
#[derive(Debug, Default)]
pub(super) struct Told {
    numbers: Vec<u64>,
    places: HashMap<Box<str>, usize>,
}

impl Told {
    /// Where the `width` numbers of a series stand.
    pub(super) fn place(&mut self, series: &str, width: usize) -> usize {
        if let Some(place) = self.places.get(series) {
            return *place;
        }
        let place = self.numbers.len();
        self.places.insert(series.into(), place);
        self.numbers.resize(place + width, NEVER);
        place
    }

    /// The number at a place, 0 when nothing was told.
    pub(super) fn number(&self, place: usize) -> u64 {
        Some(self.numbers[place]).filter(|n| *n != NEVER).unwrap_or(0)
    }

    /// Whether the Agent knows the series, be it only that it is 0.
    pub(super) fn knows(&self, place: usize) -> bool {
        self.numbers[place] != NEVER
    }

    pub(super) fn set(&mut self, place: usize, n: u64) {
        self.numbers[place] = n;
    }
}

/// What a sink finds when it asks for the table.
#[derive(Debug)]
pub(super) enum Found {
    /// There is none, or only one that is too old: it is the first sink of its name.
    Nothing,
    /// A predecessor left it.
    Inherited(Told),
    /// A predecessor still uses it.
    InUse,
}

#[derive(Debug)]
struct Shelf {
    owner: Weak<SinkStats>,
    /// `None` while a sink uses it.
    left: Option<(Told, Instant)>,
}

static SHELVES: Mutex<Vec<Shelf>> = Mutex::new(Vec::new());

/// Takes the table of this owner if it is not older. Unless it is in use, it is now in use by the caller, who must
/// [`leave`] one.
pub(super) fn take(owner: &Arc<SinkStats>, oldest: Duration) -> Found {
    let mut shelves = SHELVES.lock().unwrap_or_else(PoisonError::into_inner);
    shelves.retain(|shelf| shelf.owner.strong_count() > 0);
    let Some(shelf) = shelves.iter_mut().find(|shelf| belongs(shelf, owner)) else {
        shelves.push(Shelf { owner: Arc::downgrade(owner), left: None });
        return Found::Nothing;
    };
    match shelf.left.take() {
        Some((told, when)) if when.elapsed() <= oldest => Found::Inherited(told),
        Some(_) => Found::Nothing,
        None => Found::InUse,
    }
}

/// Leaves the table to a successor.
pub(super) fn leave(owner: &Arc<SinkStats>, told: Told) {
    let mut shelves = SHELVES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(shelf) = shelves.iter_mut().find(|shelf| belongs(shelf, owner)) {
        shelf.left = Some((told, Instant::now()));
    }
}

fn belongs(shelf: &Shelf, owner: &Arc<SinkStats>) -> bool {
    std::ptr::eq(shelf.owner.as_ptr(), Arc::as_ptr(owner))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_one_user_at_a_time_and_goes_to_the_next() {
        let owner = Arc::new(SinkStats::new("a"));
        let stranger = Arc::new(SinkStats::new("a"));
        assert!(matches!(take(&owner, INHERITANCE), Found::Nothing));
        assert!(matches!(take(&owner, INHERITANCE), Found::InUse));
        assert!(matches!(take(&stranger, INHERITANCE), Found::Nothing));
        let mut told = Told::default();
        let place = told.place("messages", 1);
        assert!(!told.knows(place) && told.number(place) == 0);
        told.set(place, 7);
        leave(&owner, told);
        let Found::Inherited(mut told) = take(&owner, INHERITANCE) else { panic!("nothing was left") };
        assert_eq!(told.place("messages", 1), place);
        assert_eq!(told.number(place), 7);
        assert!(matches!(take(&owner, INHERITANCE), Found::InUse));
        leave(&owner, told);
        assert!(matches!(take(&owner, Duration::ZERO), Found::Nothing));
        assert!(matches!(take(&owner, INHERITANCE), Found::InUse));
    }
}
