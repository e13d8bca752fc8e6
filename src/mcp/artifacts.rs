//! What is too long for a model, or no text, goes to a file in the workspace.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::answer::Answer;
use picoclaw_tools::ToolOutput;

/// The directory in the workspace.
const DIRECTORY: &str = "mcp-results";
/// Most files that are kept; the oldest go.
const MAX_FILES: usize = 64;
/// Characters of a text that went to a file which the model sees at once.
const SHOWN: usize = 2_000;

/// Where results go that are no text or too long.
#[derive(Clone, Debug)]
pub struct Artifacts(Arc<Path>);

impl Artifacts {
    /// In this workspace.
    pub fn new(workspace: &Path) -> Self {
        Self(workspace.into())
    }

    /// The output for the model, with what it cannot see in files.
    pub(super) async fn keep(&self, tool: &str, answer: Answer, max_chars: usize) -> ToolOutput {
        let failed = answer.failed;
        let whole = answer.things.is_empty() && answer.text.chars().nth(max_chars).is_none();
        let text = if whole {
            answer.text
        } else {
            let (workspace, tool) = (Arc::clone(&self.0), tool.to_owned());
            let write = move || in_files(&workspace, &tool, answer, max_chars);
            tokio::task::spawn_blocking(write).await.unwrap_or_else(|_| "[the result was lost]".to_owned())
        };
        let text = if text.is_empty() { "(nothing)".to_owned() } else { text };
        if failed { ToolOutput::error(text) } else { ToolOutput::success(text) }
    }
}

fn in_files(workspace: &Path, tool: &str, answer: Answer, max_chars: usize) -> String {
    let mut text = answer.text;
    if let Some((cut, _)) = text.char_indices().nth(max_chars) {
        let note = match put(workspace, tool, "txt", text.as_bytes()) {
            Ok(path) => format!("the whole text of {} bytes is in {path}: use read_file", text.len()),
            Err(error) => format!("the rest of {} bytes could not be kept: {error}", text.len()),
        };
        let shown = text.char_indices().nth(SHOWN).map_or(cut, |(at, _)| at.min(cut));
        text.truncate(shown);
        text.push_str(&format!("\n[truncated: {note}]"));
    }
    for thing in answer.things {
        let kind = if thing.kind.is_empty() { "unknown content" } else { &thing.kind };
        let size = thing.bytes.len();
        let note = match put(workspace, tool, extension(&thing.kind), &thing.bytes) {
            Ok(path) => format!("[{kind}, {size} bytes, in {path}]"),
            Err(error) => format!("[{kind}, {size} bytes, could not be kept: {error}]"),
        };
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&note);
    }
    text
}

/// Writes a file and returns its path relative to the workspace.
fn put(workspace: &Path, tool: &str, extension: &str, bytes: &[u8]) -> io::Result<String> {
    let directory = workspace.join(DIRECTORY);
    fs::create_dir_all(&directory)?;
    make_room(&directory)?;
    let mut nonce = [0; 4];
    getrandom::fill(&mut nonce).map_err(io::Error::other)?;
    let name = format!("{tool}-{:08x}.{extension}", u32::from_le_bytes(nonce));
    fs::write(directory.join(&name), bytes)?;
    Ok(format!("{DIRECTORY}/{name}"))
}

fn make_room(directory: &Path) -> io::Result<()> {
    let mut files: Vec<(SystemTime, PathBuf)> = fs::read_dir(directory)?
        .filter_map(|entry| {
            let entry = entry.ok()?;
            Some((entry.metadata().ok()?.modified().ok()?, entry.path()))
        })
        .collect();
    files.sort();
    let over = (files.len() + 1).saturating_sub(MAX_FILES);
    for (_, path) in &files[..over.min(files.len())] {
        fs::remove_file(path)?;
    }
    Ok(())
}

fn extension(kind: &str) -> &'static str {
    match kind {
        "image/png" => "png",
        "image/jpeg" => "jpg",
        "image/gif" => "gif",
        "image/webp" => "webp",
        "audio/wav" | "audio/x-wav" => "wav",
        "audio/mpeg" => "mp3",
        "application/pdf" => "pdf",
        "application/json" => "json",
        _ => "bin",
    }
}

#[cfg(test)]
mod tests {
    use super::super::answer::Thing;
    use super::*;

    fn text(text: impl Into<String>) -> Answer {
        Answer { text: text.into(), ..Answer::default() }
    }

    #[tokio::test]
    async fn what_fits_is_shown_whole_and_the_rest_goes_to_files() {
        let home = tempfile::tempdir().unwrap();
        let artifacts = Artifacts::new(home.path());
        assert_eq!(artifacts.keep("t", text("é".repeat(10)), 10).await, ToolOutput::success("é".repeat(10)));
        assert!(!home.path().join(DIRECTORY).exists());
        let long = artifacts.keep("t", text("é".repeat(11)), 10).await.text;
        assert!(
            long.starts_with(&"é".repeat(10)) && long.contains("22 bytes is in mcp-results/t-"),
            "{long}"
        );
        let path = long.split_once(" is in ").unwrap().1.split_once(':').unwrap().0;
        assert_eq!(fs::read_to_string(home.path().join(path)).unwrap(), "é".repeat(11));
        let image = Answer {
            things: vec![Thing { kind: "image/png".to_owned(), bytes: vec![1, 2] }],
            failed: true,
            ..text("see")
        };
        let output = artifacts.keep("t", image, 10).await;
        assert!(output.text.starts_with("see\n[image/png, 2 bytes, in mcp-results/t-"), "{}", output.text);
        assert!(output.text.ends_with(".png]") && output.status != ToolOutput::success("").status);
    }

    #[tokio::test]
    async fn old_files_make_room() {
        let home = tempfile::tempdir().unwrap();
        let artifacts = Artifacts::new(home.path());
        for _ in 0..MAX_FILES + 5 {
            artifacts.keep("t", text("long"), 1).await;
        }
        assert_eq!(fs::read_dir(home.path().join(DIRECTORY)).unwrap().count(), MAX_FILES);
    }
}
