use std::time::Duration;

use picoclaw_telemetry::words::{HttpRejection, Rejection};
use tokio::io::AsyncWriteExt;

use crate::http::Limits;
use crate::http::body::BodyLimits;
use crate::http::channel::Settings;
use crate::http::testing::{Gateway, PATIENCE, Setup, chat_request, json, message, status};

fn impatient() -> Limits {
    Limits {
        header_timeout: Duration::from_millis(150),
        idle_timeout: Duration::from_millis(150),
        write_timeout: Duration::from_millis(150),
        ..Limits::default()
    }
}

async fn with_body_limits(size: usize, time: Duration) -> Gateway {
    let settings = Settings { body: BodyLimits { size, time }, ..Settings::default() };
    Setup { settings, ..Setup::default() }.start().await
}

#[tokio::test]
async fn what_is_not_http_gets_400() {
    let gateway = Gateway::start().await;
    let garbage: [&[u8]; 4] = [
        b"hello\r\n\r\n",
        b"GET /live HTTP/1.1\r\nbad header\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
    ];
    for request in garbage {
        assert_eq!(status(&gateway.exchange(request).await), 400, "{request:?}");
    }
    gateway.until("all are counted", |gateway| gateway.counts.rejected(HttpRejection::Malformed) == 4).await;
}

#[tokio::test]
async fn a_huge_head_gets_431() {
    let gateway = Gateway::start().await;
    let long = format!("GET / HTTP/1.1\r\nhost: x\r\nx-long: {}\r\n\r\n", "y".repeat(100_000));
    assert_eq!(status(&gateway.exchange(long).await), 431);
    let many = format!("GET / HTTP/1.1\r\nhost: x\r\n{}\r\n", "x-many: y\r\n".repeat(500));
    assert_eq!(status(&gateway.exchange(many).await), 431);
    gateway.until("both are counted", |gateway| gateway.counts.rejected(HttpRejection::Malformed) == 2).await;
}

#[tokio::test]
async fn a_slow_head_is_given_up_with_408() {
    let gateway = Setup { limits: impatient(), ..Setup::default() }.start().await;
    let mut client = gateway.connect().await;
    client.send("GET /live HTTP/1.1\r\nhost").await;
    let answer = client.rest().await;
    assert_eq!((status(&answer), json(&answer)["error"]["code"].as_str()), (408, Some("header_timeout")));
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.ends_with(&format!("content-length: {}", body.len())), "{answer}");
    assert_eq!(gateway.counts.rejected(HttpRejection::HeaderTimeout), 1);
    drop(client);
    gateway.until("the place is free", |gateway| gateway.counts.open() == 0).await;
}

#[tokio::test]
async fn a_connection_on_which_nothing_was_sent_is_closed_without_a_word() {
    let gateway = Setup { limits: impatient(), ..Setup::default() }.start().await;
    assert_eq!(gateway.connect().await.rest().await, "");
    gateway.until("the place is free", |gateway| gateway.counts.open() == 0).await;
    assert_eq!(gateway.counts.rejected(HttpRejection::HeaderTimeout), 0);
}

#[tokio::test]
async fn a_head_that_trickles_is_given_up_too() {
    let gateway = Setup { limits: impatient(), ..Setup::default() }.start().await;
    let mut client = gateway.connect().await;
    client.send("GET /live HTTP/1.1\r\n").await;
    let mut pace = tokio::time::interval(Duration::from_millis(20));
    let trickle = async {
        while client.0.write_all(b"x: y\r\n").await.is_ok() {
            pace.tick().await;
        }
    };
    tokio::time::timeout(PATIENCE, trickle).await.expect("the server closes");
    assert_eq!(gateway.counts.rejected(HttpRejection::HeaderTimeout), 1);
}

