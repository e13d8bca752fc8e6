//! Metadata, and the checkpoints after which the journal begins anew.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use super::super::disk::Disk;
use super::super::journal;
use super::super::meta::Meta;
use super::super::recovery::replay;
use super::{Beheading, Writer, lines_file, meta_file, staged_meta_file};

impl<D: Disk> Writer<D> {
    /// Writes the metadata of new sessions, for others to read. The journal has made it durable.
    pub(in super::super) fn publish(&mut self) {
        for stem in std::mem::take(&mut self.unpublished) {
            if !self.dirty.get(&stem).is_some_and(|dirty| dirty.new) {
                continue;
            }
            match self.stage_meta(&stem).and_then(|staged| self.disk.rename(&staged, &meta_file(&stem))) {
                Ok(()) => self.counted(&stem),
                Err(_) => self.tally.meta_failures += 1,
            }
        }
    }

    /// Moves the beginning of a conversation, durably; `false` when it is not where it was.
    pub(in super::super) fn behead(&mut self, beheading: &Beheading) -> io::Result<bool> {
        let Beheading { stem, id, since, head } = beheading;
        // Metadata that only the journal has: what is there by then knows more and wins over the journal's.
        self.publish();
        let found = self.disk.read(&meta_file(stem))?.and_then(|document| Meta::parse(&document));
        let meta = found.unwrap_or_else(|| Meta::updated(None, id, false, 0, jiff::Timestamp::now()));
        if meta.skip != *since {
            return Ok(false);
        }
        let meta = Meta { skip: head.skip, summary: head.summary.clone(), ..meta };
        let staged = staged_meta_file(stem);
        self.disk.create(&staged, &meta.document())?;
        self.disk.sync(&[&staged])?;
        self.disk.rename(&staged, &meta_file(stem))?;
        self.disk.sync_directory()?;
        Ok(true)
    }

    /// Forces session files and metadata to the disk and starts the journal anew.
    pub(in super::super) fn checkpoint(&mut self) -> io::Result<()> {
        let done = self.try_checkpoint();
        self.suspect = done.is_err();
        match done {
            Ok(()) => self.tally.checkpoints += 1,
            Err(_) => self.tally.checkpoint_failures += 1,
        }
        done
    }

    fn try_checkpoint(&mut self) -> io::Result<()> {
        let mut names = BTreeSet::new();
        for (stem, pending) in self.taken_back.clone() {
            if let Some(start) = pending {
                self.cut(&stem, start)?;
            }
            names.insert(lines_file(&stem));
        }
        if self.suspect {
            // After a failed sync the kernel may have dropped pages that it calls clean: write them again.
            let (epoch, end) = (self.epoch, self.position);
            replay(&mut self.disk, &self.journal, epoch, end, true, &mut names)?;
        }
        let stems: Vec<_> = self.dirty.keys().cloned().collect();
        names.extend(stems.iter().map(|stem| lines_file(stem)));
        let mut staged = Vec::new();
        for stem in &stems {
            if self.dirty[stem].added == 0 {
                // It was published, and nothing came after it.
                names.insert(meta_file(stem));
                continue;
            }
            match self.stage_meta(stem) {
                Ok(temporary) => staged.push((temporary, stem)),
                Err(_) => self.tally.meta_failures += 1,
            }
        }
        names.extend(staged.iter().map(|(temporary, _)| temporary.clone()));
        self.disk.sync(&names.iter().map(String::as_str).collect::<Vec<_>>())?;
        for (temporary, stem) in staged {
            match self.disk.rename(&temporary, &meta_file(stem)) {
                Ok(()) => self.counted(stem),
                Err(_) => self.tally.meta_failures += 1,
            }
        }
        self.disk.sync_directory()?;
        self.restart()?;
        self.dirty.clear();
        self.unpublished.clear();
        self.taken_back.clear();
        Ok(())
    }

    /// Begins a new epoch: earlier records no longer count.
    pub(super) fn restart(&mut self) -> io::Result<()> {
        let epoch = self.epoch + 1;
        self.disk.write_at(&self.journal, 0, &journal::header(epoch))?;
        self.disk.sync(&[&self.journal])?;
        self.epoch = epoch;
        self.position = journal::HEADER;
        Ok(())
    }

    /// Writes a session's metadata beside its place, and says where. What others changed in it stays.
    fn stage_meta(&mut self, stem: &Arc<str>) -> io::Result<String> {
        let found = self.disk.read(&meta_file(stem))?.and_then(|document| Meta::parse(&document));
        let name = staged_meta_file(stem);
        let Some(dirty) = self.dirty.get(stem) else {
            return Ok(name);
        };
        let meta = Meta::updated(found, &dirty.id, dirty.new, dirty.added, dirty.at);
        self.disk.create(&name, &meta.document())?;
        Ok(name)
    }

    /// Notes that the metadata includes all lines.
    fn counted(&mut self, stem: &str) {
        if let Some(dirty) = self.dirty.get_mut(stem) {
            dirty.added = 0;
            dirty.new = false;
        }
    }
}
