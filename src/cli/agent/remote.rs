//! The agent of the running gateway, through its OpenAI-compatible channel.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Answering, Arguments, write_out};
use crate::channels::http::{CHANNEL_HEADER, CLI_CHANNEL, SESSION_HEADER};
use crate::chat::{Message, Role, Sampling};
use crate::pidfile::PidRecord;
use crate::providers::{ChatRequest, Delta, Deltas, HttpClients, ModelSpec, Provider, build};

/// The gateway, as a model among others.
pub(super) struct Remote {
    gateway: Arc<dyn Provider>,
    model: String,
}

impl Remote {
    pub(super) fn new(gateway: &PidRecord, arguments: &Arguments) -> anyhow::Result<Self> {
        let spec = ModelSpec {
            api_base: Some(gateway.url(gateway.port, "/v1")),
            api_key: Some(gateway.token.clone()),
            custom_headers: vec![
                (CHANNEL_HEADER.to_string(), CLI_CHANNEL.to_owned()),
                (SESSION_HEADER.to_string(), arguments.session.clone()),
            ],
            ..ModelSpec::new("gateway", "picoclaw", "default")
        };
        let gateway = build(&spec, &HttpClients::new())?;
        Ok(Self { gateway, model: arguments.model.clone().unwrap_or_else(|| "default".to_owned()) })
    }
}

#[async_trait]
impl Answering for Remote {
    async fn answer(&self, message: &str) -> anyhow::Result<()> {
        let message = Message::new(Role::User, message);
        let request = ChatRequest {
            model: &self.model,
            messages: &[&message],
            tools: &[],
            sampling: &Sampling::default(),
            stream: true,
            attempt: 0,
        };
        self.gateway.complete(&request, &mut ToStdout).await?;
        write_out("\n");
        Ok(())
    }
}

struct ToStdout;

#[async_trait]
impl Deltas for ToStdout {
    async fn push(&mut self, delta: Delta) {
        if let Delta::Text(text) = delta {
            write_out(&text);
        }
    }
}
