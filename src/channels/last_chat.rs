//! The chat in which a person last wrote, in `state/state.json` of the workspace: what nobody asked for, such as the
//! heartbeat's news, goes there. The existing PicoClaw keeps it in the same place.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value, json};

/// The file. Cheap to clone; all clones write one after another.
#[derive(Clone)]
pub struct LastChat(Arc<Inner>);

struct Inner {
    file: PathBuf,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What the file should say; `None` while that is unknown.
    latest: Option<String>,
    /// Whether somebody writes it.
    writing: bool,
}

impl LastChat {
    /// The file of this workspace.
    pub fn new(workspace: &Path) -> Self {
        let file = workspace.join("state/state.json");
        Self(Arc::new(Inner { file, state: Mutex::default() }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody has written in a chat. Returns at once: however many write meanwhile, one thread keeps the file, and
    /// writes only what is new.
    pub(super) fn note(&self, channel: &str, chat: &str) {
        let mut state = self.state();
        if state.latest.as_deref().and_then(|latest| latest.strip_prefix(channel)?.strip_prefix(':'))
            == Some(chat)
        {
            return;
        }
        state.latest = Some(format!("{channel}:{chat}"));
        if !state.writing {
            state.writing = true;
            let last = self.clone();
            tokio::task::spawn_blocking(move || last.write());
        }
    }

    /// Writes until the file says what it should.
    fn write(&self) {
        let mut written = None;
        loop {
            let latest = {
                let mut state = self.state();
                if state.latest == written {
                    state.writing = false;
                    return;
                }
                state.latest.clone()
            };
            if let Some(chat) = &latest
                && let Err(error) = replace(&self.0.file, chat)
            {
                let path = self.0.file.display();
                tracing::warn!(
                    %path, %error,
                    "The chat that was last active could not be written: the heartbeat may speak in another one."
                );
                let mut state = self.state();
                if state.latest == latest {
                    // The next message tries again.
                    *state = State::default();
                    return;
                }
            }
            written = latest;
        }
    }
}

/// Writes the chat and leaves what else is in the file.
fn replace(file: &Path, chat: &str) -> io::Result<()> {
    let read = fs::read(file).ok().and_then(|text| serde_json::from_slice::<Map<String, Value>>(&text).ok());
    let mut document = read.unwrap_or_default();
    document.insert("last_channel".to_owned(), json!(chat));
    document.insert("timestamp".to_owned(), json!(jiff::Timestamp::now().to_string()));
    if let Some(directory) = file.parent() {
        fs::create_dir_all(directory)?;
    }
    let new = file.with_extension("json.new");
    fs::write(&new, serde_json::to_vec_pretty(&document).map_err(io::Error::other)?)?;
    fs::rename(new, file)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    async fn says(file: &Path, chat: &str) -> Value {
        for _ in 0..500 {
            let text = fs::read(file).unwrap_or_default();
            let document: Value = serde_json::from_slice(&text).unwrap_or_default();
            if document["last_channel"] == chat {
                return document;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{} never said {chat}", file.display());
    }

    #[tokio::test]
    async fn the_latest_chat_is_in_the_file_with_what_was_there() {
        let workspace = tempfile::tempdir().unwrap();
        let file = workspace.path().join("state/state.json");
        let last = LastChat::new(workspace.path());
        (0..100).for_each(|n| last.note("telegram", &n.to_string()));
        says(&file, "telegram:99").await;
        fs::write(&file, r#"{"last_channel":"telegram:99","theirs":1}"#).unwrap();
        last.note("pico", "pico:s1");
        assert_eq!(says(&file, "pico:pico:s1").await["theirs"], 1);
    }

    #[tokio::test]
    async fn what_could_not_be_written_is_tried_again() {
        let workspace = tempfile::tempdir().unwrap();
        fs::write(workspace.path().join("state"), "in the way").unwrap();
        let last = LastChat::new(workspace.path());
        last.note("telegram", "1");
        while last.state().latest.is_some() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        fs::remove_file(workspace.path().join("state")).unwrap();
        last.note("telegram", "1");
        says(&workspace.path().join("state/state.json"), "telegram:1").await;
    }
}
