//! The real disk: one directory, with a bounded number of open files and a journal of its own.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FlockOperation, flock, statat, syncfs};
use rustix::io::Errno;

use super::disk::{Disk, Stamp};
use super::lru::Lru;

/// Most session files kept open.
const MAX_OPEN: usize = 64;
/// How many processes can use one directory at the same time, each with its own journal.
const MAX_PROCESSES: usize = 8;
/// From this many files on, forcing the whole file system to the disk is faster than forcing each file.
const SYNC_EACH: usize = 8;

/// A directory of sessions.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    handle: File,
    journal_name: String,
    journal: File,
    journal_inode: u64,
    /// Journals of processes that are gone, locked until their records are safe.
    orphans: Vec<(String, File)>,
    open: Lru<Open>,
}

#[derive(Debug)]
struct Open {
    file: File,
    inode: u64,
}

impl Directory {
    /// Opens the directory, which is created if need be, and locks a journal in it.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        let handle = File::open(path)?;
        let mut own = None;
        let mut orphans = Vec::new();
        for slot in 0..MAX_PROCESSES {
            let name = if slot == 0 { ".journal".to_owned() } else { format!(".journal-{slot}") };
            if own.is_some() && !path.join(&name).try_exists()? {
                continue;
            }
            let file = writable().create(true).open(path.join(&name))?;
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) if own.is_none() => own = Some((name, file)),
                Ok(()) => orphans.push((name, file)),
                Err(Errno::WOULDBLOCK) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let (journal_name, journal) = own.ok_or_else(|| {
            io::Error::new(io::ErrorKind::ResourceBusy, "too many processes keep their sessions there")
        })?;
        let journal_inode = journal.metadata()?.ino();
        Ok(Self {
            path: path.to_owned(),
            handle,
            journal_name,
            journal,
            journal_inode,
            orphans,
            open: Lru::new(MAX_OPEN),
        })
    }

    /// The file if it exists, kept open, and its inode.
    fn existing(&mut self, name: &str) -> io::Result<Option<(&File, u64)>> {
        match self.opened(name, &writable()) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The file, created if need be, and its inode.
    fn file(&mut self, name: &str) -> io::Result<(&File, u64)> {
        self.opened(name, writable().create(true))
    }

    fn opened(&mut self, name: &str, options: &OpenOptions) -> io::Result<(&File, u64)> {
        if name == self.journal_name {
            return Ok((&self.journal, self.journal_inode));
        }
        if let Some(at) = self.orphans.iter().position(|(orphan, _)| orphan == name) {
            let file = &self.orphans[at].1;
            return Ok((file, file.metadata()?.ino()));
        }
        if !self.open.contains(name) {
            let file = options.open(self.path.join(name))?;
            let inode = file.metadata()?.ino();
            self.open.insert(name.into(), Open { file, inode }, 1);
        }
        let open = self.open.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok((&open.file, open.inode))
    }
}

fn writable() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    options
}

impl Disk for Directory {
    fn journal(&self) -> String {
        self.journal_name.clone()
    }

    fn orphans(&self) -> Vec<String> {
        self.orphans.iter().map(|(name, _)| name.clone()).collect()
    }

    fn revive(&mut self) -> io::Result<bool> {
        let there = match fs::metadata(self.path.join(&self.journal_name)) {
            Ok(metadata) => metadata.ino() == self.journal_inode,
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return Err(error),
        };
        if !there {
            *self = Self::open(&self.path)?;
            // They are for the next start: this process has nothing to recover.
            self.orphans.clear();
        }
        Ok(!there)
    }

    fn stamp(&mut self, name: &str) -> io::Result<Option<Stamp>> {
        let stamp = match statat(&self.handle, name, AtFlags::empty()) {
            Ok(stat) => Some(Stamp { len: stat.st_size.cast_unsigned(), inode: stat.st_ino }),
            Err(Errno::NOENT) => None,
            Err(error) => return Err(error.into()),
        };
        let inode = stamp.map(|stamp| stamp.inode);
        if self.open.get(name).is_some_and(|open| Some(open.inode) != inode) {
            self.open.remove(name);
        }
        Ok(stamp)
    }

    fn read_at(&mut self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let Some((file, _)) = self.existing(name)? else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let mut read = 0;
        while read < buffer.len() {
            match file.read_at(&mut buffer[read..], offset + read as u64) {
                Ok(0) => break,
                Ok(n) => read += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(read)
    }

    fn write_at(&mut self, name: &str, offset: u64, bytes: &[u8]) -> io::Result<u64> {
        let (file, inode) = self.file(name)?;
        file.write_all_at(bytes, offset)?;
        Ok(inode)
    }

    fn create(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        // Metadata is written once and renamed: no place among the open files.
        self.open.remove(name);
        writable().create(true).truncate(true).open(self.path.join(name))?.write_all_at(bytes, 0)
    }

    fn cut(&mut self, name: &str, len: u64) -> io::Result<()> {
        self.file(name)?.0.set_len(len)
    }

    fn sync(&mut self, names: &[&str]) -> io::Result<()> {
        if names.len() > SYNC_EACH {
            return self.sync_all();
        }
        for name in names {
            if let Some((file, _)) = self.existing(name)? {
                file.sync_data()?;
            }
        }
        Ok(())
    }

    fn sync_all(&mut self) -> io::Result<()> {
        Ok(syncfs(&self.handle)?)
    }

    fn sync_directory(&mut self) -> io::Result<()> {
        self.handle.sync_all()
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.open.remove(from);
        self.open.remove(to);
        fs::rename(self.path.join(from), self.path.join(to))
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        self.open.remove(name);
        match fs::remove_file(self.path.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => {
                self.orphans.retain(|(orphan, _)| orphan != name);
                Ok(())
            }
        }
    }
}
