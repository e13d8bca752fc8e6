use picoclaw_telemetry::words::Rejection;

use crate::agent::Conversation;
use crate::http::admin::Token;
use crate::http::channel::Settings;
use crate::http::channel::access::Access;
use crate::http::testing::{Gateway, Setup, chat_request, json, message, status};

#[tokio::test]
async fn a_message_is_answered() {
    let gateway = Gateway::start().await;
    let answer = gateway.chat("", &message("say hello there", false)).await;
    assert_eq!(status(&answer), 200);
    assert!(answer.contains("content-type: application/json\r\n"), "{answer}");
    let document = json(&answer);
    assert_eq!(document["object"], "chat.completion");
    assert_eq!(document["model"], "echo");
    assert_eq!(document["choices"][0]["message"]["content"], "hello there");
    assert_eq!(document["usage"]["total_tokens"], 5);
    let inbound = gateway.assistant.last();
    assert_eq!(
        (inbound.channel, inbound.conversation, inbound.stream),
        ("http", Conversation::Stateless, false)
    );
}

#[tokio::test]
async fn a_named_session_is_handed_on_and_confirmed() {
    let gateway = Gateway::start().await;
    let answer = gateway.chat("x-session-id: mine\r\n", &message("say hi", false)).await;
    assert!(answer.contains("x-session-id: mine\r\n"), "{answer}");
    assert_eq!(gateway.assistant.last().conversation, Conversation::Session("mine".to_owned()));
}

#[tokio::test]
async fn names_for_the_default_model_mean_no_model() {
    let gateway = Gateway::start().await;
    for (name, expected) in [("default", None), ("picoclaw", None), ("", None), ("second", Some("second"))] {
        let body = format!(r#"{{"model":"{name}","messages":[{{"role":"user","content":"say hi"}}]}}"#);
        assert_eq!(status(&gateway.chat("", &body).await), 200);
        assert_eq!(gateway.assistant.last().model.as_deref(), expected, "{name}");
    }
}

#[tokio::test]
async fn refusals_of_the_agent_have_their_status() {
    let gateway = Gateway::start().await;
    for (word, code, header) in [
        ("busy", 429, "retry-after: 1\r\n"),
        ("draining", 503, "retry-after: 5\r\n"),
        ("invalid", 400, "content-type: application/json\r\n"),
    ] {
        let answer = gateway.chat("", &message(&format!("refuse {word}"), false)).await;
        assert_eq!(status(&answer), code, "{word}");
        assert!(answer.contains(header), "{answer}");
    }
    let unknown = r#"{"model":"gpt-9","messages":[{"role":"user","content":"x"}]}"#;
    let answer = gateway.chat("", unknown).await;
    assert_eq!((status(&answer), json(&answer)["error"]["code"].as_str()), (404, Some("model_not_found")));
    assert_eq!(gateway.assistant.refusals(), [], "the agent has counted them itself");
}

#[tokio::test]
async fn failures_of_the_turn_have_their_status_and_reason() {
    let gateway = Gateway::start().await;
    for (reason, code) in [("auth", 502), ("rate_limit", 429), ("timeout", 504), ("bad_request", 400)] {
        for stream in [false, true] {
            let answer = gateway.chat("", &message(&format!("fail {reason}"), stream)).await;
            assert_eq!((status(&answer), json(&answer)["error"]["code"].as_str()), (code, Some(reason)));
            assert_eq!(answer.contains("retry-after: 7\r\n"), reason == "rate_limit", "{answer}");
            assert_eq!(answer.contains("x-should-retry: false\r\n"), reason != "rate_limit", "{answer}");
        }
    }
    let lost = gateway.chat("", &message("lose", false)).await;
    assert_eq!(status(&lost), 500);
}

#[tokio::test]
async fn a_malformed_message_is_refused_and_counted() {
    let gateway = Gateway::start().await;
    let answer = gateway.chat("", "{\"messages\": oops}").await;
    let error = &json(&answer)["error"];
    assert_eq!((status(&answer), error["code"].as_str()), (400, Some("malformed_json")));
    assert!(error["message"].as_str().unwrap().contains("line 1 column 14"), "{error}");
    let answer = gateway.chat("", r#"{"messages":[{"role":"robot","content":"x"}]}"#).await;
    assert_eq!(json(&answer)["error"]["param"], "messages[0].role");
    assert_eq!(gateway.assistant.refusals(), [("http", Rejection::Invalid); 2]);
    assert_eq!(gateway.assistant.submitted(), 0);
}

#[tokio::test]
async fn a_caller_who_leaves_cancels_the_turn() {
    let gateway = Gateway::start().await;
    let mut client = gateway.connect().await;
    client.send(chat_request("", &message("hang", false))).await;
    gateway.until("the turn runs", |gateway| gateway.assistant.submitted() == 1).await;
    drop(client);
    gateway.until("the turn is cancelled", |gateway| gateway.assistant.cancelled() == 1).await;
}

#[tokio::test]
async fn only_the_operator_may_say_that_it_is_the_terminal() {
    let access = Access { operator: Token::new("operator-token"), ..Access::default() };
    let gateway =
        Setup { settings: Settings { access, ..Settings::default() }, ..Setup::default() }.start().await;
    for (headers, channel) in [
        ("x-picoclaw-channel: cli\r\nauthorization: Bearer operator-token\r\n", "cli"),
        ("x-picoclaw-channel: cli\r\n", "http"),
        ("x-picoclaw-channel: cli\r\nauthorization: Bearer other\r\n", "http"),
        ("x-picoclaw-channel: telegram\r\nauthorization: Bearer operator-token\r\n", "http"),
    ] {
        assert_eq!(status(&gateway.chat(headers, &message("say hi", false)).await), 200);
        assert_eq!(gateway.assistant.last().channel, channel, "{headers}");
    }
}

#[tokio::test]
async fn models_are_listed_and_described() {
    let gateway = Gateway::start().await;
    let list = json(&gateway.ask("GET", "/v1/models", "").await);
    assert_eq!(list["object"], "list");
    assert_eq!(
        (list["data"][0]["id"].as_str(), list["data"][1]["id"].as_str()),
        (Some("echo"), Some("second"))
    );
    assert_eq!(json(&gateway.ask("GET", "/v1/models/second", "").await)["owned_by"], "builtin");
    assert_eq!(status(&gateway.ask("GET", "/v1/models/third", "").await), 404);
    assert_eq!(status(&gateway.ask("HEAD", "/v1/models", "").await), 200);
}

#[tokio::test]
async fn wrong_methods_are_told_what_is_allowed() {
    let gateway = Gateway::start().await;
    for (method, path, allow) in [
        ("GET", "/v1/chat/completions", "allow: POST, OPTIONS\r\n"),
        ("DELETE", "/v1/models", "allow: GET, HEAD, OPTIONS\r\n"),
        ("POST", "/v1/models/echo", "allow: GET, HEAD, OPTIONS\r\n"),
    ] {
        let answer = gateway.ask(method, path, "").await;
        assert_eq!(status(&answer), 405, "{method} {path}");
        assert!(answer.contains(allow), "{answer}");
        assert_eq!(json(&answer)["error"]["type"], "invalid_request_error");
    }
    for path in ["/v1/chat/completions/", "/v1/models/", "/v1/completions"] {
        for method in ["GET", "OPTIONS"] {
            assert_eq!(status(&gateway.ask(method, path, "").await), 404, "{method} {path}");
        }
    }
}
