use serde_json::{Value, json};

use crate::http::body::Taken;
use crate::http::channel::completion::Answer;
use crate::http::channel::stream;
use crate::http::testing::{Gateway, chat_request, message, status};

/// The chunks of a chunked body, put together.
fn dechunk(answer: &str) -> String {
    let (_, mut rest) = answer.split_once("\r\n\r\n").unwrap();
    let mut whole = String::new();
    while let Some((size, tail)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            return whole;
        }
        whole.push_str(&tail[..size]);
        rest = &tail[size + 2..];
    }
    panic!("the body has no end: {answer}");
}

/// The data of the events; comments are left out.
fn events(answer: &str) -> Vec<String> {
    let body = dechunk(answer);
    let events = body.split_terminator("\n\n").filter(|event| !event.starts_with(':'));
    events
        .map(|event| event.strip_prefix("data: ").unwrap_or_else(|| panic!("{event:?}")).to_owned())
        .collect()
}

fn documents(events: &[String]) -> Vec<Value> {
    events
        .iter()
        .filter(|event| *event != "[DONE]")
        .map(|event| serde_json::from_str(event).unwrap())
        .collect()
}

#[tokio::test]
async fn the_answer_is_streamed_piece_by_piece() {
    let gateway = Gateway::start().await;
    let answer = gateway.chat("x-session-id: s\r\n", &message("say one \"two\" three", true)).await;
    assert_eq!(status(&answer), 200);
    for header in [
        "content-type: text/event-stream",
        "cache-control: no-cache",
        "x-accel-buffering: no",
        "x-session-id: s",
    ] {
        assert!(answer.contains(&format!("{header}\r\n")), "{header} in {answer}");
    }
    let events = events(&answer);
    assert_eq!(events.last().unwrap(), "[DONE]");
    let documents = documents(&events);
    let deltas: Vec<_> = documents.iter().map(|document| document["choices"][0]["delta"].clone()).collect();
    assert_eq!(
        deltas,
        [
            json!({"role": "assistant", "content": "", "refusal": null}),
            json!({"content": "one "}),
            json!({"content": "\"two\" "}),
            json!({"content": "three"}),
            json!({}),
        ]
    );
    let (last, before) = documents.split_last().unwrap();
    assert_eq!(last["choices"][0]["finish_reason"], "stop");
    assert!(before.iter().all(|document| document["choices"][0]["finish_reason"].is_null()));
    assert!(documents.iter().all(|document| document["id"] == last["id"]
        && document["object"] == "chat.completion.chunk"
        && document["model"] == "echo"
        && document.get("usage").is_none()));
}

#[tokio::test]
async fn reasoning_has_a_field_of_its_own() {
    let answer = Gateway::start().await.chat("", &message("think well", true)).await;
    let documents = documents(&events(&answer));
    assert_eq!(documents[1]["choices"][0]["delta"], json!({"reasoning_content": "hm"}));
    assert_eq!(documents[2]["choices"][0]["delta"], json!({"content": "well"}));
}

#[tokio::test]
async fn usage_comes_in_a_chunk_of_its_own_when_asked() {
    let gateway = Gateway::start().await;
    let body = json!({"messages": [{"role": "user", "content": "say hi"}], "stream": true,
        "stream_options": {"include_usage": true}});
    let answer = gateway.chat("", &body.to_string()).await;
    let documents = documents(&events(&answer));
    let (last, before) = documents.split_last().unwrap();
    assert_eq!(last["choices"], json!([]));
    assert_eq!(last["usage"], json!({"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}));
    assert!(before.iter().all(|document| document["usage"].is_null() && document.get("usage").is_some()));
}

#[tokio::test]
async fn an_answer_without_pieces_is_still_complete() {
    let (progress, pieces) = tokio::sync::mpsc::channel(1);
    let (sender, reply) = tokio::sync::oneshot::channel();
    drop(progress);
    sender
        .send(Ok(crate::agent::Reply {
            content: "all at once".to_owned(),
            model_name: "other".to_owned(),
            usage: Default::default(),
            finish: Default::default(),
            context: None,
            joined: false,
        }))
        .unwrap();
    let cancel = tokio_util::sync::CancellationToken::new().drop_guard();
    let turn = crate::agent::TurnHandle { progress: pieces.into(), reply, cancel };
    let response = stream::respond(turn, Answer::new("asked".to_owned()), false, Taken::default()).await;
    let body = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
    let text = String::from_utf8(body.to_vec()).unwrap();
    assert!(text.contains(
        r#""model":"other","system_fingerprint":null,"choices":[{"index":0,"delta":{"content":"all at once"}"#
    ));
    assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
}

#[tokio::test]
async fn an_error_in_the_middle_is_an_event_and_no_done_follows() {
    let answer = Gateway::start().await.chat("", &message("break cut_stream half an", true)).await;
    assert_eq!(status(&answer), 200);
    let events = events(&answer);
    let last: Value = serde_json::from_str(events.last().unwrap()).unwrap();
    assert_eq!(
        (last["error"]["code"].as_str(), last["error"]["type"].as_str()),
        (Some("cut_stream"), Some("server_error"))
    );
    assert!(events.iter().all(|event| event != "[DONE]"));
}

#[tokio::test]
async fn no_piece_waits_for_the_next() {
    let gateway = Gateway::start().await;
    let mut client = gateway.connect().await;
    client.send(chat_request("", &message("hang only this", true))).await;
    let text = client.until("\"this\"").await;
    assert!(text.contains("\"only \""), "{text}");
    assert_eq!(gateway.assistant.cancelled(), 0);
}

#[tokio::test]
async fn a_caller_who_resets_the_connection_cancels_the_turn() {
    let gateway = Gateway::start().await;
    let mut client = gateway.connect().await;
    client.send(chat_request("", &message("hang some text", true))).await;
    client.until("\"text\"").await;
    socket2::SockRef::from(&client.0).set_linger(Some(std::time::Duration::ZERO)).unwrap();
    drop(client);
    gateway.until("the turn is cancelled", |gateway| gateway.assistant.cancelled() == 1).await;
    gateway.until("the connection is gone", |gateway| gateway.counts.open() == 0).await;
}

#[tokio::test(start_paused = true)]
async fn a_silent_stream_says_that_it_is_alive() {
    let (progress, pieces) = tokio::sync::mpsc::channel(1);
    let (_sender, reply) = tokio::sync::oneshot::channel();
    let cancel = tokio_util::sync::CancellationToken::new().drop_guard();
    let turn = crate::agent::TurnHandle { progress: pieces.into(), reply, cancel };
    let started = tokio::time::Instant::now();
    let mut body =
        stream::respond(turn, Answer::new("echo".to_owned()), false, Taken::default()).await.into_body();
    assert_eq!(started.elapsed().as_secs(), 15, "the head waits for the first piece, but not for ever");
    let mut next = async || {
        let frame = http_body_util::BodyExt::frame(&mut body).await.unwrap().unwrap();
        String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap()
    };
    assert!(next().await.contains("\"role\":\"assistant\""));
    assert_eq!(next().await, ": keep-alive\n\n");
    assert_eq!(next().await, ": keep-alive\n\n");
    assert_eq!(started.elapsed().as_secs(), 45);
    progress.send(crate::agent::Progress::Text("late".to_owned())).await.unwrap();
    assert!(next().await.contains("\"late\""));
}
