use serde_json::json;

use super::*;
use crate::chat::{FunctionCall, NO_TOOLS, Sampling, ToolSpecs};

fn written(request: &ChatRequest<'_>, dialect: &Dialect, stream: bool, refused: Refused) -> Value {
    let bytes = Body { request, dialect, stream, refused }.to_bytes();
    serde_json::from_slice(&bytes).expect("JSON")
}

fn request<'a>(messages: &'a [&'a Message], sampling: &'a Sampling) -> ChatRequest<'a> {
    ChatRequest { model: "gpt-4o", messages, tools: &NO_TOOLS, sampling, stream: true, attempt: 0 }
}

fn called() -> Message {
    let mut other = Map::new();
    other.insert("extra_content".into(), json!({"signature": "s"}));
    Message {
        model_name: Some("m".into()),
        created_at: Some("2026-01-01T00:00:00Z".into()),
        reasoning_content: Some("hmm".into()),
        tool_calls: vec![ToolCall {
            id: "c1".into(),
            kind: "function".into(),
            function: FunctionCall { name: "read_file".into(), arguments: "{\"path\":\"a\"}".into() },
            other,
        }],
        ..Message::new(Role::Assistant, "")
    }
}

#[test]
fn writes_what_the_protocol_asks_and_nothing_of_the_session() {
    let (system, user) = (Message::new(Role::System, "be\nkind"), Message::new(Role::User, "read \"a\""));
    let (call, result) = (called(), Message::tool_result("c1", "text"));
    let messages = [&system, &user, &call, &result];
    let tools = ToolSpecs::from(vec![ToolSpec {
        name: "read_file".into(),
        description: "Reads.".into(),
        parameters: json!({"type": "object"}),
    }]);
    let sampling = Sampling { temperature: Some(0.5), max_tokens: Some(9), ..Sampling::default() };
    let request = ChatRequest { tools: &tools, ..request(&messages, &sampling) };
    let call_on_the_wire = json!({
        "id": "c1", "type": "function",
        "function": {"name": "read_file", "arguments": "{\"path\":\"a\"}"},
    });
    assert_eq!(
        written(&request, &Dialect::default(), true, Refused::default()),
        json!({
            "model": "gpt-4o",
            "messages": [
                {"role": "system", "content": "be\nkind"},
                {"role": "user", "content": "read \"a\""},
                {"role": "assistant", "content": null, "tool_calls": [call_on_the_wire]},
                {"role": "tool", "content": "text", "tool_call_id": "c1"},
            ],
            "tools": [{"type": "function", "function":
                {"name": "read_file", "description": "Reads.", "parameters": {"type": "object"}}}],
            "stream": true,
            "stream_options": {"include_usage": true},
            "temperature": 0.5,
            "max_tokens": 9,
        })
    );
    let refused = Refused { stream_options: true, temperature: true };
    let plain = written(&request, &Dialect::default(), true, refused);
    assert!(plain.get("stream_options").is_none() && plain.get("temperature").is_none());
    assert!(written(&request, &Dialect::default(), false, refused).get("stream").is_none());
}

#[test]
fn gives_back_reasoning_and_signatures_where_they_are_wanted() {
    let (earlier, user, now) = (called(), Message::new(Role::User, "q"), called());
    let messages = [&earlier, &user, &now];
    let sampling = Sampling::default();
    let dialect = Dialect { replays_reasoning: true, signs_tool_calls: true, ..Dialect::default() };
    let body = written(&request(&messages, &sampling), &dialect, false, Refused::default());
    assert!(body["messages"][0].get("reasoning_content").is_none());
    assert_eq!(body["messages"][2]["reasoning_content"], "hmm");
    assert_eq!(body["messages"][2]["tool_calls"][0]["extra_content"]["signature"], "s");
}

#[test]
fn the_length_field_follows_the_model_and_the_configuration() {
    let sampling = Sampling { max_tokens: Some(7), ..Sampling::default() };
    let field = |model: &str, configured: Option<&str>| {
        let request = ChatRequest { model, ..request(&[], &sampling) };
        let dialect = Dialect { max_tokens_field: configured.map(Into::into), ..Dialect::default() };
        let body = written(&request, &dialect, false, Refused::default());
        let body = body.as_object().expect("object").clone();
        body.into_iter().find(|(_, value)| *value == 7).expect("length").0
    };
    assert_eq!(field("gpt-4o", None), "max_tokens");
    for model in ["GLM-4.6", "o1-mini", "openai/gpt-5-nano"] {
        assert_eq!(field(model, None), "max_completion_tokens");
    }
    assert_eq!(field("gpt-5", Some("max_tokens")), "max_tokens");
    assert_eq!(field("m", Some("n_predict")), "n_predict");
}

