//! The trait that every tool implements.

use async_trait::async_trait;

use super::output::ToolOutput;
use crate::chat::ToolSpec;

/// Something that a model can call.
///
/// The caller bounds the time: dropping the future of [`Tool::call`] must be safe at any point.
#[async_trait]
pub trait Tool: Send + Sync {
    /// Name, description and arguments, for the model. The name never changes.
    fn spec(&self) -> ToolSpec;

    /// Does it. The arguments are what the model wrote: they may be anything.
    async fn call(&self, arguments: serde_json::Value) -> ToolOutput;
}
