//! Up to where a bot's messages have been accepted, kept across restarts.
//!
//! Telegram forgets what is acknowledged, and that happens with the next question: a gateway that is killed before has it
//! on disk.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The file of a bot.
#[derive(Clone, Debug)]
pub(super) struct Offset(PathBuf);

#[derive(Serialize, Deserialize)]
struct Document {
    /// The bot that the number belongs to.
    bot: i64,
    /// The id of the next update.
    offset: i64,
}

impl Offset {
    pub(super) fn new(workspace: &Path, name: &str) -> Self {
        let plain = |c: char| if c.is_alphanumeric() || "-_".contains(c) { c } else { '_' };
        let name: String = name.chars().map(plain).take(64).collect();
        Self(workspace.join("state").join(format!("telegram-{name}.json")))
    }

    /// The next update of this bot, if it is known.
    pub(super) async fn read(&self, bot: i64) -> Option<i64> {
        let path = self.0.clone();
        let read = move || serde_json::from_slice::<Document>(&fs::read(path).ok()?).ok();
        let document = tokio::task::spawn_blocking(read).await.ok()??;
        (document.bot == bot).then_some(document.offset)
    }

    /// Remembers the next update.
    pub(super) async fn write(&self, bot: i64, offset: i64) {
        let path = self.0.clone();
        let write = move || -> io::Result<()> {
            if let Some(directory) = path.parent() {
                fs::create_dir_all(directory)?;
            }
            let document = serde_json::to_vec(&Document { bot, offset }).map_err(io::Error::other)?;
            let new = path.with_extension("json.new");
            fs::write(&new, document)?;
            fs::rename(new, path)
        };
        match tokio::task::spawn_blocking(write).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(
                path = %self.0.display(), %error,
                "Up to where messages were accepted could not be written: after a crash some may come twice."
            ),
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_number_of_another_bot_does_not_count() {
        let workspace = tempfile::tempdir().unwrap();
        let offset = Offset::new(workspace.path(), "my/bot");
        assert_eq!(offset.read(1).await, None);
        offset.write(1, 42).await;
        assert_eq!((offset.read(1).await, offset.read(2).await), (Some(42), None));
        assert!(workspace.path().join("state/telegram-my_bot.json").exists());
    }
}
