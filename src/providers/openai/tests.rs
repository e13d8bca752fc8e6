//! Against small servers that behave well, or badly in one particular way.

use std::sync::Arc;
use std::time::Duration;

use picoclaw_telemetry::words::FailureReason;
use serde_json::{Value, json};

use super::super::{
    ChatRequest, Completion, Delta, Deltas, Discard, HttpClients, ModelSpec, Provider, ProviderError,
};
use crate::chat::{FinishReason, Message, NO_TOOLS, Role, Sampling, Usage};

mod answers;
mod faults;
mod limits;
mod secure;

use crate::providers::exchange::server::{self, Server};

const OK: &str = r#"{"choices":[{"message":{"content":"Hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":1}}"#;

/// A model behind this server.
fn spec(server: &Server) -> ModelSpec {
    let mut spec = ModelSpec::new("fast", "openai", "gpt");
    spec.api_base = Some(format!("http://{}/v1", server.address()));
    spec.api_key = Some("sk-secret".into());
    spec
}

fn build(spec: &ModelSpec) -> Arc<dyn Provider> {
    super::super::build(spec, &HttpClients::new()).expect("a valid entry")
}

/// What an attempt came to, and the pieces on the way.
struct Outcome {
    result: Result<Completion, ProviderError>,
    text: String,
    reasoning: String,
}

impl Outcome {
    fn answer(self) -> Completion {
        self.result.expect("an answer")
    }

    fn error(self) -> ProviderError {
        let error = self.result.expect_err("a failure");
        assert!(!error.message.contains("sk-secret") && !error.message.contains('\n'), "{}", error.message);
        error
    }
}

/// Asks, and lets these deltas take the pieces.
async fn ask_into(
    provider: &dyn Provider,
    stream: bool,
    deltas: &mut dyn Deltas,
) -> Result<Completion, ProviderError> {
    let user = Message::new(Role::User, "Hi");
    let sampling = Sampling { temperature: Some(0.7), ..Sampling::default() };
    let request = ChatRequest {
        model: "gpt",
        messages: &[&user],
        tools: &NO_TOOLS,
        sampling: &sampling,
        stream,
        attempt: 0,
    };
    provider.complete(&request, deltas).await
}

async fn ask(provider: &dyn Provider, stream: bool) -> Outcome {
    let (mut sender, mut receiver) = tokio::sync::mpsc::channel::<Delta>(1);
    let attempt = async move { ask_into(provider, stream, &mut sender).await };
    let pieces = async {
        let (mut text, mut reasoning) = (String::new(), String::new());
        while let Some(delta) = receiver.recv().await {
            match delta {
                Delta::Text(piece) => text.push_str(&piece),
                Delta::Reasoning(piece) => reasoning.push_str(&piece),
            }
        }
        (text, reasoning)
    };
    let (result, (text, reasoning)) = tokio::join!(attempt, pieces);
    Outcome { result, text, reasoning }
}

/// Asks a server that answers every request with these bytes and closes the connection.
async fn ask_once(answer: impl Into<Vec<u8>>, stream: bool) -> Outcome {
    let server = Server::saying([answer.into()]).await;
    ask(&*build(&spec(&server)), stream).await
}

fn http(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len())
}

fn json_answer(body: &str) -> String {
    http("200 OK", "content-type: application/json\r\n", body)
}

/// A streamed answer that ends with the connection.
fn events(events: &[&str]) -> String {
    let body: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\nconnection: close\r\n\r\n{body}"
    )
}

fn word(text: &str) -> String {
    json!({"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": null}]}).to_string()
}

const STOP: &str = r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#;
const COUNTS: &str = r#"{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}"#;
const DONE: &str = "[DONE]";
