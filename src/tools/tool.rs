//! The trait that every tool implements.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;

use super::caller::Caller;
use super::output::ToolOutput;
use picoclaw_chat::ToolSpec;

/// Something that a model can call.
///
/// The caller bounds the time: dropping the future of [`Tool::call`] must be safe at any point.
#[async_trait]
pub trait Tool: Send + Sync {
    /// Name, description and arguments, for the model. The name never changes.
    fn spec(&self) -> ToolSpec;

    /// Does it. The arguments are what the model wrote: they may be anything.
    async fn call(&self, arguments: Value) -> ToolOutput;

    /// Does it on behalf of somebody: for tools to which it matters who asks.
    async fn call_for(&self, _caller: Caller<'_>, arguments: Value) -> ToolOutput {
        self.call(arguments).await
    }

    /// The group of a tool that the model is not shown before a search has found it; `None` for one that it always sees.
    fn deferred(&self) -> Option<&str> {
        None
    }

    /// How long a call may take, for tools that bound their time by themselves; `None` leaves it to the general limit.
    fn patience(&self) -> Option<Duration> {
        None
    }
}
