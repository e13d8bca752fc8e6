//! What a tool call brings back.

use picoclaw_telemetry::words::ToolStatus;

/// The end of a tool call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolOutput {
    /// How it ended.
    pub status: ToolStatus,
    /// For the model: the result, or what went wrong and what to do instead.
    pub text: String,
    /// Tools that a search has found: the model is shown them from now on.
    pub found: Vec<String>,
    /// Images that the model sees with the result: paths from the workspace on.
    pub media: Vec<String>,
}

impl ToolOutput {
    fn new(status: ToolStatus, text: impl Into<String>) -> Self {
        Self { status, text: text.into(), found: Vec::new(), media: Vec::new() }
    }

    /// The tool did what it was asked.
    pub fn success(text: impl Into<String>) -> Self {
        Self::new(ToolStatus::Success, text)
    }

    /// The tool failed.
    pub fn error(text: impl Into<String>) -> Self {
        Self::new(ToolStatus::Error, text)
    }

    /// A rule forbids the call.
    pub fn denied(text: impl Into<String>) -> Self {
        Self::new(ToolStatus::Denied, text)
    }

    /// The tool took too long.
    pub fn timeout(text: impl Into<String>) -> Self {
        Self::new(ToolStatus::Timeout, text)
    }
}

/// Lets a tool leave early with `?`: both ways are an output.
impl From<Result<ToolOutput, ToolOutput>> for ToolOutput {
    fn from(result: Result<ToolOutput, ToolOutput>) -> Self {
        result.unwrap_or_else(|output| output)
    }
}
