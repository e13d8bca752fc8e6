//! `edit_file`: one place of a text file, replaced.

use async_trait::async_trait;
use serde_json::{Value, json};

use super::super::arguments::Arguments;
use super::super::output::ToolOutput;
use super::super::tool::Tool;
use super::target::Target;
use super::workspace::{Open, Workspace};
use super::write_file::MAX_BYTES;
use picoclaw_chat::ToolSpec;

/// Largest file that is edited, before and after.
const MAX_FILE: u64 = 8 << 20;

/// Replaces one place of a text file in the workspace.
#[derive(Clone, Debug)]
pub struct EditFile(Workspace);

impl EditFile {
    /// The tool for this workspace.
    pub fn new(workspace: Workspace) -> Self {
        Self(workspace)
    }
}

#[async_trait]
impl Tool for EditFile {
    fn spec(&self) -> ToolSpec {
        ToolSpec {
            name: "edit_file".to_owned(),
            description:
                "Replace old_text by new_text in a text file of the workspace. old_text must stand in the \
                          file exactly once, so give enough of what is around it."
                    .to_owned(),
            parameters: json!({
                "type": "object",
                "properties": {
                    "path": {"type": "string", "description": "The file, relative to the workspace."},
                    "old_text": {"type": "string", "description": "The text to replace, exactly as it stands in the file."},
                    "new_text": {"type": "string", "description": "The text to put there; empty to delete."},
                },
                "required": ["path", "old_text", "new_text"],
            }),
        }
    }

    async fn call(&self, arguments: Value) -> ToolOutput {
        match Edit::parse(arguments) {
            Ok(edit) => self.0.run(move |open| edit.make(open)).await,
            Err(output) => output,
        }
    }
}

#[derive(Debug)]
struct Edit {
    path: String,
    old: String,
    new: String,
}

impl Edit {
    fn parse(arguments: Value) -> Result<Self, ToolOutput> {
        let arguments = Arguments::new(arguments)?;
        let path = arguments.text("path", "the file's path relative to the workspace")?.to_owned();
        let old = arguments.text("old_text", "the text to replace")?.to_owned();
        let new = arguments.text("new_text", "the text to put there")?.to_owned();
        if old.is_empty() {
            return Err(ToolOutput::error(
                "argument `old_text` is empty; give the text to replace, or use append_file or write_file",
            ));
        }
        if new.len() > MAX_BYTES {
            return Err(ToolOutput::error(format!(
                "argument `new_text` has {} bytes and the limit is {MAX_BYTES}; make several edits",
                new.len()
            )));
        }
        Ok(Self { path, old, new })
    }

    fn make(&self, open: &Open) -> Result<ToolOutput, ToolOutput> {
        let path = &self.path;
        let target = Target::find(open, path)?;
        if !target.exists {
            return Err(open.failed("editing", path, &std::io::ErrorKind::NotFound.into()));
        }
        let read = target.read(MAX_FILE).map_err(|error| open.failed("reading", path, &error))?;
        let content = read.map_err(|size| {
            ToolOutput::error(format!("{path} has {size} bytes and the limit for edits is {MAX_FILE}"))
        })?;
        let content = String::from_utf8(content).map_err(|_| {
            ToolOutput::error(format!("{path} is no UTF-8 text; edit_file changes text only"))
        })?;
        let edited = self.replace(&content)?;
        target.put(edited.as_bytes(), true).map_err(|error| open.failed("writing", path, &error))?;
        let line = content[..content.find(&self.old).unwrap_or_default()].matches('\n').count() + 1;
        Ok(ToolOutput::success(format!("edited {path} at line {line}")))
    }

    fn replace(&self, content: &str) -> Result<String, ToolOutput> {
        let mut places = content.match_indices(&self.old).map(|(at, _)| at);
        match (places.next(), places.count()) {
            (None, _) => Err(ToolOutput::error(format!(
                "`old_text` does not stand in {}; read the file and give the text exactly, with its white space",
                self.path
            ))),
            (Some(at), 0) => Ok([&content[..at], &self.new, &content[at + self.old.len()..]].concat()),
            (Some(_), more) => Err(ToolOutput::error(format!(
                "`old_text` stands in {} {} times; give more of what is around the one that you mean",
                self.path,
                more + 1
            ))),
        }
    }
}
