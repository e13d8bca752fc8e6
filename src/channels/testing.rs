//! An agent for the tests of channels.

use async_trait::async_trait;
use picoclaw::agent::{Assistant, Inbound, ModelInfo, Refusal, TurnHandle};
use picoclaw_telemetry::words::Rejection;

/// Takes no message.
#[derive(Default)]
pub(crate) struct Silent {
    pub(crate) splits: bool,
}

#[async_trait]
impl Assistant for Silent {
    async fn submit(&self, _: Inbound) -> Result<TurnHandle, Refusal> {
        Err(Refusal { reason: Rejection::Draining, message: "nobody is here".to_owned() })
    }

    fn refused(&self, _: &'static str, _: Rejection) {}

    fn splits_answers(&self) -> bool {
        self.splits
    }

    fn models(&self) -> Vec<ModelInfo> {
        Vec::new()
    }
}
