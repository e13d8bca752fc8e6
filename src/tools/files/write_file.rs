//! `write_file`: a whole text file.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use cap_std::fs::OpenOptions;
use serde_json::{Value, json};

use super::super::arguments::Arguments;
use super::super::output::ToolOutput;
use super::super::tool::Tool;
use super::workspace::{Open, Workspace};
use crate::chat::ToolSpec;

/// Most bytes written at once.
const MAX_BYTES: usize = 1 << 20;

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
        let path = &self.path;
        let failed = |error: io::Error| open.failed("writing", path, &error);
        let relative = open.relative(path)?;
        if relative.file_name().is_none() {
            return Err(ToolOutput::error(format!("{path} is a directory; give the path of a file")));
        }
        let target = match open.dir.metadata(&relative) {
            Ok(found) if found.is_dir() => {
                return Err(ToolOutput::error(format!("{path} is a directory; give the path of a file")));
            }
            Ok(found) if !found.is_file() => {
                return Err(ToolOutput::denied(format!("{path} is not a regular file; choose another path")));
            }
            Ok(_) if !self.overwrite => return Err(self.exists()),
            // Through a link its target is replaced, not the link.
            Ok(_) => open.dir.canonicalize(&relative).map_err(failed)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => relative,
            Err(error) => return Err(failed(error)),
        };
        if let Some(parent) = target.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            open.dir.create_dir_all(parent).map_err(failed)?;
        }
        match self.put(open, &target) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(self.exists()),
            Err(error) => Err(failed(error)),
            Ok(()) => Ok(ToolOutput::success(format!("wrote {} bytes to {path}", self.content.len()))),
        }
    }

    /// Writes beside the target and renames, so that nobody ever sees half a file.
    fn put(&self, open: &Open, target: &Path) -> io::Result<()> {
        let mut nonce = [0; 8];
        getrandom::fill(&mut nonce).map_err(io::Error::other)?;
        let temporary: PathBuf =
            target.with_file_name(format!(".write-{:016x}.tmp", u64::from_le_bytes(nonce)));
        let written = open
            .dir
            .open_with(&temporary, OpenOptions::new().write(true).create_new(true))
            .and_then(|mut file| file.write_all(self.content.as_bytes()))
            .and_then(|()| match open.dir.metadata(target) {
                Ok(found) => open.dir.set_permissions(&temporary, found.permissions()),
                Err(_) => Ok(()),
            })
            .and_then(|()| {
                if self.overwrite {
                    open.dir.rename(&temporary, &open.dir, target)
                } else {
                    // Unlike a rename this fails if the file has come into being meanwhile.
                    open.dir.hard_link(&temporary, &open.dir, target)?;
                    open.dir.remove_file(&temporary)
                }
            });
        if written.is_err() {
            // Best effort: the error that matters is the one above.
            let _ = open.dir.remove_file(&temporary);
        }
        written
    }

    fn exists(&self) -> ToolOutput {
        ToolOutput::error(format!("{} exists; to replace it set `overwrite` to true", self.path))
    }
}
