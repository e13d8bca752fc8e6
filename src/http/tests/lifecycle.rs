use std::net::SocketAddr;
use std::time::Duration;

use picoclaw_telemetry::words::HttpRejection;
use tokio::net::TcpStream;

use crate::http::testing::{Gateway, PATIENCE, Setup, chat_request, json, message, status};
use crate::http::{Drained, Limits};

#[tokio::test]
async fn connections_over_the_limit_are_told_so() {
    let limits = Limits { max_connections: 2, ..Limits::default() };
    let gateway = Setup { limits, ..Setup::default() }.start().await;
    let first = gateway.connect().await;
    let _second = gateway.connect().await;
    gateway.until("both are open", |gateway| gateway.counts.open() == 2).await;
    let answer = gateway.ask("GET", "/v1/models", "").await;
    assert_eq!(
        (status(&answer), json(&answer)["error"]["code"].as_str()),
        (503, Some("too_many_connections"))
    );
    assert_eq!(gateway.counts.rejected(HttpRejection::ConnectionLimit), 1);
    drop(first);
    gateway.until("one is free", |gateway| gateway.counts.open() == 1).await;
    assert_eq!(status(&gateway.ask("GET", "/v1/models", "").await), 200);
    assert_eq!(gateway.counts.most_open(), 2);
}

#[tokio::test]
async fn a_connection_serves_many_requests() {
    let gateway = Gateway::start().await;
    let mut client = gateway.connect().await;
    for number in 0..20 {
        client.send(chat_request("", &message(&format!("say number{number}"), false))).await;
        client.until(&format!("number{number}\"")).await;
    }
    assert_eq!(gateway.counts.most_open(), 1);
}

async fn is_refused(address: SocketAddr) -> bool {
    TcpStream::connect(address)
        .await
        .is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused)
}

#[tokio::test]
async fn a_stopping_server_refuses_connections_and_finishes_exchanges() {
    let gateway = Gateway::start().await;
    let mut idle = gateway.connect().await;
    idle.send("GET /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    idle.until("\"echo\"").await;
    let mut busy = gateway.connect().await;
    busy.send(chat_request("", &message("hang some text", true))).await;
    busy.until("text").await;

    gateway.stop.cancel();
    let refused = async {
        while !is_refused(gateway.address).await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, refused).await.expect("new connections are refused");
    assert_eq!(idle.rest().await, "", "an idle connection is closed at once");
    assert_eq!(gateway.assistant.cancelled(), 0, "the exchange goes on");
    drop(busy);
    assert_eq!(gateway.stopped().await, Drained { cut: 0 });
}

#[tokio::test]
async fn what_does_not_finish_in_time_is_cut() {
    let limits = Limits { drain: Duration::from_millis(200), ..Limits::default() };
    let gateway = Setup { limits, ..Setup::default() }.start().await;
    let assistant = gateway.assistant.clone();
    let mut streaming = gateway.connect().await;
    streaming.send(chat_request("", &message("hang some text", true))).await;
    streaming.until("text").await;
    let mut waiting = gateway.connect().await;
    waiting.send(chat_request("", &message("hang", false))).await;
    let mut half_sent = gateway.connect().await;
    half_sent.send("GET /li").await;
    gateway.until("both turns run", |gateway| gateway.assistant.submitted() == 2).await;

    gateway.stop.cancel();
    assert_eq!(gateway.stopped().await, Drained { cut: 2 });
    tokio::time::timeout(PATIENCE, async {
        while assistant.cancelled() < 2 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("both turns are cancelled");
}

#[tokio::test]
async fn an_exchange_that_finishes_while_the_server_stops_is_complete() {
    let gateway = Gateway::start().await;
    let mut client = gateway.connect().await;
    let request = chat_request("expect: 100-continue\r\n", &message("say done", false));
    let (head, tail) = request.split_at(request.len() - 5);
    client.send(head).await;
    // The handler has asked for the body: the exchange has begun.
    client.until("100 Continue").await;
    gateway.stop.cancel();
    client.send(tail).await;
    let answer = client.rest().await;
    assert_eq!(status(&answer), 200);
    assert!(answer.contains("\"done\"") && answer.contains("connection: close"), "{answer}");
    assert_eq!(gateway.stopped().await, Drained { cut: 0 });
}
