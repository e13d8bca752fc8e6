//! `list_dir`: what a directory of the workspace holds.

use std::collections::BTreeMap;
use std::io;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::super::arguments::Arguments;
use super::super::output::ToolOutput;
use super::super::tool::Tool;
use super::reach::Access;
use super::workspace::{Open, Workspace};
use picoclaw_chat::ToolSpec;

/// Most entries shown.
const MAX_ENTRIES: usize = 1_000;
/// Most entries looked at.
const MAX_SCAN: usize = 100_000;

/// Lists a directory in the workspace.
#[derive(Clone, Debug)]
pub struct ListDir(Workspace);

impl ListDir {
    /// The tool for this workspace.
    pub fn new(workspace: Workspace) -> Self {
        Self(workspace)
    }
}

#[async_trait]
impl Tool for ListDir {
    fn spec(&self) -> ToolSpec {
        ToolSpec {
            name: "list_dir".to_owned(),
            description:
                "List a directory of the workspace: one entry per line, directories end with a slash, files \
                          show their size in bytes."
                    .to_owned(),
            parameters: json!({
                "type": "object",
                "properties": {
                    "path": {"type": "string", "description": "The directory, relative to the workspace; `.` is the workspace itself."},
                },
                "required": ["path"],
            }),
        }
    }

    async fn call(&self, arguments: Value) -> ToolOutput {
        let path = Arguments::new(arguments).and_then(|arguments| {
            arguments
                .text("path", "the directory's path relative to the workspace, or `.`")
                .map(str::to_owned)
        });
        match path {
            Ok(path) => self.0.run(move |open| list(open, &path)).await,
            Err(output) => output,
        }
    }
}

fn list(open: &Open, path: &str) -> Result<ToolOutput, ToolOutput> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::NotADirectory => {
            ToolOutput::error(format!("{path} is not a directory; use read_file"))
        }
        _ => open.failed("listing", path, &error),
    };
    let mut total = 0;
    let mut shown = BTreeMap::new();
    let place = open.place(path, Access::Read)?;
    for entry in place.dir.read_dir(&place.path).map_err(failed)?.take(MAX_SCAN) {
        let entry = entry.map_err(failed)?;
        total += 1;
        shown.insert(entry.file_name(), entry);
        if shown.len() > MAX_ENTRIES {
            shown.pop_last();
        }
    }
    let mut text = String::new();
    for (name, entry) in &shown {
        text.push_str(&name.to_string_lossy().replace(char::is_control, "?"));
        match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => text.push('/'),
            Ok(metadata) if metadata.is_symlink() => text.push_str(" (link)"),
            Ok(metadata) if metadata.is_file() => text.push_str(&format!(" ({} bytes)", metadata.len())),
            // Deleted since it was listed, or a pipe or device.
            _ => text.push_str(" (special)"),
        }
        text.push('\n');
    }
    if total == 0 {
        text.push_str("(empty)\n");
    }
    if total > shown.len() {
        let more = if total == MAX_SCAN { "at least " } else { "" };
        text.push_str(&format!("[truncated: {more}{} more entries]\n", total - shown.len()));
    }
    Ok(ToolOutput::success(text))
}
