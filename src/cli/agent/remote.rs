//! The agent of the running gateway, through its OpenAI-compatible channel.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use picoclaw_telemetry::words::FailureReason;

use super::{Answering, Arguments, write_out};
use picoclaw::chat::{Message, NO_TOOLS, Role, Sampling};
use picoclaw::config::Loaded;
use picoclaw::http::channel::{CHANNEL_HEADER, CLI_CHANNEL, SESSION_HEADER};
use picoclaw::pidfile::PidRecord;
use picoclaw::providers::{
    ChatRequest, Delta, Deltas, HttpClients, ModelSpec, Provider, ProviderError, build,
};

/// How long the gateway may take when its turns have no limit of their own.
const ENDLESS: Duration = Duration::from_secs(24 * 60 * 60);
/// How much longer than its turns the gateway may take.
const MARGIN: Duration = Duration::from_secs(30);

/// The gateway, as a model among others.
pub(super) struct Remote {
    gateway: Arc<dyn Provider>,
    pid: u32,
    model: String,
}

impl Remote {
    /// Without a configuration that can be read the gateway may have any.
    pub(super) fn new(
        gateway: PidRecord,
        loaded: Option<&Loaded>,
        arguments: &Arguments,
    ) -> anyhow::Result<Self> {
        let turn = loaded.and_then(|loaded| loaded.config.agents.defaults.turn_timeout()).unwrap_or(ENDLESS);
        let spec = ModelSpec {
            api_base: Some(gateway.url(gateway.port, "/v1")),
            api_key: Some(gateway.token),
            request_timeout: turn + MARGIN,
            custom_headers: vec![
                (CHANNEL_HEADER.to_string(), CLI_CHANNEL.to_owned()),
                (SESSION_HEADER.to_string(), arguments.session.clone()),
            ],
            ..ModelSpec::new("gateway", "picoclaw", "default")
        };
        let provider = build(&spec, &HttpClients::new())?;
        let model = arguments.model.clone().unwrap_or_else(|| "default".to_owned());
        Ok(Self { gateway: provider, pid: gateway.pid, model })
    }

    /// What the gateway said; where it said nothing, what happened, without the advice for a provider.
    fn explain(&self, error: &ProviderError) -> anyhow::Error {
        let what = match error.reason {
            _ if !error.said.is_empty() => return anyhow::anyhow!("{}", error.said),
            FailureReason::Network => "cannot be reached",
            FailureReason::Timeout => "gave no answer in time",
            FailureReason::CutStream => "broke off its answer",
            _ => "gave an answer that is none",
        };
        anyhow::anyhow!("the gateway (PID {}) {what}: `picoclaw status` shows how it is", self.pid)
    }
}

#[async_trait]
impl Answering for Remote {
    async fn answer(&self, message: &str) -> anyhow::Result<()> {
        let message = Message::new(Role::User, message);
        let request = ChatRequest {
            model: &self.model,
            messages: &[&message],
            tools: &NO_TOOLS,
            sampling: &Sampling::default(),
            stream: true,
            attempt: 0,
        };
        self.gateway.complete(&request, &mut ToStdout).await.map_err(|error| self.explain(&error))?;
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