#[test]
fn no_field_is_written_twice_and_the_configuration_wins() {
    let mut sampling = Sampling { temperature: Some(0.5), max_tokens: Some(7), ..Sampling::default() };
    for name in ["model", "messages", "stream", "temperature", "max_tokens", "n_predict", "top_p", "seed"] {
        sampling.extra.insert(name.into(), json!(42));
    }
    let mut dialect = Dialect { max_tokens_field: Some("n_predict".into()), ..Dialect::default() };
    for name in ["temperature", "seed", "thinking", "stream_options"] {
        dialect.extra_body.insert(name.into(), json!("configured"));
    }
    let request = request(&[], &sampling);
    let body = Body { request: &request, dialect: &dialect, stream: true, refused: Refused::default() };
    let text = String::from_utf8(body.to_bytes()).expect("UTF-8");
    let value: Value = serde_json::from_str(&text).expect("JSON");
    for name in value.as_object().expect("object").keys() {
        assert_eq!(text.matches(&format!("\"{name}\":")).count(), 1, "{name} in {text}");
    }
    assert_eq!(
        value,
        json!({
            "model": "gpt-4o", "messages": [], "stream": true, "n_predict": 7, "top_p": 42,
            "temperature": "configured", "seed": "configured", "thinking": "configured",
            "stream_options": "configured",
        })
    );
}

#[test]
fn images_make_a_text_one_of_several_parts() {
    let mut message = Message::new(Role::User, "what is this?");
    message.other.insert("media".into(), json!(["data:image/png;base64,AAAA", "https://x/y.jpg"]));
    let messages = [&message];
    let sampling = Sampling::default();
    let body = written(&request(&messages, &sampling), &Dialect::default(), false, Refused::default());
    assert_eq!(
        body["messages"][0],
        json!({ "role": "user", "content": [
            { "type": "text", "text": "what is this?" },
            { "type": "image_url", "image_url": { "url": "data:image/png;base64,AAAA" } },
            { "type": "image_url", "image_url": { "url": "https://x/y.jpg" } },
        ] })
    );
}

#[test]
fn images_of_tool_results_follow_the_last_of_them() {
    let mut seen = Message::tool_result("c1", "cat.png");
    seen.other.insert("media".into(), json!(["data:image/png;base64,AAAA"]));
    let (called, other) = (called(), Message::tool_result("c2", "no image"));
    let messages = [&called, &seen, &other, &called];
    let sampling = Sampling::default();
    let body = written(&request(&messages, &sampling), &Dialect::default(), false, Refused::default());
    let roles: Vec<_> = body["messages"].as_array().unwrap().iter().map(|message| &message["role"]).collect();
    assert_eq!(roles, ["assistant", "tool", "tool", "user", "assistant"]);
    assert_eq!(body["messages"][1]["content"], "cat.png");
    assert_eq!(
        body["messages"][3]["content"],
        json!([
            { "type": "text", "text": "[The images of the tool results above:]" },
            { "type": "image_url", "image_url": { "url": "data:image/png;base64,AAAA" } },
        ])
    );
}

#[test]
fn a_plain_message_is_written_as_it_would_be_serialised() {
    let dialect = Dialect::default();
    for role in [Role::System, Role::User, Role::Assistant, Role::Tool] {
        let message = Message::new(role, "a \"b\"\n\u{2028}\u{1}é");
        let wire = WireMessage { message: &message, dialect: &dialect, reasoning: true };
        assert!(wire.is_plain());
        let mut plain = Vec::new();
        wire.write_plain(&mut plain);
        let read = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).expect("JSON");
        assert_eq!(read(&plain), read(&serde_json::to_vec(&wire).expect("serialises")));
    }
    let thought = Message { reasoning_content: Some("hmm".into()), ..Message::new(Role::Assistant, "a") };
    assert!(!WireMessage { message: &thought, dialect: &dialect, reasoning: true }.is_plain());
}
