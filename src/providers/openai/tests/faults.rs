use proptest::prelude::*;

use super::*;
use crate::providers::exchange::Assembly as _;

#[tokio::test]
async fn nobody_listens() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let mut spec = ModelSpec::new("fast", "openai", "gpt");
    spec.api_base = Some(format!("http://{}", listener.local_addr().expect("bound")));
    drop(listener);
    let error = ask(&*build(&spec), false).await.error();
    assert_eq!((error.reason, error.status), (FailureReason::Network, None));
    assert!(error.message.contains("refused") && error.message.contains("api_base"), "{}", error.message);
    assert!(error.is_transient());
}

#[tokio::test]
async fn the_name_is_unknown() {
    let mut spec = ModelSpec::new("fast", "openai", "gpt");
    spec.api_base = Some("http://models.invalid/v1".into());
    let error = ask(&*build(&spec), false).await.error();
    assert_eq!(error.reason, FailureReason::Network);
    assert!(error.message.contains("models.invalid"), "{}", error.message);
}

#[tokio::test]
async fn the_server_speaks_no_tls() {
    let mut spec = ModelSpec::new("fast", "openai", "gpt");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    spec.api_base = Some(format!("https://{}", listener.local_addr().expect("bound")));
    let speak = async {
        use tokio::io::AsyncWriteExt as _;
        let (mut socket, _) = listener.accept().await.expect("a client");
        socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.expect("written");
        socket
    };
    let provider = build(&spec);
    let (outcome, _socket) = tokio::join!(ask(&*provider, false), speak);
    assert_eq!(outcome.error().reason, FailureReason::Network);
}

#[tokio::test]
async fn the_server_hangs_up_without_an_answer() {
    for stream in [false, true] {
        let error = ask_once("", stream).await.error();
        assert_eq!(error.reason, FailureReason::Network, "{}", error.message);
    }
}

#[tokio::test]
async fn the_server_speaks_no_http() {
    let error = ask_once("SSH-2.0-OpenSSH_9.9\r\n", false).await.error();
    assert_eq!(error.reason, FailureReason::BadResponse, "{}", error.message);
    assert!(error.message.contains("does not speak HTTP"), "{}", error.message);
}

