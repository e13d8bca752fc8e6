//! `read_file`: a piece of a text file, by bytes or by lines.

use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};

use async_trait::async_trait;
use serde_json::{Value, json};

use super::super::arguments::Arguments;
use super::super::output::ToolOutput;
use super::super::tool::Tool;
use super::workspace::{Open, Workspace};
use picoclaw_chat::ToolSpec;

/// How far into a file lines are counted.
const MAX_SCAN: u64 = 64 << 20;

/// Reads a piece of a text file in the workspace.
#[derive(Clone, Debug)]
pub struct ReadFile {
    workspace: Workspace,
    options: ReadFileOptions,
}

/// How `read_file` works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadFileOptions {
    /// Most bytes read at once.
    pub most: u64,
    /// Whether the model is only told that it can read by lines.
    pub lines_only: bool,
}

impl Default for ReadFileOptions {
    fn default() -> Self {
        Self { most: 64 << 10, lines_only: false }
    }
}

impl ReadFile {
    /// The tool for this workspace.
    pub fn new(workspace: Workspace, options: ReadFileOptions) -> Self {
        Self { workspace, options }
    }
}

#[async_trait]
impl Tool for ReadFile {
    fn spec(&self) -> ToolSpec {
        let ReadFileOptions { most, lines_only } = self.options;
        let mut properties = json!({
            "path": {"type": "string", "description": "The file, relative to the workspace."},
            "start_line": {"type": "integer", "minimum": 1, "description": "Line to start at, the first is 1. Instead of offset."},
            "max_lines": {"type": "integer", "minimum": 1, "description": "Most lines to read. Instead of length."},
        });
        let how = if lines_only {
            "by lines with start_line and max_lines"
        } else {
            let length = format!("Most bytes to read; {most} by default, which is the limit.");
            properties["offset"] =
                json!({"type": "integer", "minimum": 0, "description": "Byte to start at; 0 by default."});
            properties["length"] = json!({"type": "integer", "minimum": 1, "description": length});
            "by bytes with offset and length, or by lines with start_line and max_lines"
        };
        ToolSpec {
            name: "read_file".to_owned(),
            description: format!("Read a text file of the workspace, at most {most} bytes at once: {how}."),
            parameters: json!({"type": "object", "properties": properties, "required": ["path"]}),
        }
    }

    async fn call(&self, arguments: Value) -> ToolOutput {
        let piece = match Piece::parse(arguments, self.options.most) {
            Ok(piece) => piece,
            Err(output) => return output,
        };
        self.workspace.run(move |open| piece.read(open)).await
    }
}

/// Which piece of which file.
#[derive(Debug)]
struct Piece {
    path: String,
    range: Range,
    most: u64,
}

#[derive(Debug)]
enum Range {
    Bytes { offset: u64, length: u64 },
    Lines { start: u64, max: u64 },
}

impl Piece {
    fn parse(arguments: Value, most: u64) -> Result<Self, ToolOutput> {
        let arguments = Arguments::new(arguments)?;
        let path = arguments.text("path", "the file's path relative to the workspace")?.to_owned();
        let (offset, length) = (arguments.number("offset")?, arguments.number("length")?);
        let (start, max) = (arguments.number("start_line")?, arguments.number("max_lines")?);
        let by_lines = start.is_some() || max.is_some();
        // Models fill unused numbers with 0: that chooses nothing.
        if by_lines && (offset.unwrap_or(0) > 0 || length.unwrap_or(0) > 0) {
            return Err(ToolOutput::error(
                "arguments `offset` and `length` exclude `start_line` and `max_lines`; give one pair",
            ));
        }
        let range = if by_lines {
            Range::Lines {
                start: start.unwrap_or(1).max(1),
                max: max.filter(|max| *max > 0).unwrap_or(u64::MAX),
            }
        } else {
            let length = length.filter(|length| *length > 0).unwrap_or(most).min(most);
            Range::Bytes { offset: offset.unwrap_or(0), length }
        };
        Ok(Self { path, range, most })
    }

