//! What a tool call brings back.

use picoclaw_telemetry::words::ToolStatus;

/// The end of a tool call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolOutput {
    /// How it ended.
    pub status: ToolStatus,
    /// For the model: the result, or what went wrong and what to do instead.
    pub text: String,
}

impl ToolOutput {
    /// The tool did what it was asked.
    pub fn success(text: impl Into<String>) -> Self {
        Self { status: ToolStatus::Success, text: text.into() }
    }

    /// The tool failed.
    pub fn error(text: impl Into<String>) -> Self {
        Self { status: ToolStatus::Error, text: text.into() }
    }

    /// A rule forbids the call.
    pub fn denied(text: impl Into<String>) -> Self {
        Self { status: ToolStatus::Denied, text: text.into() }
    }

    /// The tool took too long.
    pub fn timeout(text: impl Into<String>) -> Self {
        Self { status: ToolStatus::Timeout, text: text.into() }
    }
}

/// Lets a tool leave early with `?`: both ways are an output.
impl From<Result<ToolOutput, ToolOutput>> for ToolOutput {
    fn from(result: Result<ToolOutput, ToolOutput>) -> Self {
        result.unwrap_or_else(|output| output)
    }
}
