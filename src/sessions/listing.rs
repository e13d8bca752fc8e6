//! Which sessions a directory holds.

use std::fs;
use std::io;
use std::path::Path;
use std::time::SystemTime;

use super::meta::Meta;
use super::writer::meta_file;

/// A session that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionInfo {
    /// Its key.
    pub key: String,
    /// When it was last written to.
    pub modified: SystemTime,
    /// Bytes of its messages.
    pub bytes: u64,
}

/// Sessions written to since `since`, in no order.
pub(super) fn list(directory: &Path, since: SystemTime) -> io::Result<Vec<SessionInfo>> {
    let mut sessions = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(stem) = name.to_str().and_then(|name| name.strip_suffix(".jsonl")) else {
            continue;
        };
        // Deleted since it was listed: no longer a session.
        let Ok(metadata) = entry.metadata() else { continue };
        let modified = metadata.modified()?;
        if !metadata.is_file() || modified < since {
            continue;
        }
        // Derived keys are their own file names; others lost their separators.
        let key =
            if stem.starts_with("sk_v1_") { None } else { read_meta(directory, stem).map(|meta| meta.key) };
        let key = key.filter(|key| !key.is_empty()).unwrap_or_else(|| stem.to_owned());
        sessions.push(SessionInfo { key, modified, bytes: metadata.len() });
    }
    Ok(sessions)
}

/// The metadata of a session, if it has any that can be read.
pub(super) fn read_meta(directory: &Path, stem: &str) -> Option<Meta> {
    Meta::parse(&fs::read(directory.join(meta_file(stem))).ok()?)
}
