//! Up to where a homeserver's messages have been accepted, kept across restarts.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The file of an account.
#[derive(Clone, Debug)]
pub(super) struct Position(PathBuf);

#[derive(Serialize, Deserialize)]
struct Document {
    /// The account that the place belongs to.
    user: String,
    /// The server's word for the place.
    since: String,
    /// The events after it that were accepted already: the gateway stopped in their midst.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    accepted: Vec<String>,
}

impl Position {
    pub(super) fn new(workspace: &Path, name: &str) -> Self {
        let plain = |c: char| if c.is_alphanumeric() || "-_".contains(c) { c } else { '_' };
        let name: String = name.chars().map(plain).take(64).collect();
        Self(workspace.join("state").join(format!("matrix-{name}.json")))
    }

    /// Where this account is, if it is known, and which events after that were accepted already.
    pub(super) async fn read(&self, user: &str) -> Option<(String, Vec<String>)> {
        let path = self.0.clone();
        let read = move || serde_json::from_slice::<Document>(&fs::read(path).ok()?).ok();
        let document = tokio::task::spawn_blocking(read).await.ok()??;
        (document.user == user).then_some((document.since, document.accepted))
    }

    /// Remembers it.
    pub(super) async fn write(&self, user: &str, since: &str, accepted: Vec<String>) {
        let path = self.0.clone();
        let document = Document { user: user.to_owned(), since: since.to_owned(), accepted };
        let write = move || -> io::Result<()> {
            if let Some(directory) = path.parent() {
                fs::create_dir_all(directory)?;
            }
            let new = path.with_extension("json.new");
            fs::write(&new, serde_json::to_vec(&document).map_err(io::Error::other)?)?;
            fs::rename(new, path)
        };
        if let Ok(Err(error)) = tokio::task::spawn_blocking(write).await {
            tracing::warn!(
                path = %self.0.display(), %error,
                "Up to where messages were accepted could not be written: after a crash some may come twice."
            );
        }
    }
}
