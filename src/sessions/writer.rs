//! Appends, on any [`Disk`]; checkpoints are in `checkpoint`.

mod checkpoint;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::disk::{Disk, Stamp};
use super::id::SessionId;
use super::journal::{self, Record};
use super::meta::{Head, Meta};
use super::recovery::{Recovery, recover};

/// Most files written to between two checkpoints.
const MAX_DIRTY: usize = 4096;
/// Largest buffer kept between batches.
const KEEP_BUFFER: usize = 256 << 10;

/// Whole lines for the end of a session's file.
#[derive(Debug)]
pub(super) struct Append {
    /// The file's name without extension.
    pub(super) stem: Arc<str>,
    /// Whose it is, for the metadata of a new one.
    pub(super) id: SessionId,
    pub(super) bytes: Vec<u8>,
    /// How many lines the bytes are.
    pub(super) lines: u64,
    pub(super) at: jiff::Timestamp,
}

/// Another beginning for a conversation.
#[derive(Debug)]
pub(super) struct Beheading {
    pub(super) stem: Arc<str>,
    pub(super) id: SessionId,
    /// Where it must begin now.
    pub(super) since: u64,
    pub(super) head: Head,
}

/// Where an append was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    pub(super) start: u64,
    pub(super) end: u64,
}

/// Writes session files and the journal. Not thread-safe: one thread owns it.
#[derive(Debug)]
pub(super) struct Writer<D> {
    disk: D,
    journal: String,
    epoch: u64,
    /// Where the next record goes.
    position: u64,
    /// Size of the journal at which a checkpoint is due.
    limit: u64,
    /// What was written since the last checkpoint, by stem. Whoever chats cannot choose the stems.
    dirty: FxHashMap<Arc<str>, Dirty>,
    /// New sessions whose metadata only the journal has.
    unpublished: Vec<Arc<str>>,
    /// The journal or the page cache may not hold what it should: nothing is acknowledged before a checkpoint.
    suspect: bool,
    /// Files from which a failed append was taken back, and the length to cut them to where that failed. Until this
    /// is durable the disk may hold bytes of the failed append where the next one goes.
    taken_back: BTreeMap<Arc<str>, Option<u64>>,
    buffer: Vec<u8>,
    tally: Tally,
}

/// What a writer did since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) checkpoints: u64,
    /// Checkpoints that failed and are tried again.
    pub(super) checkpoint_failures: u64,
    /// How often metadata could not be written.
    pub(super) meta_failures: u64,
}

#[derive(Debug)]
struct Dirty {
    stamp: Stamp,
    id: SessionId,
    /// Whether the file was created since the metadata was written.
    new: bool,
    /// Lines that the metadata does not count yet.
    added: u64,
    at: jiff::Timestamp,
}

/// The file of a session's messages.
pub(super) fn lines_file(stem: &str) -> String {
    [stem, ".jsonl"].concat()
}

/// The file of a session's metadata.
pub(super) fn meta_file(stem: &str) -> String {
    [stem, META].concat()
}

/// Where a session's metadata is written before it takes its place.
pub(super) fn staged_meta_file(stem: &str) -> String {
    [".", stem, META, ".tmp"].concat()
}

/// Whether a file is one of metadata.
pub(super) fn is_meta(name: &str) -> bool {
    name.ends_with(META)
}

/// How the name of a file of metadata ends.
pub(super) const META: &str = ".meta.json";

impl<D: Disk> Writer<D> {
    /// Recovers what the journals hold and starts a new epoch.
    pub(super) fn open(mut disk: D, limit: u64) -> io::Result<(Self, Recovery)> {
        let (journal, orphans) = (disk.journal(), disk.orphans());
        let recovery = recover(&mut disk, orphans.iter().chain([&journal]))?;
        let last = journal::epoch(&mut disk, &journal)?;
        if last.is_none() && disk.stamp(&journal)?.is_some_and(|stamp| stamp.len > 0) {
            // Without a header no record counts, and none may come to count again.
            disk.cut(&journal, 0)?;
        }
        let mut writer = Self {
            disk,
            journal,
            epoch: last.unwrap_or(0),
            position: journal::HEADER,
            limit,
            dirty: FxHashMap::default(),
            unpublished: Vec::new(),
            // The first append writes the header of the new journal: a clean start need not wait for the disk.
            suspect: true,
            taken_back: BTreeMap::new(),
            buffer: Vec::new(),
            tally: Tally::default(),
        };
        if last.is_some() {
            writer.restart()?;
        }
        for orphan in &orphans {
            writer.disk.remove(orphan)?;
        }
        Ok((writer, recovery))
    }

    /// Whether a checkpoint has something to do.
    pub(super) fn is_dirty(&self) -> bool {
        self.suspect || !self.dirty.is_empty()
    }

    /// Whether there are new sessions whose metadata only the journal has.
    pub(super) fn is_unpublished(&self) -> bool {
        !self.unpublished.is_empty()
    }

    /// What it did since it was opened.
    pub(super) fn tally(&self) -> Tally {
        self.tally
    }

