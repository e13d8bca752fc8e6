//! Files that people send: kept in the workspace for a while, where tools find them.

use std::fmt::Display;
use std::fs;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use bytes::Bytes;
use std::io::Write;

use super::picture::Picture;
use crate::chat::image_type;
use crate::ids::uuid;

/// Where they lie below the workspace.
const FOLDER: &str = "media/inbound";
/// How many there are at most: the oldest goes first.
const MOST: usize = 200;

/// The largest file that is fetched, in bytes.
pub const LARGEST_FILE: usize = 20 << 20;
/// How many files of one message are fetched.
pub const MOST_FILES: usize = 10;

/// A file that a network offers.
pub struct Offered<'a> {
    /// The word for what it is: `image`, `file`, ...
    pub kind: &'a str,
    /// Its name, as the network gives it.
    pub name: &'a str,
    /// In bytes, if the network says.
    pub size: Option<usize>,
}

/// The word for a file of this media type.
pub fn kind_of(media_type: &str) -> &'static str {
    match media_type.split('/').next() {
        Some("image") => "image",
        Some("audio") => "audio",
        Some("video") => "video",
        _ => "file",
    }
}

/// What became of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// In words for the model.
    pub words: String,
    /// Its path below the workspace if a model can look at it.
    pub image: Option<String>,
}

impl Kept {
    fn not(kind: &str, name: &str, why: &str) -> Self {
        Self { words: format!("[{kind}: {name}, {why}]"), image: None }
    }
}

/// The folder. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Inbox {
    workspace: PathBuf,
}

impl Inbox {
    /// The folder in this workspace, which is created when the first file comes.
    pub fn new(workspace: impl Into<PathBuf>) -> Self {
        Self { workspace: workspace.into() }
    }

    /// The folder in another workspace, if one is given.
    #[must_use]
    pub fn within(&self, workspace: Option<PathBuf>) -> Self {
        workspace.map_or_else(|| self.clone(), Self::new)
    }

    /// The workspace.
    pub fn workspace(&self) -> &Path {
        &self.workspace
    }

    /// Keeps a file and returns its path below the workspace.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn keep(&self, channel: &str, name: &str, bytes: Bytes) -> io::Result<String> {
        let path = format!("{FOLDER}/{}-{}-{}", plain(channel), &uuid()[..8], plain(name));
        let (workspace, written) = (self.workspace.clone(), path.clone());
        let write = move || write(&workspace.join(FOLDER), &workspace.join(written), &bytes);
        tokio::task::spawn_blocking(write).await.unwrap_or_else(|error| Err(io::Error::other(error)))?;
        Ok(path)
    }

    /// Keeps a file and says in words for the model where it is: `[image: media/inbound/...]`.
    pub async fn take(&self, channel: &str, kind: &str, name: &str, bytes: Bytes) -> Kept {
        let is_image = image_type::of(&bytes).is_some();
        match self.keep(channel, name, bytes).await {
            Ok(path) => Kept { words: format!("[{kind}: {path}]"), image: Some(path).filter(|_| is_image) },
            Err(error) => {
                tracing::warn!(target: "picoclaw::channels::inbox", channel, %error, "A file that somebody sent could not be kept.");
                Kept::not(kind, name, "which could not be stored")
            }
        }
    }

    /// Keeps an image of a message, whose text then says where it is, and returns it as the session has it: the image
    /// itself if it is kept `inline`, else its path.
    pub async fn enclose(
        &self,
        channel: &str,
        picture: Picture,
        inline: bool,
        text: &mut String,
    ) -> Option<String> {
        let Picture { name, bytes, url } = picture;
        let kept = self.take(channel, "image", &name, bytes).await;
        text.push_str(if text.is_empty() { "" } else { "\n" });
        text.push_str(&kept.words);
        if inline { Some(url) } else { kept.image }
    }

    /// Fetches a file unless it is too large, and keeps it.
    pub async fn fetch<E: Display>(
        &self,
        channel: &str,
        file: &Offered<'_>,
        fetching: impl Future<Output = Result<Bytes, E>>,
    ) -> Kept {
        if file.size.is_some_and(|size| size > LARGEST_FILE) {
            return Kept::not(file.kind, file.name, "larger than the 20 MB that are fetched");
        }
        match fetching.await {
            Ok(bytes) => self.take(channel, file.kind, file.name, bytes).await,
            Err(error) => {
                tracing::warn!(target: "picoclaw::channels::inbox", channel, %error, "A file could not be fetched.");
                Kept::not(file.kind, file.name, "which could not be fetched")
            }
        }
    }
}

/// A name of letters, digits, `-`, `_` and `.`, which does not begin with a dot and is not long.
fn plain(name: &str) -> String {
    let fits = |c: char| c.is_alphanumeric() || "-_.".contains(c);
    let name: String = name.chars().map(|c| if fits(c) { c } else { '_' }).collect();
    let name = name.trim_start_matches('.');
    // The end says what the file is.
    let from = name.ceil_char_boundary(name.len().saturating_sub(80));
    let name = name[from..].trim_start_matches('.');
    if name.is_empty() { "file".to_owned() } else { name.to_owned() }
}

fn write(folder: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    tidy(folder)?;
    fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(bytes)
}

fn tidy(folder: &Path) -> io::Result<()> {
    let mut files: Vec<(SystemTime, PathBuf)> = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        if metadata.is_file() {
            files.push((metadata.modified()?, entry.path()));
        }
    }
    files.sort_unstable();
    let surplus = (files.len() + 1).saturating_sub(MOST);
    for (n, (_, path)) in files.iter().enumerate() {
        if n < surplus {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn files_stay_in_their_folder_and_are_bounded_in_number() {
        let workspace = tempfile::tempdir().unwrap();
        let inbox = Inbox::new(workspace.path());
        let path = inbox.keep("tele/gram", "../../etc/passwd", Bytes::from_static(b"x")).await.unwrap();
        assert!(path.starts_with("media/inbound/tele_gram-") && path.ends_with("_.._etc_passwd"), "{path}");
        assert_eq!(fs::read(workspace.path().join(&path)).unwrap(), b"x");
        for _ in 0..MOST + 3 {
            inbox.keep("c", "a.png", Bytes::new()).await.unwrap();
        }
        assert_eq!(fs::read_dir(workspace.path().join(FOLDER)).unwrap().count(), MOST);
        assert!(!workspace.path().join(&path).exists(), "the oldest goes first");
    }

    #[test]
    fn names_are_plain_and_keep_their_end() {
        assert_eq!(plain("..a b/ä.png"), "a_b_ä.png");
        assert_eq!(plain(""), "file");
        assert!(plain(&format!("{}.pdf", "é".repeat(200))).ends_with(".pdf"));
    }
}
