//! Writing again what a crash lost.

use std::collections::BTreeSet;
use std::io;

use super::disk::Disk;
use super::journal;
use super::meta::Meta;
use super::writer;

/// What recovery did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Recovery {
    /// Records whose bytes were missing and were written again.
    pub(super) restored: u64,
    /// Records whose file was deleted or rewritten by someone else since.
    pub(super) foreign: u64,
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
    // Processes may have appended to one file in turns: each pass finds more of it in place.
    while !crashed.is_empty() {
        let mut pass = Recovery::default();
        for (name, epoch, end) in &crashed {
            let found = replay(disk, name, *epoch, *end, false, &mut BTreeSet::new())?;
            pass.restored += found.restored;
            pass.foreign += found.foreign;
        }
        recovery = Recovery { restored: recovery.restored + pass.restored, foreign: pass.foreign };
        if pass.restored == 0 {
            // Also what the crashed process wrote and did not acknowledge: appends will follow it.
            disk.sync_all()?;
            break;
        }
    }
    Ok(recovery)
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
