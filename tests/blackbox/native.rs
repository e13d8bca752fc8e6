//! Models behind protocols of their own: their streams, calls, token counts and failures are counted like all others.

use serde_json::{Value, json};

use crate::support::{Behaviour, Gateway, Scrape, Upstream};

/// What a protocol's server says.
struct Protocol {
    provider: &'static str,
    /// A call of `list_dir`, in a stream.
    call: &'static str,
    /// Two words, in a stream.
    answer: &'static str,
    /// The first of two words, and then nothing.
    cut: &'static str,
    limited: Behaviour,
    overloaded: Behaviour,
}

const MESSAGES: Protocol = Protocol {
    provider: "anthropic-messages",
    call: concat!(
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"content\":[],\"usage\":{\"input_tokens\":10,\"cache_read_input_tokens\":90,\"output_tokens\":1}}}\n\n",
        "event: ping\ndata: {\"type\":\"ping\"}\n\n",
        "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"tool_use\",\"id\":\"toolu_1\",\"name\":\"list_dir\",\"input\":{}}}\n\n",
        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"path\\\": \\\".\\\"}\"}}\n\n",
        "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\"},\"usage\":{\"output_tokens\":5}}\n\n",
        "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
    ),
    answer: concat!(
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"content\":[],\"usage\":{\"input_tokens\":20,\"output_tokens\":1}}}\n\n",
        "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"all \"}}\n\n",
        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"done\"}}\n\n",
        "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":3}}\n\n",
        "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
    ),
    cut: concat!(
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"content\":[]}}\n\n",
        "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"all \"}}\n\n",
    ),
    limited: Behaviour::Status(
        429,
        "Retry-After: 7\r\n",
        r#"{"type":"error","error":{"type":"rate_limit_error","message":"slowly"}}"#,
    ),
    overloaded: Behaviour::Status(
        529,
        "",
        r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
    ),
};

const GEMINI: Protocol = Protocol {
    provider: "gemini-native",
    call: concat!(
        "data: {\"candidates\":[{\"content\":{\"parts\":[{\"functionCall\":{\"name\":\"list_dir\",\"args\":{\"path\":\".\"}},\"thoughtSignature\":\"c2ln\"}],\"role\":\"model\"},\"finishReason\":\"STOP\"}],",
        "\"usageMetadata\":{\"promptTokenCount\":100,\"cachedContentTokenCount\":90,\"candidatesTokenCount\":3,\"thoughtsTokenCount\":2}}\r\n\r\n",
    ),
    answer: concat!(
        "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"all \"}],\"role\":\"model\"}}]}\r\n\r\n",
        "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"done\"}],\"role\":\"model\"},\"finishReason\":\"STOP\"}],",
        "\"usageMetadata\":{\"promptTokenCount\":20,\"candidatesTokenCount\":3}}\r\n\r\n",
    ),
    cut: "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"all \"}],\"role\":\"model\"}}]}\r\n\r\n",
    limited: Behaviour::Status(
        429,
        "",
        r#"{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","message":"slowly",
            "details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"7s"}]}}"#,
    ),
    overloaded: Behaviour::Status(
        503,
        "",
        r#"{"error":{"code":503,"status":"UNAVAILABLE","message":"The model is overloaded."}}"#,
    ),
};

fn model(upstream: &Upstream, protocol: &Protocol) -> Value {
    let mut model = upstream.model("native", protocol.provider);
    model["price"] = json!({
        "input_per_million": 3, "output_per_million": 15, "cached_input_per_million": 0.3,
    });
    model
}

fn start(protocol: &Protocol, behaviour: &[Behaviour]) -> (Gateway, Upstream) {
    let upstream = Upstream::start(behaviour);
    let config = json!({
        "model_list": [model(&upstream, protocol)], "agents": { "defaults": { "max_llm_retries": 0 } },
    });
    (Gateway::start(config), upstream)
}

