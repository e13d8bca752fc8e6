//! Writing again what a crash lost.

use std::collections::BTreeSet;
use std::io;

use super::disk::Disk;
use super::journal;
use super::lines;
use super::meta::Meta;
use super::writer::{self, META, lines_file, meta_file, staged_meta_file};

/// What the start found of a process that did not stop in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Records of the journal whose bytes were missing and were written again.
    pub restored: u64,
    /// Records whose file was deleted or rewritten by someone else since.
    pub foreign: u64,
}

/// Writes the records of journals again where a crash lost their bytes.
pub(super) fn recover<'a>(
    disk: &mut impl Disk,
    journals: impl Iterator<Item = &'a String>,
) -> io::Result<Recovery> {
    let mut crashed = Vec::new();
    for name in journals {
        if let (Some(stamp), Some(epoch)) = (disk.stamp(name)?, journal::epoch(disk, name)?) {
            crashed.push((name, epoch, stamp.len));
        }
    }
    let mut recovery = Recovery::default();
    let mut files = BTreeSet::new();
    // Processes may have appended to one file in turns: each pass finds more of it in place.
    while !crashed.is_empty() {
        let mut pass = Recovery::default();
        for (name, epoch, end) in &crashed {
            let found = replay(disk, name, *epoch, *end, false, &mut files)?;
            pass.restored += found.restored;
            pass.foreign += found.foreign;
        }
        recovery = Recovery { restored: recovery.restored + pass.restored, foreign: pass.foreign };
        if pass.restored == 0 {
            // A full disk must not keep the gateway from starting for the sake of a number.
            let _ = count_again(disk, &files);
            // Also what the crashed process wrote and did not acknowledge: appends will follow it.
            disk.sync_all()?;
            break;
        }
    }
    Ok(recovery)
}

/// Has the metadata say how many lines the recovered files have: the crashed process knew of lines that it had not yet
/// counted there.
fn count_again(disk: &mut impl Disk, files: &BTreeSet<String>) -> io::Result<()> {
    let stems: BTreeSet<_> =
        files.iter().filter_map(|name| name.strip_suffix(META).or(name.strip_suffix(".jsonl"))).collect();
    let mut staged = Vec::new();
    for stem in stems {
        let found = disk.read(&meta_file(stem))?.and_then(|document| Meta::parse(&document));
        // Metadata that is absent or damaged is made anew by the next append.
        let Some(meta) = found else { continue };
        let count = count_lines(disk, &lines_file(stem))?;
        if meta.count != count {
            let temporary = staged_meta_file(stem);
            disk.create(&temporary, &Meta { count, ..meta }.document())?;
            staged.push((temporary, meta_file(stem)));
        }
    }
    // Before they take the place of the old ones, which would be lost otherwise.
    disk.sync(&staged.iter().map(|(temporary, _)| temporary.as_str()).collect::<Vec<_>>())?;
    staged.into_iter().try_for_each(|(temporary, name)| disk.rename(&temporary, &name))
}

/// The lines of a file; an absent one has none.
fn count_lines(disk: &mut impl Disk, name: &str) -> io::Result<u64> {
    let Some(stamp) = disk.stamp(name)? else { return Ok(0) };
    let mut counter = lines::Counter::default();
    let mut chunk = vec![0; 64 << 10];
    let mut at = 0;
    while at < stamp.len {
        let read = disk.read_at(name, at, &mut chunk)?;
        if read == 0 {
            break;
        }
        counter.add(&chunk[..read]);
        at += read as u64;
    }
    Ok(counter.lines())
}

/// Writes a journal's records again where they are missing, and collects the names of the files.
/// With `force` also where they seem to be there.
pub(super) fn replay<D: Disk>(
    disk: &mut D,
    journal: &str,
    epoch: u64,
    end: u64,
    force: bool,
    files: &mut BTreeSet<String>,
) -> io::Result<Recovery> {
    let mut recovery = Recovery::default();
    journal::scan(disk, journal, epoch, end, |disk, record| {
        if writer::is_meta(record.name) {
            // Metadata is for a new session. What is there by now knows more.
            let found = disk.read(record.name)?;
            if found.as_deref().and_then(Meta::parse).is_none() {
                disk.create(record.name, record.bytes)?;
            }
            files.insert(record.name.to_owned());
            return Ok(());
        }
        let len = disk.stamp(record.name)?.map_or(0, |stamp| stamp.len);
        let mut found = vec![0; record.bytes.len()];
        let read =
            if len > record.offset { disk.read_at(record.name, record.offset, &mut found)? } else { 0 };
        let found = &found[..read];
        let there = found == record.bytes;
        // A line of JSON has no NUL: such bytes are blocks that never reached the disk.
        let ours = record.bytes.starts_with(found) || found.contains(&0);
        if len < record.offset || !ours {
            recovery.foreign += 1;
            return Ok(());
        }
        if !there {
            recovery.restored += 1;
        }
        if !there || force {
            disk.write_at(record.name, record.offset, record.bytes)?;
        }
        files.insert(record.name.to_owned());
        Ok(())
    })?;
    Ok(recovery)
}