#[tokio::test]
async fn an_idle_connection_is_closed_without_being_counted() {
    let gateway = Setup { limits: impatient(), ..Setup::default() }.start().await;
    let mut client = gateway.connect().await;
    client.send("GET /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    assert_eq!(status(&client.rest().await), 200);
    assert_eq!(gateway.counts.rejected(HttpRejection::HeaderTimeout), 0);
}

#[tokio::test]
async fn a_turn_longer_than_all_deadlines_of_the_connection_is_not_cut() {
    let gateway = Setup { limits: impatient(), ..Setup::default() }.start().await;
    let mut client = gateway.connect().await;
    client.send(chat_request("", &message("hang", false))).await;
    gateway.until("the turn runs", |gateway| gateway.assistant.submitted() == 1).await;
    tokio::time::timeout(Duration::from_millis(500), client.rest()).await.unwrap_err();
    assert_eq!(gateway.assistant.cancelled(), 0);
}

#[tokio::test]
async fn a_caller_who_reads_nothing_is_cut_and_its_turn_cancelled() {
    let gateway = Setup { limits: impatient(), ..Setup::default() }.start().await;
    let mut client = gateway.connect().await;
    client.send(chat_request("", &message("flood", true))).await;
    gateway.until("the turn is cancelled", |gateway| gateway.assistant.cancelled() == 1).await;
    gateway.until("the connection is closed", |gateway| gateway.counts.open() == 0).await;
}

#[tokio::test]
async fn a_huge_body_gets_413_however_it_is_sent() {
    let gateway = with_body_limits(1000, Duration::from_secs(5)).await;
    let body = message(&"x".repeat(5_000_000), false);
    let chunked = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\
         \r\n{:x}\r\n{body}\r\n0\r\n\r\n",
        body.len()
    );
    for request in [chat_request("connection: close\r\n", &body), chunked] {
        let answer = gateway.exchange(request).await;
        assert_eq!(status(&answer), 413);
        assert_eq!(json(&answer)["error"]["code"], "body_too_large");
    }
    assert_eq!(gateway.counts.rejected(HttpRejection::BodyTooLarge), 2);
    assert_eq!(gateway.assistant.refusals(), [("http", Rejection::Invalid); 2]);
}

#[tokio::test]
async fn a_client_that_asks_first_need_not_send_a_huge_body() {
    let gateway = with_body_limits(1000, Duration::from_secs(5)).await;
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ncontent-length: 9999\r\n\r\n";
    let answer = gateway.exchange(head).await;
    assert_eq!(status(&answer), 413);
}

#[tokio::test]
async fn a_slow_body_gets_408() {
    let gateway = with_body_limits(1000, Duration::from_millis(100)).await;
    let mut client = gateway.connect().await;
    client
        .send("POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{")
        .await;
    let answer = client.rest().await;
    assert_eq!((status(&answer), json(&answer)["error"]["code"].as_str()), (408, Some("body_timeout")));
    assert_eq!(gateway.counts.rejected(HttpRejection::BodyTimeout), 1);
}

#[tokio::test]
async fn malformed_chunks_do_not_start_a_turn() {
    let gateway = Gateway::start().await;
    let answer = gateway
        .exchange("POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n")
        .await;
    assert!(answer.is_empty() || status(&answer) == 400, "{answer}");
    assert_eq!(gateway.assistant.submitted(), 0);
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let gateway = Gateway::start().await;
    let requests = [
        chat_request("", &message("say first", false)),
        chat_request("", &message("say second", false)),
        "GET /nothing HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".to_owned(),
    ];
    let answer = gateway.exchange(requests.concat()).await;
    let at = |needle: &str| answer.find(needle).unwrap_or_else(|| panic!("no {needle} in {answer}"));
    assert!(at("\"first\"") < at("\"second\"") && at("\"second\"") < at("404 Not Found"));
}

#[tokio::test]
async fn a_client_that_has_said_all_it_will_say_gets_short_answers() {
    let gateway = Gateway::start().await;
    let mut client = gateway.connect().await;
    client.send("GET /v1/models HTTP/1.0\r\n\r\n").await;
    client.0.shutdown().await.unwrap();
    assert_eq!(status(&client.rest().await), 200);
}

#[tokio::test]
async fn a_panic_in_a_handler_is_a_500_and_hurts_nobody_else() {
    let gateway = Gateway::start().await;
    let answer = gateway.chat("", &message("panic", false)).await;
    assert_eq!((status(&answer), json(&answer)["error"]["code"].as_str()), (500, Some("internal_error")));
    assert_eq!(status(&gateway.chat("", &message("say hi", false)).await), 200);
    gateway.until("the places are free", |gateway| gateway.counts.open() == 0).await;
}