fn series(scrape: &Scrape, protocol: &Protocol, metric: &str, rest: &str) -> f64 {
    scrape.get(&format!(r#"{metric}{{provider="{}",model="native"{rest}}}"#, protocol.provider))
}

/// Asks for pieces.
fn stream(gateway: &Gateway) -> String {
    let body = json!({ "stream": true, "session_id": "s", "messages": [{ "role": "user", "content": "what is here?" }] });
    gateway.post("/v1/chat/completions", &[], &body.to_string()).text()
}

#[test]
fn streams_calls_tokens_and_costs_are_counted() {
    // The result of the call, where each protocol has it.
    counted(&MESSAGES, "/messages/2/content/0/type", "tool_result");
    counted(&GEMINI, "/contents/2/parts/0/functionResponse/name", "list_dir");
}

fn counted(protocol: &Protocol, result: &str, expected: &str) {
    let (gateway, upstream) =
        start(protocol, &[Behaviour::Events(protocol.call), Behaviour::Events(protocol.answer)]);
    let said = stream(&gateway);
    assert!(said.contains(r#""content":"all ""#) && said.contains(r#""content":"done""#), "{said}");
    let asked = upstream.last();
    assert_eq!(asked.pointer(result), Some(&json!(expected)), "{asked}");
    let scrape = gateway.scrape();
    assert_eq!(scrape.get(r#"picoclaw_tool_results_total{tool="list_dir",status="success"}"#), 1.0);
    let tokens = |direction: &str| {
        let rest = format!(r#",direction="{direction}""#);
        series(&scrape, protocol, "picoclaw_provider_tokens_total", &rest)
    };
    assert_eq!((tokens("input"), tokens("output")), (120.0, 8.0));
    assert_eq!(series(&scrape, protocol, "picoclaw_provider_cached_tokens_total", ""), 90.0);
    // (30 fresh * $3 + 90 cached * $0.30 + 8 written * $15) for a million.
    assert_eq!(series(&scrape, protocol, "picoclaw_cost_usd_total", ""), 0.000_237);
    assert_eq!(series(&scrape, protocol, "picoclaw_cost_unknown_total", ""), 0.0);
    let first = format!(r#"picoclaw_provider_first_token_seconds_count{{provider="{}"}}"#, protocol.provider);
    assert_eq!(scrape.get(&first), 2.0);
}

#[test]
fn failures_have_their_reasons() {
    fails(&MESSAGES);
    fails(&GEMINI);
}

fn fails(protocol: &Protocol) {
    for (behaviour, code, reason, wait) in [
        (protocol.limited.clone(), 429, "rate_limit", Some("7")),
        (protocol.overloaded.clone(), 503, "overloaded", None),
        (Behaviour::Garbage, 502, "bad_response", None),
    ] {
        let (gateway, upstream) = start(protocol, &[behaviour]);
        let answer = gateway.say("s", "hello");
        assert_eq!((answer.status, answer.json()["error"]["code"].clone()), (code, json!(reason)));
        if let Some(wait) = wait {
            assert_eq!(answer.header("retry-after"), wait);
        }
        assert_eq!(upstream.requests(), 1);
        let scrape = gateway.scrape();
        let rest = format!(r#",reason="{reason}""#);
        assert_eq!(series(&scrape, protocol, "picoclaw_provider_failures_total", &rest), 1.0);
        assert_eq!(series(&scrape, protocol, "picoclaw_cost_usd_total", ""), 0.0);
    }
    let (gateway, _upstream) = start(protocol, &[Behaviour::Events(protocol.cut)]);
    let said = stream(&gateway);
    assert!(said.contains("cut_stream"), "{said}");
    let cut = r#",reason="cut_stream""#;
    assert_eq!(series(&gateway.scrape(), protocol, "picoclaw_provider_failures_total", cut), 1.0);
}

#[test]
fn what_a_model_without_a_price_costs_is_not_guessed() {
    let upstream = Upstream::start(&[Behaviour::Answer("hello")]);
    let gateway = Gateway::start(json!({ "model_list": [upstream.model("gpt", "openai")] }));
    gateway.chat("s", "x");
    let scrape = gateway.scrape();
    assert_eq!(scrape.get(r#"picoclaw_cost_unknown_total{provider="openai",model="gpt"}"#), 1.0);
    assert!(scrape.family("picoclaw_cost_usd_total").all(|(name, _)| !name.contains("openai")));
    // The built-in model costs nothing, which is known.
    assert_eq!(scrape.get(r#"picoclaw_cost_usd_total{provider="echo",model="echo"}"#), 0.0);
}