#[tokio::test]
async fn error_answers_are_judged_and_explained() {
    for (status, headers, body, reason, said) in [
        (
            "401 Unauthorized",
            "",
            r#"{"error":{"message":"bad key sk-secret","code":"invalid_api_key"}}"#,
            "auth",
            "bad key [redacted]",
        ),
        ("429 Too Many Requests", "retry-after: 7\r\n", "", "rate_limit", "wait 7 s"),
        ("429 Too Many Requests", "", r#"{"error":{"code":"insufficient_quota"}}"#, "billing", "credit"),
        ("500 Internal Server Error", "", "<html>\n<h1>oops</h1>", "server", "<html> <h1>oops</h1>"),
        ("503 Service Unavailable", "", "", "overloaded", "503"),
        ("404 Not Found", "", r#"{"detail":"Not Found"}"#, "bad_request", "check api_base and model"),
        ("301 Moved Permanently", "location: https://elsewhere/\r\n", "", "bad_response", "api_base"),
    ] {
        for stream in [false, true] {
            let error = ask_once(http(status, headers, body), stream).await.error();
            assert_eq!(error.reason.as_str(), reason, "{status}");
            assert_eq!(error.status, status[..3].parse().ok());
            assert!(error.message.contains(said), "{}", error.message);
            assert!(error.message.contains("`fast`"), "{}", error.message);
            assert_eq!(error.retry_after, headers.contains("retry").then_some(Duration::from_secs(7)));
        }
    }
}

#[tokio::test]
async fn garbage_is_no_answer() {
    let bodies =
        ["", "<html>login</html>", "{", "[]", "null", "{}", r#"{"choices":[]}"#, r#"{"choices":{}}"#];
    for body in bodies {
        for stream in [false, true] {
            let error = ask_once(json_answer(body), stream).await.error();
            assert_eq!((error.reason, error.status), (FailureReason::BadResponse, Some(200)), "{body}");
            assert!(!error.is_transient());
        }
    }
    let html = http("200 OK", "content-type: text/html\r\n", "<html>login</html>");
    for answer in [html, events(&["<html>"]), events(&["{}", DONE]), events(&[DONE])] {
        let error = ask_once(&*answer, true).await.error();
        assert_eq!(error.reason, FailureReason::BadResponse, "{answer}");
    }
    // A stream that holds no event at all.
    let text = events(&[]) + "just text\n\nno events\n";
    let error = ask_once(text, true).await.error();
    assert!(error.message.contains("just text no events"), "{}", error.message);
    assert_eq!(error.reason, FailureReason::BadResponse);
}

#[tokio::test]
async fn compression_that_was_not_asked_for_is_refused() {
    let gzip = http("200 OK", "content-type: application/json\r\ncontent-encoding: gzip\r\n", "\u{1f}");
    let error = ask_once(gzip, false).await.error();
    assert_eq!(error.reason, FailureReason::BadResponse);
    assert!(error.message.contains("gzip"), "{}", error.message);
}

#[tokio::test]
async fn a_cut_body_is_a_cut_stream() {
    let whole = json_answer(OK);
    let error = ask_once(&whole[..whole.len() - 10], false).await.error();
    assert_eq!((error.reason, error.is_transient()), (FailureReason::CutStream, true), "{}", error.message);
    // Nothing at all came.
    let error = ask_once(events(&[]), true).await.error();
    assert_eq!((error.reason, error.partial), (FailureReason::CutStream, false));
}

#[tokio::test]
async fn a_stream_that_ends_early_is_cut() {
    let whole = events(&[&word("Hel"), &word("lo")]);
    for cut in [&whole[..], whole.trim_end(), &whole[..whole.len() - 9]] {
        let outcome = ask_once(cut, true).await;
        assert!(outcome.text.starts_with("Hel"));
        let error = outcome.error();
        assert_eq!((error.reason, error.partial), (FailureReason::CutStream, true), "{}", error.message);
        assert!(!error.is_transient(), "the person has read a part");
    }
    // Broken off in the middle of a chunk.
    let frame = format!("data: {}\n\n", word("Hel"));
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    let chunked = format!("{head}{:x}\r\n{frame}", frame.len() + 5);
    let error = ask_once(chunked, true).await.error();
    assert_eq!((error.reason, error.partial), (FailureReason::CutStream, true), "{}", error.message);
}

#[tokio::test]
async fn a_complete_answer_survives_the_loss_of_its_counts() {
    let frame = format!("data: {}\n\ndata: {STOP}\n\n", word("Hello"));
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    let answer = ask_once(format!("{head}{:x}\r\n{frame}\r\n5", frame.len()), true).await.answer();
    assert_eq!((answer.content.as_str(), answer.usage), ("Hello", None));
}

#[tokio::test]
async fn errors_come_within_good_answers_too() {
    let overloaded = r#"{"error":{"message":"later","type":"overloaded_error"}}"#;
    let at_the_top = r#"{"object":"error","message":"too long","code":"context_length_exceeded"}"#;
    let failed = r#"{"choices":[{"delta":{},"finish_reason":"error"}]}"#;
    for (event, reason) in [(overloaded, "overloaded"), (at_the_top, "context_overflow"), (failed, "server")]
    {
        let error = ask_once(events(&[event]), true).await.error();
        assert_eq!((error.reason.as_str(), error.partial), (reason, false), "{}", error.message);
        let error = ask_once(events(&[&word("a"), event]), true).await.error();
        assert_eq!((error.reason.as_str(), error.partial), (reason, true), "{}", error.message);
        let error = ask_once(json_answer(event), false).await.error();
        assert_eq!(error.reason.as_str(), reason, "{}", error.message);
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec![
        "choices",
        "delta",
        "message",
        "content",
        "tool_calls",
        "function",
        "arguments",
        "index",
        "error",
        "code",
        "usage",
        "prompt_tokens",
        "finish_reason",
        "stop",
        "id",
        "name",
        "text",
        "",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 40, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((word.clone(), inner), 0..4).prop_map(|fields| fields
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect()),
        ]
    })
}

proptest! {
    #[test]
    fn any_document_is_survived(documents in prop::collection::vec(any_json(), 1..4)) {
        let mut assembly = super::super::assembly::Answer::default();
        for document in documents {
            let choices = json!({"choices": [{"delta": document.clone()}]});
            let calls = json!({"choices": [{"delta": {"tool_calls": [document.clone()]}}]});
            for text in [&document, &choices, &calls].map(Value::to_string) {
                crate::providers::exchange::ErrorBody::parse(text.as_bytes());
                if let Ok(answer) = serde_json::from_str::<super::super::wire::Answer>(&text) {
                    answer.error();
                    let _ = assembly.add(answer);
                }
            }
        }
        assembly.complete();
    }
}
