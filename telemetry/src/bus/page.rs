//! What travels on the channel: records, a page at a time.

use std::sync::OnceLock;

use super::Record;

/// Records with consecutive numbers. Whoever has the page sees those that are still to come on it, too: it was sent
/// with its first one.
#[derive(Debug)]
pub(super) struct Page {
    first: u64,
    places: Box<[OnceLock<Record>]>,
}

impl Page {
    /// An empty page for `places` records from number `first` on.
    pub(super) fn new(first: u64, places: usize) -> Self {
        Self { first, places: (0..places).map(|_| OnceLock::new()).collect() }
    }

    /// Whether a record of this number belongs on it.
    pub(super) fn covers(&self, seq: u64) -> bool {
        self.at(seq) < self.places.len()
    }

    /// The record of this number, if it has happened.
    pub(super) fn get(&self, seq: u64) -> Option<&Record> {
        self.places.get(self.at(seq))?.get()
    }

    /// Writes a record that belongs on it.
    pub(super) fn put(&self, record: Record) {
        let written = self.places[self.at(record.seq)].set(record);
        debug_assert!(written.is_ok(), "a number is given once");
    }

    /// The number of its first record.
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    fn at(&self, seq: u64) -> usize {
        // Before the first one: no place.
        seq.checked_sub(self.first).and_then(|at| usize::try_from(at).ok()).unwrap_or(usize::MAX)
    }
}
