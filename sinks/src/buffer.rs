//! Records that wait to be sent, encoded, bounded in number and bytes.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::config::{BufferConfig, WhenFull};

/// A bounded queue of encoded records in one piece of memory.
#[derive(Debug)]
pub struct Buffer {
    limits: BufferConfig,
    bytes: Vec<u8>,
    // Where in `bytes` the oldest entry begins: what was dropped before it is cut off from time to time.
    start: usize,
    entries: VecDeque<Entry>,
    evicted: Evicted,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    length: usize,
    records: u64,
}

/// What became of a record that was pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// It waits.
    Stored,
    /// There was no room.
    Full,
    /// There never is room for one as large.
    TooLarge,
}

/// Entries taken out of a [`Buffer`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The entries, one after the other.
    pub bytes: Bytes,
    /// How many.
    pub entries: u64,
    /// How many records they stand for.
    pub records: u64,
}

/// Entries that made room for others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Evicted {
    /// How many.
    pub entries: u64,
    /// How many records they stood for.
    pub records: u64,
}

/// Memory that an empty buffer keeps for what comes next.
const KEPT: usize = 256 * 1024;

impl Buffer {
    /// An empty buffer.
    pub fn new(limits: BufferConfig) -> Self {
        Self { limits, bytes: Vec::new(), start: 0, entries: VecDeque::new(), evicted: Evicted::default() }
    }

    /// Adds what `write` appends as one entry, which stands for `records` records.
    pub fn push(&mut self, records: u64, write: impl FnOnce(&mut Vec<u8>)) -> Pushed {
        let before = self.bytes.len();
        write(&mut self.bytes);
        let length = self.bytes.len() - before;
        if length > self.limits.max_bytes {
            self.bytes.truncate(before);
            return Pushed::TooLarge;
        }
        while self.is_over(length) {
            match self.limits.when_full {
                WhenFull::DropNewest => {
                    self.bytes.truncate(before);
                    return Pushed::Full;
                }
                WhenFull::DropOldest => self.evict(),
            }
        }
        self.entries.push_back(Entry { length, records });
        self.compact();
        Pushed::Stored
    }

    /// Takes the oldest entries out, up to `most` bytes but at least one entry, if there is one.
    pub fn take(&mut self, most: usize) -> Option<Taken> {
        let mut end = self.start;
        let (mut entries, mut records) = (0, 0);
        while let Some(entry) = self.entries.front() {
            if entries > 0 && end - self.start + entry.length > most {
                break;
            }
            end += entry.length;
            entries += 1;
            records += entry.records;
            self.entries.pop_front();
        }
        if entries == 0 {
            return None;
        }
        let bytes = if self.entries.is_empty() && self.start == 0 {
            let room = self.bytes.capacity().min(KEPT);
            Bytes::from(std::mem::replace(&mut self.bytes, Vec::with_capacity(room)))
        } else {
            let copy = Bytes::copy_from_slice(&self.bytes[self.start..end]);
            self.start = end;
            self.compact();
            copy
        };
        Some(Taken { bytes, entries, records })
    }

    /// How many entries wait.
    pub fn entries(&self) -> u64 {
        self.entries.len() as u64
    }

    /// How many entries made room for others since the last call.
    pub fn take_evicted(&mut self) -> Evicted {
        std::mem::take(&mut self.evicted)
    }

    /// Whether there is no room for `length` more bytes, which stand at the end of `bytes` already.
    fn is_over(&self, length: usize) -> bool {
        // A limit of 0 entries would lose everything.
        let most = self.limits.max_events.max(1);
        let waiting = self.bytes.len() - self.start - length;
        !self.entries.is_empty() && (self.entries.len() >= most || waiting + length > self.limits.max_bytes)
    }

    fn evict(&mut self) {
        if let Some(entry) = self.entries.pop_front() {
            self.start += entry.length;
            self.evicted.entries += 1;
            self.evicted.records += entry.records;
        }
    }

