//! The journal's format: a header with the epoch, then records that carry the same epoch.
//!
//! A checkpoint writes a header with the next epoch and leaves the old records where they are: they no longer count,
//! and writing over blocks that a file already has is faster to force to the disk than growing it.

use std::io;

use super::disk::Disk;

const MAGIC: &[u8; 8] = b"PCLWJNL1";
/// Length of the header: magic, epoch, checksum.
pub(super) const HEADER: u64 = 20;
/// Length of a record before its name: checksum, epoch, offset, length of the name, length of the bytes.
const PREFIX: usize = 26;

/// Bytes that an append wrote to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record<'a> {
    pub(super) name: &'a str,
    pub(super) offset: u64,
    pub(super) bytes: &'a [u8],
}

/// The header of an epoch.
pub(super) fn header(epoch: u64) -> [u8; HEADER as usize] {
    let mut header = [0; HEADER as usize];
    header[..8].copy_from_slice(MAGIC);
    header[8..16].copy_from_slice(&epoch.to_le_bytes());
    let checksum = checksum(&[&header[..16]]);
    header[16..].copy_from_slice(&checksum.to_le_bytes());
    header
}

/// Adds a record to the bytes that will be written to the journal.
pub(super) fn encode(buffer: &mut Vec<u8>, epoch: u64, record: &Record<'_>) {
    let start = buffer.len();
    let name_len = u16::try_from(record.name.len()).expect("file names are shorter than 256 bytes");
    let bytes_len = u32::try_from(record.bytes.len()).expect("an append is far shorter than 4 GiB");
    buffer.extend_from_slice(&[0; 4]);
    buffer.extend_from_slice(&epoch.to_le_bytes());
    buffer.extend_from_slice(&record.offset.to_le_bytes());
    buffer.extend_from_slice(&name_len.to_le_bytes());
    buffer.extend_from_slice(&bytes_len.to_le_bytes());
    buffer.extend_from_slice(record.name.as_bytes());
    buffer.extend_from_slice(record.bytes);
    let checksum = checksum(&[&buffer[start + 4..]]);
    buffer[start..start + 4].copy_from_slice(&checksum.to_le_bytes());
}

/// The epoch of a journal; `None` when its header is not whole.
pub(super) fn epoch(disk: &mut impl Disk, journal: &str) -> io::Result<Option<u64>> {
    if disk.stamp(journal)?.is_none() {
        return Ok(None);
    }
    let mut found = [0; HEADER as usize];
    let read = disk.read_at(journal, 0, &mut found)?;
    let epoch = u64::from_le_bytes(found[8..16].try_into().expect("eight bytes"));
    Ok((read == found.len() && found == header(epoch)).then_some(epoch))
}

/// Visits the records of an epoch up to the position `end`, and stops at the first that is not whole.
pub(super) fn scan<D: Disk>(
    disk: &mut D,
    journal: &str,
    epoch: u64,
    end: u64,
    mut visit: impl FnMut(&mut D, Record<'_>) -> io::Result<()>,
) -> io::Result<()> {
    let mut position = HEADER;
    let mut body = Vec::new();
    loop {
        let mut prefix = [0; PREFIX];
        if position + PREFIX as u64 > end || disk.read_at(journal, position, &mut prefix)? < PREFIX {
            return Ok(());
        }
        let field = |range: std::ops::Range<usize>| {
            prefix[range].iter().rev().fold(0, |value: u64, byte| value << 8 | u64::from(*byte))
        };
        let (name_len, bytes_len) = (field(20..22), field(22..26));
        let len = name_len + bytes_len;
        if field(4..12) != epoch || position + PREFIX as u64 + len > end {
            return Ok(());
        }
        body.resize(usize::try_from(len).unwrap_or(usize::MAX), 0);
        let read = disk.read_at(journal, position + PREFIX as u64, &mut body)?;
        if read < body.len() || u64::from(checksum(&[&prefix[4..], &body])) != field(0..4) {
            return Ok(());
        }
        let (name, bytes) = body.split_at(usize::try_from(name_len).unwrap_or(0));
        if let Ok(name) = std::str::from_utf8(name) {
            visit(disk, Record { name, offset: field(12..20), bytes })?;
        }
        position += PREFIX as u64 + len;
    }
}

fn checksum(parts: &[&[u8]]) -> u32 {
    let mut crc = flate2::Crc::new();
    for part in parts {
        crc.update(part);
    }
    crc.sum()
}

#[cfg(test)]
mod tests {
    use super::super::simulated::Simulated;
    use super::*;

    fn journal_of(records: &[(&str, u64, &[u8])], epoch: u64) -> Vec<u8> {
        let mut bytes = header(epoch).to_vec();
        for (name, offset, content) in records {
            encode(&mut bytes, epoch, &Record { name, offset: *offset, bytes: content });
        }
        bytes
    }

    fn records(bytes: &[u8]) -> Vec<(String, u64, Vec<u8>)> {
        let mut disk = Simulated::default();
        disk.write_at(".journal", 0, bytes).unwrap();
        let mut found = Vec::new();
        let Some(epoch) = epoch(&mut disk, ".journal").unwrap() else {
            return found;
        };
        scan(&mut disk, ".journal", epoch, bytes.len() as u64, |_, r| {
            found.push((r.name.to_owned(), r.offset, r.bytes.to_vec()));
            Ok(())
        })
        .unwrap();
        found
    }

    #[test]
    fn every_prefix_of_a_journal_yields_a_prefix_of_its_records() {
        let all: [(&str, u64, &[u8]); 3] =
            [("a.jsonl", 0, b"one\n"), ("b.jsonl", 7, b""), ("a.jsonl", 4, b"two\n")];
        let bytes = journal_of(&all, 9);
        for len in 0..bytes.len() {
            let found = records(&bytes[..len]);
            assert!(found.len() < 3, "{len}");
        }
        let found = records(&bytes);
        let expected: Vec<_> = all.iter().map(|(n, o, b)| ((*n).to_owned(), *o, b.to_vec())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn every_damaged_byte_is_noticed() {
        let bytes = journal_of(&[("a.jsonl", 3, b"text\n")], 1);
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert_eq!(records(&damaged), [], "byte {at}");
        }
    }

    #[test]
    fn records_of_an_earlier_epoch_do_not_count() {
        let mut bytes = journal_of(&[("a.jsonl", 0, b"new")], 2);
        let old = journal_of(&[("a.jsonl", 0, b"old"), ("b.jsonl", 0, b"old")], 1);
        bytes.extend_from_slice(&old[bytes.len()..]);
        assert_eq!(records(&bytes), [("a.jsonl".to_owned(), 0, b"new".to_vec())]);
    }
}
