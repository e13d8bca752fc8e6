//! What the writer asks of the disk, so that tests can put a disk that fails in its place.

use std::io;

/// Whether a file is the one that we know: its length and its identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) len: u64,
    pub(super) inode: u64,
}

/// One directory of files. Names are plain file names. Nothing is durable before `sync`, and no new, renamed or
/// removed name before `sync_directory`.
pub(super) trait Disk: Send + 'static {
    /// The name of this process's journal, whose file exists.
    fn journal(&self) -> String;

    /// Journals that processes left behind which are gone.
    fn orphans(&self) -> Vec<String>;

    /// Makes the journal usable again if it was deleted or moved; says whether that was so.
    fn revive(&mut self) -> io::Result<bool>;

    /// Length and identity of a file; `None` when it does not exist.
    fn stamp(&mut self, name: &str) -> io::Result<Option<Stamp>>;

    /// Fills the buffer from `offset` on, less at the end of the file; says how much.
    fn read_at(&mut self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// Writes at `offset`, creating the file if need be. Returns which file that was: its inode.
    fn write_at(&mut self, name: &str, offset: u64, bytes: &[u8]) -> io::Result<u64>;

    /// Makes a file have exactly these bytes, not atomically.
    fn create(&mut self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// Cuts a file to this length.
    fn cut(&mut self, name: &str, len: u64) -> io::Result<()>;

    /// Forces the contents of the files to the disk. Absent ones do not matter.
    fn sync(&mut self, names: &[&str]) -> io::Result<()>;

    /// Forces everything to the disk, whoever wrote it.
    fn sync_all(&mut self) -> io::Result<()>;

    /// Forces the names of the files to the disk.
    fn sync_directory(&mut self) -> io::Result<()>;

    /// Puts a file in the place of another, atomically.
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file if it exists.
    fn remove(&mut self, name: &str) -> io::Result<()>;

    /// The whole of a small file; `None` when it does not exist.
    fn read(&mut self, name: &str) -> io::Result<Option<Vec<u8>>> {
        let Some(stamp) = self.stamp(name)? else {
            return Ok(None);
        };
        let mut bytes = vec![0; usize::try_from(stamp.len).unwrap_or(0).min(1 << 20)];
        let read = self.read_at(name, 0, &mut bytes)?;
        bytes.truncate(read);
        Ok(Some(bytes))
    }
}
