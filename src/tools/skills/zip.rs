//! Reading ZIP archives that are in memory: plain and deflated files, nothing else.

use std::io::Read;

use flate2::Crc;
use flate2::read::DeflateDecoder;

/// Most entries of an archive that are looked at.
const MAX_ENTRIES: usize = 20_000;
/// How far from the end the end record may lie: its own size and the longest comment.
const MAX_TAIL: usize = 22 + 65_535;

/// A file or directory in an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Its path, as it is written.
    pub(super) path: String,
    /// Whether it is a plain file; others are directories and links.
    pub(super) is_file: bool,
    method: u16,
    checksum: u32,
    packed: usize,
    size: usize,
    header: usize,
}

/// The entries of an archive.
///
/// # Errors
/// When it is none, in words.
pub(super) fn entries(archive: &[u8]) -> Result<Vec<Entry>, String> {
    let broken = || "it is no ZIP archive".to_owned();
    let from = archive.len().saturating_sub(MAX_TAIL);
    let tail = &archive[from..];
    let end = tail.windows(4).rposition(|bytes| bytes == b"PK\x05\x06").ok_or_else(broken)?;
    let count = short(tail, end + 10).ok_or_else(broken)?;
    let mut at = long(tail, end + 16).ok_or_else(broken)?;
    if usize::from(count) > MAX_ENTRIES {
        return Err(format!("the archive has more than {MAX_ENTRIES} entries"));
    }
    let mut entries = Vec::new();
    for _ in 0..count {
        let (entry, next) = entry(archive, at).ok_or_else(broken)?;
        entries.push(entry);
        at = next;
    }
    Ok(entries)
}

/// One record of the directory, and where the next one begins.
fn entry(archive: &[u8], at: usize) -> Option<(Entry, usize)> {
    if archive.get(at..at + 4)? != b"PK\x01\x02" {
        return None;
    }
    let (name, extra, comment) =
        (short(archive, at + 28)?, short(archive, at + 30)?, short(archive, at + 32)?);
    let name_at = at + 46;
    let name_end = name_at + usize::from(name);
    let path = String::from_utf8_lossy(archive.get(name_at..name_end)?).into_owned();
    let made_on_unix = archive.get(at + 5)? == &3;
    let mode = long(archive, at + 38)? >> 16;
    // Without a type of file, or from a system that has none, the name alone tells.
    let plain = !made_on_unix || matches!(mode & 0o170_000, 0 | 0o100_000);
    let entry = Entry {
        is_file: plain && !path.ends_with('/'),
        path,
        method: short(archive, at + 10)?,
        checksum: u32::try_from(long(archive, at + 16)?).ok()?,
        packed: long(archive, at + 20)?,
        size: long(archive, at + 24)?,
        header: long(archive, at + 42)?,
    };
    Some((entry, name_end + usize::from(extra) + usize::from(comment)))
}

impl Entry {
    /// What it holds, if that is no more than so many bytes.
    ///
    /// # Errors
    /// When it is too large or broken, in words.
    pub(super) fn content(&self, archive: &[u8], most: u64) -> Result<Vec<u8>, String> {
        let broken = || format!("{} in the archive is broken", self.path);
        if self.size as u64 > most {
            return Err("it is too large".to_owned());
        }
        let header = archive.get(self.header..self.header + 30).ok_or_else(broken)?;
        let (name, extra) = (short(header, 26).ok_or_else(broken)?, short(header, 28).ok_or_else(broken)?);
        let start = self.header + 30 + usize::from(name) + usize::from(extra);
        let packed = archive.get(start..start + self.packed).ok_or_else(broken)?;
        let mut content = Vec::new();
        match self.method {
            0 => content.extend_from_slice(packed),
            8 => {
                // What it says of its size may be a lie.
                let most = self.size as u64 + 1;
                DeflateDecoder::new(packed).take(most).read_to_end(&mut content).map_err(|_| broken())?;
            }
            _ => return Err(format!("{} in the archive is packed in an unknown way", self.path)),
        }
        let mut sum = Crc::new();
        sum.update(&content);
        if content.len() == self.size && sum.sum() == self.checksum { Ok(content) } else { Err(broken()) }
    }
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn long(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?)).ok()
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::DeflateEncoder;

    use super::*;

    /// An archive of these files; a mode of 0 is that of a plain file.
    pub(in super::super) fn archive(files: &[(&str, &[u8], u32)]) -> Vec<u8> {
        let (mut out, mut directory) = (Vec::new(), Vec::new());
        for (path, content, mode) in files {
            let mut packer = DeflateEncoder::new(Vec::new(), Compression::default());
            packer.write_all(content).unwrap();
            let packed = packer.finish().unwrap();
            let mut sum = Crc::new();
            sum.update(content);
            let mut common = vec![20, 0, 0, 0, 8, 0, 0, 0, 0, 0];
            for number in [sum.sum(), packed.len() as u32, content.len() as u32] {
                common.extend(number.to_le_bytes());
            }
            common.extend((path.len() as u16).to_le_bytes());
            common.extend([0, 0]);
            directory.extend(*b"PK\x01\x02\x14\x03");
            directory.extend(&common);
            directory.extend([0; 6]);
            directory.extend(([0o100_644, *mode][usize::from(*mode > 0)] << 16).to_le_bytes());
            directory.extend((out.len() as u32).to_le_bytes());
            directory.extend(path.as_bytes());
            out.extend(*b"PK\x03\x04");
            out.extend(&common);
            out.extend(path.as_bytes());
            out.extend(packed);
        }
        let at = out.len() as u32;
        let count = (files.len() as u16).to_le_bytes();
        let length = directory.len() as u32;
        out.extend(directory);
        out.extend(*b"PK\x05\x06\0\0\0\0");
        out.extend([count, count].concat());
        out.extend([length.to_le_bytes(), at.to_le_bytes()].concat());
        out.extend([0, 0]);
        out
    }

    #[test]
    fn files_are_read_and_links_are_none() {
        let packed = archive(&[
            ("a/", b"", 0o040_755),
            ("a/b.txt", b"hello hello hello", 0),
            ("a/link", b"b.txt", 0o120_777),
        ]);
        let found = entries(&packed).unwrap();
        let files: Vec<_> = found.iter().map(|entry| (entry.path.as_str(), entry.is_file)).collect();
        assert_eq!(files, [("a/", false), ("a/b.txt", true), ("a/link", false)]);
        assert_eq!(found[1].content(&packed, 100).unwrap(), b"hello hello hello");
        assert_eq!(found[1].content(&packed, 5).unwrap_err(), "it is too large");
    }

    #[test]
    fn what_is_broken_is_refused_and_never_a_panic() {
        let packed = archive(&[("b.txt", b"hello hello hello", 0)]);
        assert!(entries(b"PK").is_err() && entries(b"").is_err());
        for at in 0..packed.len() {
            let mut broken = packed.clone();
            broken[at] ^= 0xff;
            for entry in entries(&broken).unwrap_or_default() {
                if let Ok(content) = entry.content(&broken, 1 << 20) {
                    assert_eq!(content, b"hello hello hello");
                }
            }
            for entry in entries(&packed[at..]).unwrap_or_default() {
                let _ = entry.content(&packed[at..], 1 << 20);
            }
        }
    }
}
