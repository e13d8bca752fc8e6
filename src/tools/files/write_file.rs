//! `write_file`: a whole text file.

use std::io;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::super::arguments::Arguments;
use super::super::output::ToolOutput;
use super::super::tool::Tool;
use super::target::Target;
use super::workspace::{Open, Workspace};
use picoclaw_chat::ToolSpec;

/// Most bytes written at once.
pub(super) const MAX_BYTES: usize = 1 << 20;

/// Writes a text file in the workspace.
#[derive(Clone, Debug)]
pub struct WriteFile(Workspace);

impl WriteFile {
    /// The tool for this workspace.
    pub fn new(workspace: Workspace) -> Self {
        Self(workspace)
    }
}

#[async_trait]
impl Tool for WriteFile {
    fn spec(&self) -> ToolSpec {
        ToolSpec {
            name: "write_file".to_owned(),
            description:
                "Write a text file of at most 1 MiB in the workspace. Missing directories are created."
                    .to_owned(),
            parameters: json!({
                "type": "object",
                "properties": {
                    "path": {"type": "string", "description": "The file, relative to the workspace."},
                    "content": {"type": "string", "description": "The whole new content."},
                    "overwrite": {"type": "boolean", "description": "Whether to replace an existing file; false by default."},
                },
                "required": ["path", "content"],
            }),
        }
    }

    async fn call(&self, arguments: Value) -> ToolOutput {
        let request = match Request::parse(arguments) {
            Ok(request) => request,
            Err(output) => return output,
        };
        self.0.run(move |open| request.write(open)).await
    }
}

#[derive(Debug)]
struct Request {
    path: String,
    content: String,
    overwrite: bool,
}

impl Request {
    fn parse(arguments: Value) -> Result<Self, ToolOutput> {
        let arguments = Arguments::new(arguments)?;
        let content = arguments.text("content", "the file's whole content")?;
        if content.len() > MAX_BYTES {
            return Err(ToolOutput::error(format!(
                "argument `content` has {} bytes and the limit is {MAX_BYTES}; write several smaller files",
                content.len()
            )));
        }
        Ok(Self {
            path: arguments.text("path", "the file's path relative to the workspace")?.to_owned(),
            content: content.to_owned(),
            overwrite: arguments.flag("overwrite")?,
        })
    }

    fn write(&self, open: &Open) -> Result<ToolOutput, ToolOutput> {
        let target = Target::find(open, &self.path)?;
        if target.exists && !self.overwrite {
            return Err(self.exists());
        }
        match target.put(self.content.as_bytes(), self.overwrite) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(self.exists()),
            Err(error) => Err(open.failed("writing", &self.path, &error)),
            Ok(()) => Ok(ToolOutput::success(format!("wrote {} bytes to {}", self.content.len(), self.path))),
        }
    }

    fn exists(&self) -> ToolOutput {
        ToolOutput::error(format!("{} exists; to replace it set `overwrite` to true", self.path))
    }
}
