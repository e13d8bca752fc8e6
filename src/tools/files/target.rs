//! The file that a tool writes.

use std::io::{self, Read, Write};
use std::path::PathBuf;

use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};

use super::super::output::ToolOutput;
use super::reach::Access;
use super::workspace::{Open, Place};

/// A regular file that may be written, or the place for one.
#[derive(Debug)]
pub(super) struct Target {
    dir: Dir,
    path: PathBuf,
    pub(super) exists: bool,
}

impl Target {
    /// Finds the file that a path of the model means. Through a link it is the link's target.
    pub(super) fn find(open: &Open, path: &str) -> Result<Self, ToolOutput> {
        let failed = |error: io::Error| open.failed("writing", path, &error);
        let directory = || ToolOutput::error(format!("{path} is a directory; give the path of a file"));
        let Place { dir, path: beneath } = open.place(path, Access::Write)?;
        if beneath.file_name().is_none() {
            return Err(directory());
        }
        match dir.metadata(&beneath) {
            Ok(found) if found.is_dir() => Err(directory()),
            Ok(found) if !found.is_file() => {
                Err(ToolOutput::denied(format!("{path} is not a regular file; choose another path")))
            }
            Ok(_) => Ok(Self { path: dir.canonicalize(&beneath).map_err(failed)?, dir, exists: true }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Ok(Self { dir, path: beneath, exists: false })
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// The whole content, if it has at most so many bytes; otherwise how many it has.
    pub(super) fn read(&self, most: u64) -> io::Result<Result<Vec<u8>, u64>> {
        let file = self.dir.open(&self.path)?;
        let size = file.metadata()?.len();
        let mut content = Vec::new();
        file.take(most + 1).read_to_end(&mut content)?;
        Ok(if content.len() as u64 > most { Err(size) } else { Ok(content) })
    }

    /// Writes beside the file and renames, so that nobody ever sees half of it. Missing directories are created.
    ///
    /// # Errors
    /// `AlreadyExists` if it is not to be replaced and has come into being.
    pub(super) fn put(&self, content: &[u8], replace: bool) -> io::Result<()> {
        self.create_parent()?;
        let mut nonce = [0; 8];
        getrandom::fill(&mut nonce).map_err(io::Error::other)?;
        let name = format!(".write-{:016x}.tmp", u64::from_le_bytes(nonce));
        let temporary = self.path.with_file_name(name);
        let written = self
            .dir
            .open_with(&temporary, OpenOptions::new().write(true).create_new(true))
            .and_then(|mut file| file.write_all(content))
            .and_then(|()| match self.dir.metadata(&self.path) {
                Ok(found) => self.dir.set_permissions(&temporary, found.permissions()),
                Err(_) => Ok(()),
            })
            .and_then(|()| {
                if replace {
                    self.dir.rename(&temporary, &self.dir, &self.path)
                } else {
                    // Unlike a rename this fails if the file has come into being meanwhile.
                    self.dir.hard_link(&temporary, &self.dir, &self.path)?;
                    self.dir.remove_file(&temporary)
                }
            });
        if written.is_err() {
            // Best effort: the error that matters is the one above.
            let _ = self.dir.remove_file(&temporary);
        }
        written
    }

    /// Adds to the end, in one write. Says how long the file is then; missing directories are created.
    pub(super) fn append(&self, content: &[u8]) -> io::Result<u64> {
        self.create_parent()?;
        let mut options = OpenOptions::new();
        options.append(true).create(true);
        options.custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
        let mut file = self.dir.open_with(&self.path, &options)?;
        file.write_all(content)?;
        Ok(file.metadata()?.len())
    }

    fn create_parent(&self) -> io::Result<()> {
        match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => self.dir.create_dir_all(parent),
            _ => Ok(()),
        }
    }
}
