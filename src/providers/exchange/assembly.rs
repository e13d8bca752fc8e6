//! What a protocol adds to an exchange.

use super::failure::ErrorBody;
use crate::providers::provider::Completion;

/// Most tool calls of one answer: a model that asks for more has lost its way.
pub(in crate::providers) const MAX_CALLS: usize = 128;

/// What a part of an answer adds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::providers) struct Pieces {
    pub(in crate::providers) reasoning: Option<String>,
    pub(in crate::providers) text: Option<String>,
    /// Whether it adds to a tool call.
    pub(in crate::providers) call: bool,
}

/// What an event says.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::providers) enum Step {
    /// A part of the answer, or nothing of interest.
    Part(Pieces),
    /// The answer is complete.
    Done,
}

/// Why an answer cannot be put together.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::providers) enum Fault {
    /// It is not what the protocol says.
    Malformed(String),
    /// The server reports a failure in the answer's place, or in the middle of it.
    Failed(Box<ErrorBody>),
}

impl Fault {
    /// The answer asks for more than [`MAX_CALLS`].
    pub(in crate::providers) fn too_many_calls() -> Self {
        Self::Malformed(format!("the answer asks for more than {MAX_CALLS} tool calls"))
    }
}

impl From<serde_json::Error> for Fault {
    fn from(error: serde_json::Error) -> Self {
        Self::Malformed(error.to_string())
    }
}

/// An answer in the making.
pub(in crate::providers) trait Assembly: Default + Send {
    /// Takes in the data of an event.
    fn event(&mut self, data: &[u8]) -> Result<Step, Fault>;

    /// Takes in an answer that came as one document.
    fn document(&mut self, body: &[u8]) -> Result<Pieces, Fault>;

    /// Whether there was any answer at all.
    fn has_begun(&self) -> bool;

    /// Whether the server said why the answer ended: at most its token counts are missing.
    fn is_finished(&self) -> bool;

    /// The whole answer.
    fn complete(self) -> Completion;
}