    fn read(&self, open: &Open) -> Result<ToolOutput, ToolOutput> {
        let file = open.read(&self.path)?.into_std();
        let failed = |error: io::Error| open.failed("reading", &self.path, &error);
        let total = file.metadata().map_err(failed)?.len();
        match self.range {
            Range::Bytes { offset, length } => self.bytes(file, offset, length, total).map_err(failed)?,
            Range::Lines { start, max } => {
                self.lines(BufReader::new(file), start, max, total).map_err(failed)?
            }
        }
    }

    fn bytes(
        &self,
        mut file: impl Read + Seek,
        offset: u64,
        length: u64,
        total: u64,
    ) -> io::Result<Result<ToolOutput, ToolOutput>> {
        if offset > total {
            return Ok(Err(ToolOutput::error(format!(
                "argument `offset` is {offset}, but {} has {total} bytes; give a smaller one",
                self.path
            ))));
        }
        file.seek(SeekFrom::Start(offset))?;
        let mut bytes = Vec::new();
        file.take(length).read_to_end(&mut bytes)?;
        if offset + (bytes.len() as u64) < total {
            whole_characters(&mut bytes);
        }
        Ok(self.text(&bytes, offset + bytes.len() as u64, total))
    }

    fn lines(
        &self,
        mut file: impl BufRead,
        start: u64,
        max: u64,
        total: u64,
    ) -> io::Result<Result<ToolOutput, ToolOutput>> {
        let mut position = 0;
        let mut number = 1;
        while number < start {
            let skipped = skip_line(&mut file)?;
            if skipped == 0 || position > MAX_SCAN {
                let known =
                    if skipped == 0 { "has fewer lines" } else { "is too long to count so many lines" };
                return Ok(Err(ToolOutput::error(format!(
                    "argument `start_line` is {start}, but {} {known}; give a smaller one or use `offset`",
                    self.path
                ))));
            }
            position += skipped;
            number += 1;
        }
        let mut bytes = Vec::new();
        let mut left = max;
        while left > 0 && (bytes.len() as u64) < self.most {
            let room = self.most - bytes.len() as u64;
            if (&mut file).take(room).read_until(b'\n', &mut bytes)? == 0 {
                break;
            }
            left -= 1;
        }
        if position + (bytes.len() as u64) < total {
            whole_characters(&mut bytes);
        }
        Ok(self.text(&bytes, position + bytes.len() as u64, total))
    }

    fn text(&self, bytes: &[u8], end: u64, total: u64) -> Result<ToolOutput, ToolOutput> {
        if bytes.contains(&0) {
            return Err(ToolOutput::error(format!(
                "{} is a binary file of {total} bytes; read_file reads text only",
                self.path
            )));
        }
        let mut text = String::from_utf8_lossy(bytes).into_owned();
        if end < total {
            text.push_str(&format!("\n[truncated: {end} of {total} bytes, continue at offset {end}]"));
        }
        Ok(ToolOutput::success(text))
    }
}

/// Drops the beginning of a character whose rest comes with the next piece.
fn whole_characters(bytes: &mut Vec<u8>) {
    if let Err(error) = std::str::from_utf8(bytes)
        && error.error_len().is_none()
        && error.valid_up_to() > 0
    {
        bytes.truncate(error.valid_up_to());
    }
}

/// Skips a line of any length; says how many bytes it had.
fn skip_line(file: &mut impl BufRead) -> io::Result<u64> {
    let mut skipped = 0;
    loop {
        let chunk = file.fill_buf()?;
        let newline = chunk.iter().position(|byte| *byte == b'\n');
        let used = newline.map_or(chunk.len(), |at| at + 1);
        file.consume(used);
        skipped += used as u64;
        if newline.is_some() || used == 0 || skipped > MAX_SCAN {
            return Ok(skipped);
        }
    }
}
