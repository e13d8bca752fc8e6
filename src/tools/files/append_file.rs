//! `append_file`: more text at the end of a file.

use async_trait::async_trait;
use serde_json::{Value, json};

use super::super::arguments::Arguments;
use super::super::output::ToolOutput;
use super::super::tool::Tool;
use super::target::Target;
use super::workspace::{Open, Workspace};
use super::write_file::MAX_BYTES;
use picoclaw_chat::ToolSpec;

/// Adds text to the end of a file in the workspace.
#[derive(Clone, Debug)]
pub struct AppendFile(Workspace);

impl AppendFile {
    /// The tool for this workspace.
    pub fn new(workspace: Workspace) -> Self {
        Self(workspace)
    }
}

#[async_trait]
impl Tool for AppendFile {
    fn spec(&self) -> ToolSpec {
        ToolSpec {
            name: "append_file".to_owned(),
            description:
                "Add text, at most 1 MiB, to the end of a file of the workspace, as it is: begin with a \
                          newline if you need one. A missing file is created."
                    .to_owned(),
            parameters: json!({
                "type": "object",
                "properties": {
                    "path": {"type": "string", "description": "The file, relative to the workspace."},
                    "content": {"type": "string", "description": "The text to add."},
                },
                "required": ["path", "content"],
            }),
        }
    }

    async fn call(&self, arguments: Value) -> ToolOutput {
        match parse(arguments) {
            Ok((path, content)) => self.0.run(move |open| append(open, &path, &content)).await,
            Err(output) => output,
        }
    }
}

fn parse(arguments: Value) -> Result<(String, String), ToolOutput> {
    let arguments = Arguments::new(arguments)?;
    let path = arguments.text("path", "the file's path relative to the workspace")?;
    let content = arguments.text("content", "the text to add")?;
    if content.len() > MAX_BYTES {
        return Err(ToolOutput::error(format!(
            "argument `content` has {} bytes and the limit is {MAX_BYTES}; append it in several pieces",
            content.len()
        )));
    }
    Ok((path.to_owned(), content.to_owned()))
}

fn append(open: &Open, path: &str, content: &str) -> Result<ToolOutput, ToolOutput> {
    let target = Target::find(open, path)?;
    let length =
        target.append(content.as_bytes()).map_err(|error| open.failed("appending to", path, &error))?;
    Ok(ToolOutput::success(format!("appended {} bytes to {path}, which has {length} now", content.len())))
}