    fn compact(&mut self) {
        if self.start > self.bytes.len() / 2 {
            self.bytes.drain(..self.start);
            self.start = 0;
            if self.entries.is_empty() {
                self.bytes.shrink_to(KEPT);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn buffer(max_events: usize, max_bytes: usize, when_full: WhenFull) -> Buffer {
        Buffer::new(BufferConfig { max_events, max_bytes, when_full })
    }

    fn push(buffer: &mut Buffer, text: &str) -> Pushed {
        buffer.push(2, |bytes| bytes.extend_from_slice(text.as_bytes()))
    }

    #[test]
    fn the_oldest_goes_when_too_many_wait() {
        let mut buffer = buffer(2, 100, WhenFull::DropOldest);
        for text in ["a", "b", "c", "d"] {
            assert_eq!(push(&mut buffer, text), Pushed::Stored);
        }
        let evicted = Evicted { entries: 2, records: 4 };
        assert_eq!(buffer.take_evicted(), evicted);
        assert_eq!(buffer.take_evicted(), Evicted::default());
        assert_eq!(&buffer.take(100).unwrap().bytes[..], b"cd");
        assert_eq!(buffer.take(100), None);
    }

    #[test]
    fn the_newest_goes_when_so_configured() {
        let mut buffer = buffer(100, 5, WhenFull::DropNewest);
        assert_eq!(push(&mut buffer, "aaaa"), Pushed::Stored);
        assert_eq!(push(&mut buffer, "bb"), Pushed::Full);
        assert_eq!(push(&mut buffer, "c"), Pushed::Stored);
        assert_eq!(push(&mut buffer, "dddddd"), Pushed::TooLarge);
        assert_eq!(&buffer.take(100).unwrap().bytes[..], b"aaaac");
    }

    #[test]
    fn entries_come_out_in_portions() {
        let mut buffer = buffer(100, 100, WhenFull::DropOldest);
        for text in ["aaa", "bbb", "ccc"] {
            push(&mut buffer, text);
        }
        let first = buffer.take(7).unwrap();
        assert_eq!((&first.bytes[..], first.entries, first.records), (&b"aaabbb"[..], 2, 4));
        assert_eq!(&buffer.take(1).unwrap().bytes[..], b"ccc");
    }

    proptest! {
        /// Against the obvious model: a list of texts.
        #[test]
        fn it_behaves_like_a_bounded_list(
            steps in prop::collection::vec((0usize..12, 0usize..30), 1..200),
            max_events in 1usize..6, max_bytes in 1usize..40, newest in any::<bool>(),
        ) {
            let when_full = if newest { WhenFull::DropNewest } else { WhenFull::DropOldest };
            let mut buffer = buffer(max_events, max_bytes, when_full);
            let mut model: VecDeque<String> = VecDeque::new();
            let mut evicted = 0;
            for (i, (length, most)) in steps.into_iter().enumerate() {
                if length == 0 {
                    let mut expected = String::new();
                    while let Some(text) = model.front() {
                        if !expected.is_empty() && expected.len() + text.len() > most { break }
                        expected.push_str(&model.pop_front().unwrap());
                    }
                    let taken = buffer.take(most).map_or_else(Bytes::new, |taken| taken.bytes);
                    prop_assert_eq!(&taken[..], expected.as_bytes());
                } else {
                    let text = char::from(b'a' + (i % 26) as u8).to_string().repeat(length);
                    let total = |model: &VecDeque<String>| model.iter().map(String::len).sum::<usize>();
                    let over = |model: &VecDeque<String>| {
                        model.len() >= max_events || total(model) + length > max_bytes
                    };
                    let expected = if length > max_bytes { Pushed::TooLarge }
                        else if newest && over(&model) { Pushed::Full }
                        else {
                            while over(&model) { model.pop_front(); evicted += 1; }
                            model.push_back(text.clone());
                            Pushed::Stored
                        };
                    prop_assert_eq!(push(&mut buffer, &text), expected);
                }
                prop_assert_eq!(buffer.entries(), model.len() as u64);
            }
            prop_assert_eq!(buffer.take_evicted().entries, evicted);
        }
    }
}
