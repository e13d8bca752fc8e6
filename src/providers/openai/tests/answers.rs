use super::*;
use crate::providers::Thinking;

#[tokio::test]
async fn asks_as_the_protocol_says() {
    let server = Server::saying([json_answer(OK).into()]).await;
    let mut spec = spec(&server);
    spec.custom_headers = vec![("X-Title".into(), "claw".into())];
    spec.extra_body.insert("thinking".into(), json!(false));
    let outcome = ask(&*build(&spec), false).await;
    assert_eq!(outcome.text, "", "no pieces were asked for");
    let answer = outcome.answer();
    assert_eq!(answer.content, "Hello");
    assert_eq!(answer.finish, FinishReason::Stop);
    assert_eq!(answer.usage, Some(Usage::new(3, 1)));
    assert_eq!(answer.time_to_first_token, None);

    let request = server.requests()[0].clone();
    assert!(request.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"), "{request}");
    let host = format!("host: {}", server.address());
    assert_eq!(request.matches("\r\nhost: ").count(), 1, "{request}");
    for header in [
        host.as_str(),
        "authorization: Bearer sk-secret",
        "x-title: claw",
        concat!("user-agent: PicoClaw/", env!("CARGO_PKG_VERSION")),
        "content-type: application/json",
    ] {
        assert!(request.contains(&format!("\r\n{header}\r\n")), "{header} in {request}");
    }
    assert!(!request.contains("accept-encoding"), "{request}");
    let body = json!({
        "model": "gpt", "messages": [{"role": "user", "content": "Hi"}], "temperature": 0.7, "thinking": false,
    });
    assert_eq!(server.body(0), body);
}

#[tokio::test]
async fn configured_headers_replace_the_own_ones() {
    let server = Server::saying([json_answer(OK).into()]).await;
    let mut spec = spec(&server);
    spec.user_agent = Some("Custom/1".into());
    spec.custom_headers =
        vec![("authorization".into(), "Key abc".into()), ("host".into(), "models.example".into())];
    ask(&*build(&spec), false).await.answer();
    let request = server.requests()[0].clone();
    assert!(request.contains("authorization: Key abc\r\n") && !request.contains("Bearer"), "{request}");
    assert!(request.contains("user-agent: Custom/1\r\n"), "{request}");
    assert!(request.contains("host: models.example\r\n"), "{request}");
}

#[tokio::test]
async fn goes_through_the_configured_proxy() {
    let proxy = Server::saying([json_answer(OK).into()]).await;
    let mut spec = ModelSpec::new("fast", "openai", "gpt");
    spec.api_base = Some("http://models.invalid/v1".into());
    spec.proxy = Some(format!("http://user:hunter22@{}", proxy.address()));
    assert_eq!(ask(&*build(&spec), false).await.answer().content, "Hello");
    let request = proxy.requests()[0].clone();
    assert!(request.starts_with("POST http://models.invalid/v1/chat/completions "), "{request}");
    assert!(request.to_ascii_lowercase().contains("proxy-authorization: basic "), "{request}");
}

#[tokio::test]
async fn streams_with_counts() {
    let reasoning = r#"{"choices":[{"delta":{"reasoning_content":"hm"}}]}"#;
    let body = events(&["", reasoning, &word("Hel"), &word("lo"), STOP, COUNTS, DONE]);
    let server = Server::saying([body.into()]).await;
    let outcome = ask(&*build(&spec(&server)), true).await;
    assert_eq!((outcome.text.as_str(), outcome.reasoning.as_str()), ("Hello", "hm"));
    let answer = outcome.answer();
    assert_eq!((answer.content.as_str(), answer.reasoning.as_deref()), ("Hello", Some("hm")));
    assert_eq!(answer.usage, Some(Usage::new(3, 2)));
    assert!(answer.time_to_first_token.is_some());
    let body = server.body(0);
    assert_eq!((&body["stream"], &body["stream_options"]["include_usage"]), (&json!(true), &json!(true)));
}

#[tokio::test]
async fn a_stream_ends_with_a_reason_or_with_done() {
    for ending in [&[STOP, COUNTS][..], &[STOP], &[DONE]] {
        let body = events(&[&[word("Hello").as_str()], ending].concat());
        assert_eq!(ask_once(body, true).await.answer().content, "Hello", "{ending:?}");
    }
    // Without its last line end, too.
    let body = events(&[&word("Hello"), DONE]);
    assert_eq!(ask_once(body.trim_end(), true).await.answer().content, "Hello");
}

#[tokio::test]
async fn an_untyped_stream_is_read_and_a_whole_answer_accepted_where_a_stream_was_asked_for() {
    let untyped =
        events(&[&word("Hello"), STOP]).replace("content-type: text/event-stream; charset=utf-8\r\n", "");
    assert_eq!(ask_once(untyped, true).await.text, "Hello");
    for headers in ["content-type: application/json\r\n", "content-type: text/plain\r\n", ""] {
        let outcome = ask_once(http("200 OK", headers, OK), true).await;
        assert_eq!(outcome.text, "Hello", "{headers}");
        assert_eq!(outcome.answer().usage, Some(Usage::new(3, 1)));
    }
    // And a stream where a whole answer was asked for.
    let outcome = ask_once(events(&[&word("Hello"), STOP]), false).await;
    assert_eq!((outcome.text.as_str(), outcome.result.expect("an answer").content.as_str()), ("", "Hello"));
}

#[tokio::test]
async fn a_model_that_cannot_stream_is_not_asked_to() {
    let server = Server::saying([json_answer(OK).into()]).await;
    let mut spec = spec(&server);
    spec.streaming = false;
    ask(&*build(&spec), true).await.answer();
    assert!(server.body(0).get("stream").is_none());
}

#[tokio::test]
async fn refused_fields_are_left_out_from_then_on() {
    let refusals = [
        r#"{"error":{"message":"Unrecognized request argument: stream_options","type":"invalid_request_error"}}"#,
        r#"{"error":{"message":"Only 1 is supported","param":"temperature","code":"unsupported_value"}}"#,
    ];
    let refusals = refusals.map(|body| http("400 Bad Request", "", body).into_bytes());
    let good = events(&[&word("Hello"), STOP]).into_bytes();
    let server = Server::saying(refusals.into_iter().chain([good])).await;
    let provider = build(&spec(&server));
    for _ in 0..2 {
        assert_eq!(ask(&*provider, true).await.answer().content, "Hello");
    }
    let sent = |number: usize| {
        let body = server.body(number);
        (body.get("stream_options").is_some(), body.get("temperature").is_some())
    };
    assert_eq!(server.requests().len(), 4);
    assert_eq!(
        [sent(0), sent(1), sent(2), sent(3)],
        [(true, true), (false, true), (false, false), (false, false)]
    );
}

#[tokio::test]
async fn requests_that_learn_at_the_same_time_all_succeed() {
    let refusal = http("400 Bad Request", "", r#"{"error":{"message":"stream_options?"}}"#).into_bytes();
    let good = events(&[&word("Hello"), STOP]).into_bytes();
    let server = Server::saying([refusal.clone(), refusal, good]).await;
    let provider = build(&spec(&server));
    let (one, two) = tokio::join!(ask(&*provider, true), ask(&*provider, true));
    assert_eq!((one.text.as_str(), two.text.as_str()), ("Hello", "Hello"));
    assert!(server.body(1).get("stream_options").is_some(), "both were sent before either was answered");
}

#[tokio::test]
async fn a_value_out_of_range_is_the_callers_mistake() {
    let body = r#"{"error":{"message":"too hot","param":"temperature","code":"decimal_above_max_value"}}"#;
    let server = Server::saying([http("400 Bad Request", "", body).into()]).await;
    let error = ask(&*build(&spec(&server)), true).await.error();
    assert_eq!((error.reason, server.requests().len()), (FailureReason::BadRequest, 1));
}

#[tokio::test]
async fn a_field_that_stays_refused_is_a_failure() {
    let refusal = http("400 Bad Request", "", r#"{"error":{"message":"stream_options?"}}"#);
    let server = Server::saying([refusal.into()]).await;
    let error = ask(&*build(&spec(&server)), true).await.error();
    assert_eq!((error.reason, server.requests().len()), (FailureReason::BadRequest, 2));
}

#[tokio::test(start_paused = true)]
async fn connections_are_used_again() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::io::AsyncWriteExt as _;

    const PAUSE: Duration = Duration::from_millis(100);
    for stream in [false, true] {
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&connections);
        let server = Server::handling(move |mut socket, _| {
            counter.fetch_add(1, Ordering::SeqCst);
            async move {
                let frame = format!("data: {}\n\ndata: {STOP}\n\ndata: [DONE]\n\n", word("Hello"));
                let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked";
                let streamed = format!("{head}\r\n\r\n{:x}\r\n{frame}\r\n", frame.len());
                loop {
                    let answer = if stream { &streamed } else { &json_answer(OK) };
                    let mut sent = socket.write_all(answer.as_bytes()).await;
                    if stream {
                        // The end of the body comes late, as from servers that write it by itself.
                        tokio::time::sleep(PAUSE).await;
                        sent = socket.write_all(b"0\r\n\r\n").await;
                    }
                    if sent.is_err() || server::read_request(&mut socket).await.is_none() {
                        return;
                    }
                }
            }
        })
        .await;
        let provider = build(&spec(&server));
        for _ in 0..3 {
            assert_eq!(ask(&*provider, stream).await.answer().content, "Hello");
            // The paused clock looks at the sockets once per wait, so several waits let the end arrive.
            for _ in 0..10 {
                tokio::time::sleep(PAUSE / 2).await;
            }
        }
        assert_eq!(connections.load(Ordering::SeqCst), 1, "stream: {stream}");
    }
}

#[tokio::test]
async fn tool_calls_arrive_whole() {
    let fragment = |call: Value| json!({"choices": [{"delta": {"tool_calls": [call]}}]}).to_string();
    let answer = ask_once(
        events(&[
            &fragment(json!({"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": ""}})),
            &fragment(json!({"index": 0, "function": {"arguments": "{\"a\":"}})),
            &fragment(json!({"index": 0, "function": {"arguments": "1}"}})),
            r#"{"choices":[{"delta":{},"finish_reason":"tool_calls"}]}"#,
            DONE,
        ]),
        true,
    )
    .await
    .answer();
    assert_eq!(answer.finish, FinishReason::ToolCalls);
    assert_eq!(answer.tool_calls[0].function.arguments, "{\"a\":1}");
    assert!(answer.time_to_first_token.is_some());
}

#[tokio::test]
async fn vendors_have_their_habits() {
    let ask_as = async |provider: &str, thinking: Option<Thinking>| {
        let server = Server::saying([json_answer(OK).into()]).await;
        let mut spec = spec(&server);
        spec.api_base = Some(format!("http://{}", server.address()));
        provider.clone_into(&mut spec.provider);
        spec.thinking = thinking;
        ask(&*build(&spec), false).await.answer();
        (server.requests()[0].lines().next().unwrap_or_default().to_owned(), server.body(0))
    };
    let (_, body) = ask_as("openai", Some(Thinking::High)).await;
    assert_eq!(body["reasoning_effort"], "high");
    let (_, body) = ask_as("openai", Some(Thinking::Adaptive)).await;
    assert_eq!(body["reasoning_effort"], Value::Null);
    let (_, body) = ask_as("zhipu", Some(Thinking::Low)).await;
    assert_eq!((&body["thinking"], &body["reasoning_effort"]), (&json!({"type": "enabled"}), &Value::Null));
    let (_, body) = ask_as("minimax", None).await;
    assert_eq!(body["reasoning_split"], true);
    let (line, _) = ask_as("azure", None).await;
    assert_eq!(line, "POST /openai/v1/chat/completions HTTP/1.1");
}