    /// Writes appends and forces them to the disk, all at once. Of a failed one nothing remains.
    pub(super) fn commit(&mut self, batch: &[Append]) -> Vec<Result<Placed, Arc<io::Error>>> {
        if let Err(error) = self.prepare(batch) {
            let error = Arc::new(error);
            return batch.iter().map(|_| Err(error.clone())).collect();
        }
        self.buffer.clear();
        self.buffer.shrink_to(KEEP_BUFFER);
        let mut ends: FxHashMap<&str, u64> = FxHashMap::default();
        let mut results: Vec<_> = batch
            .iter()
            .map(|append| {
                let end = ends.get(&*append.stem).copied();
                let (placed, inode) = self.place(append, end).map_err(Arc::new)?;
                ends.insert(&append.stem, placed.end);
                Ok((placed, inode))
            })
            .collect();
        if let Err(error) = self.seal() {
            self.suspect = true;
            let error = Arc::new(error);
            for (append, result) in batch.iter().zip(&mut results).rev() {
                if let Ok((placed, _)) = *result {
                    self.take_back(&append.stem, placed.start);
                    *result = Err(error.clone());
                }
            }
        }
        for (append, result) in batch.iter().zip(&results) {
            if let Ok((placed, inode)) = result {
                self.note(append, *placed, *inode);
            }
        }
        results.into_iter().map(|result| result.map(|(placed, _)| placed)).collect()
    }

    /// The last checkpoint; the journal is no longer needed.
    pub(super) fn close(mut self) -> io::Result<()> {
        if self.is_dirty() {
            self.checkpoint()?;
        }
        self.disk.remove(&self.journal)
    }

    fn prepare(&mut self, batch: &[Append]) -> io::Result<()> {
        if self.disk.revive()? {
            self.journal = self.disk.journal();
            self.suspect = true;
        }
        let mut due = self.suspect || self.position >= self.limit || self.dirty.len() >= MAX_DIRTY;
        for append in batch {
            if let Some(known) = self.dirty.get(&append.stem) {
                // Someone else deleted or changed the file: the journal's records no longer fit it.
                due |= self.disk.stamp(&lines_file(&append.stem))? != Some(known.stamp);
            }
        }
        if due { self.checkpoint() } else { Ok(()) }
    }

    /// Writes an append into the page cache and adds it to the buffer for the journal. Returns where, and into which file.
    fn place(&mut self, append: &Append, end: Option<u64>) -> io::Result<(Placed, u64)> {
        let name = lines_file(&append.stem);
        let known = end.or_else(|| self.dirty.get(&append.stem).map(|dirty| dirty.stamp.len));
        let start = match known {
            Some(end) => end,
            None => self.disk.stamp(&name)?.map_or(0, |stamp| stamp.len),
        };
        let torn = known.is_none() && start > 0 && {
            let mut last = [0];
            self.disk.read_at(&name, start - 1, &mut last)? == 1 && last != *b"\n"
        };
        let joined;
        let bytes = if torn {
            joined = [b"\n", &append.bytes[..]].concat();
            &joined
        } else {
            &append.bytes
        };
        let inode = match self.disk.write_at(&name, start, bytes) {
            Ok(inode) => inode,
            Err(error) => {
                self.take_back(&append.stem, start);
                return Err(error);
            }
        };
        journal::encode(&mut self.buffer, self.epoch, &Record { name: &name, offset: start, bytes });
        if start == 0 {
            let meta = Meta::updated(None, &append.id, true, append.lines, append.at).document();
            let name = meta_file(&append.stem);
            journal::encode(&mut self.buffer, self.epoch, &Record { name: &name, offset: 0, bytes: &meta });
        }
        Ok((Placed { start, end: start + bytes.len() as u64 }, inode))
    }

    /// Makes the batch durable.
    fn seal(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        self.disk.write_at(&self.journal, self.position, &self.buffer)?;
        self.disk.sync(&[&self.journal])?;
        self.position += self.buffer.len() as u64;
        Ok(())
    }

    /// Removes what a failed append wrote; what cannot be removed now is removed by the checkpoint that is now due.
    fn take_back(&mut self, stem: &Arc<str>, start: u64) {
        self.suspect = true;
        let pending = self.cut(stem, start).is_err().then_some(start);
        self.taken_back.insert(stem.clone(), pending);
    }

    fn cut(&mut self, stem: &str, start: u64) -> io::Result<()> {
        let name = lines_file(stem);
        if start == 0 { self.disk.remove(&name) } else { self.disk.cut(&name, start) }
    }

    /// Remembers a durable append for the next checkpoint.
    fn note(&mut self, append: &Append, placed: Placed, inode: u64) {
        let dirty = self.dirty.entry(append.stem.clone()).or_insert_with(|| Dirty::new(append));
        // The length that we wrote, not the one found: another writer's bytes must look foreign.
        dirty.stamp = Stamp { len: placed.end, inode };
        dirty.added += append.lines;
        dirty.at = append.at;
        if placed.start == 0 {
            dirty.new = true;
            self.unpublished.push(append.stem.clone());
        }
    }
}

impl Dirty {
    fn new(append: &Append) -> Self {
        Self { stamp: Stamp { len: 0, inode: 0 }, id: append.id.clone(), new: false, added: 0, at: append.at }
    }
}

#[cfg(test)]
mod tests;
