//! What a command wrote, bounded: its beginning and its end.

use std::collections::VecDeque;

/// The beginning and the end of what a command wrote. What lies between them is counted and forgotten.
#[derive(Debug)]
pub(super) struct Output {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    lost: u64,
    room: Room,
}

/// How many bytes are kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub(super) head: usize,
    pub(super) tail: usize,
}

impl Output {
    pub(super) fn new(room: Room) -> Self {
        Self { head: Vec::new(), tail: VecDeque::new(), lost: 0, room }
    }

    /// Takes in more.
    pub(super) fn push(&mut self, mut bytes: &[u8]) {
        let room = self.room.head - self.head.len().min(self.room.head);
        let (first, rest) = bytes.split_at(room.min(bytes.len()));
        self.head.extend_from_slice(first);
        bytes = rest;
        let over = (self.tail.len() + bytes.len()).saturating_sub(self.room.tail);
        self.lost += over as u64;
        let forgotten = over.min(self.tail.len());
        self.tail.drain(..forgotten);
        self.tail.extend(&bytes[over - forgotten..]);
    }

    /// The text so far, which is then forgotten; a note stands where something is missing.
    pub(super) fn take(&mut self) -> String {
        let mut text = String::from_utf8_lossy(&self.head).into_owned();
        if self.lost > 0 {
            text.push_str(&format!("\n[... {} bytes left out ...]\n", self.lost));
        }
        text.push_str(&String::from_utf8_lossy(self.tail.make_contiguous()));
        *self = Self::new(self.room);
        // Models take no NUL, and nobody reads one.
        if text.contains('\0') { text.replace('\0', "") } else { text }
    }

    /// How much there is to take.
    pub(super) fn len(&self) -> usize {
        self.head.len() + self.tail.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output() -> Output {
        Output::new(Room { head: 4, tail: 4 })
    }

    #[test]
    fn the_beginning_and_the_end_are_kept_however_it_arrives() {
        let text = "0123456789abcdef";
        for size in 1..=text.len() {
            let mut output = output();
            text.as_bytes().chunks(size).for_each(|piece| output.push(piece));
            assert_eq!(output.len(), 8);
            assert_eq!(output.take(), "0123\n[... 8 bytes left out ...]\ncdef", "{size}");
            assert_eq!((output.take().as_str(), output.len()), ("", 0));
        }
    }

    #[test]
    fn what_fits_is_whole() {
        let mut output = output();
        output.push(b"0123");
        output.push(b"4\x0067");
        assert_eq!(output.take(), "0123467");
        output.push(b"ab");
        assert_eq!(output.take(), "ab");
    }
}
