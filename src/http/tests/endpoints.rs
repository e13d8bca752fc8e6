use std::io::Read;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use picoclaw_telemetry::sink::{Endpoint, EndpointRequest, EndpointResponse};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::http::endpoints::PathTaken;
use crate::http::readiness::{LiveEndpoint, Readiness, ReadinessReport, ReadyEndpoint};
use crate::http::testing::{Client, Counts, Gateway, Setup, json, status};
use crate::http::*;

/// Answers with its request, and as many signs as the query says.
struct Mirror;

#[async_trait]
impl Endpoint for Mirror {
    async fn ask(&self, request: EndpointRequest) -> EndpointResponse {
        let size =
            request.query.as_deref().and_then(|query| query.strip_prefix("size=")?.parse().ok()).unwrap_or(0);
        EndpointResponse {
            status: 200,
            content_type: "text/plain; version=0.0.4; charset=utf-8",
            headers: vec![("x-accept", request.accept.unwrap_or_default())],
            body: Bytes::from("m".repeat(size)),
        }
    }
}

struct Judgement(bool);

impl Readiness for Judgement {
    fn report(&self) -> ReadinessReport {
        ReadinessReport { ready: self.0, uptime: "1s".to_owned(), ..ReadinessReport::default() }
    }
}

fn table(ready: bool) -> EndpointTable {
    let mut table = EndpointTable::new();
    table.add("/metrics", Arc::new(Mirror)).unwrap();
    table.add_probe("/live", Arc::new(LiveEndpoint)).unwrap();
    table.add_probe("/ready", Arc::new(ReadyEndpoint::new(Arc::new(Judgement(ready))))).unwrap();
    table
}

async fn start(ready: bool) -> Gateway {
    Setup { table: table(ready), ..Setup::default() }.start().await
}

#[tokio::test]
async fn an_endpoint_gets_the_request_and_its_answer_is_sent() {
    let gateway = start(true).await;
    let answer = gateway.ask("GET", "/metrics?size=3", "Accept: text/html\r\n").await;
    assert_eq!(status(&answer), 200);
    assert!(answer.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"), "{answer}");
    assert!(answer.contains("x-accept: text/html\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nmmm"), "{answer}");
}

#[tokio::test]
async fn head_has_the_head_of_get_without_the_body() {
    let gateway = start(true).await;
    let answer = gateway.ask("HEAD", "/metrics?size=2000", "").await;
    assert_eq!(status(&answer), 200);
    assert!(answer.contains("content-length: 2000\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n"), "{answer}");
}

#[tokio::test]
async fn other_methods_are_told_what_is_allowed() {
    let gateway = start(true).await;
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        let answer = gateway.ask(method, "/metrics", "content-length: 0\r\n").await;
        assert_eq!(status(&answer), 405, "{method}");
        assert!(answer.contains("allow: GET, HEAD\r\n"), "{answer}");
        assert_eq!(json(&answer)["error"]["code"], "method_not_allowed");
    }
}

#[tokio::test]
async fn only_the_exact_path_matches() {
    let gateway = start(true).await;
    for path in
        ["/metrics/", "/metrics/extra", "/metric", "/", "//metrics", "/METRICS", "/%6detrics", "/v1", "/v1/x"]
    {
        let answer = gateway.ask("GET", path, "").await;
        assert_eq!(status(&answer), 404, "{path}");
        assert_eq!(json(&answer)["error"]["code"], "unknown_path", "{path}");
    }
}

#[tokio::test]
async fn large_answers_are_compressed_when_asked() {
    let gateway = start(true).await;
    let mut client = gateway.connect().await;
    client
        .send("GET /metrics?size=5000 HTTP/1.1\r\nhost: x\r\naccept-encoding: gzip\r\nconnection: close\r\n\r\n")
        .await;
    let mut bytes = Vec::new();
    tokio::io::AsyncReadExt::read_to_end(&mut client.0, &mut bytes).await.unwrap();
    let body = bytes.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
    let head = String::from_utf8_lossy(&bytes[..body]).into_owned();
    assert!(head.contains("content-encoding: gzip") && head.contains("vary: Accept-Encoding"), "{head}");
    let mut text = String::new();
    flate2::read::GzDecoder::new(&bytes[body..]).read_to_string(&mut text).unwrap();
    assert_eq!(text, "m".repeat(5000));

    let plain = gateway.ask("GET", "/metrics?size=5000", "accept-encoding: gzip;q=0\r\n").await;
    assert!(plain.ends_with("mmm") && plain.contains("vary: Accept-Encoding"), "{plain:.300}");
}

#[tokio::test]
async fn any_host_and_http_1_0_are_served() {
    let gateway = start(true).await;
    let answer = gateway.exchange("GET /live HTTP/1.0\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.0 200") && answer.ends_with("{\"alive\":true}"), "{answer}");
    let answer = gateway.exchange(
        "GET /live?x=%zz&&= HTTP/1.1\r\nHost: evil.example\r\nAccept: \u{e9}\r\nconnection: close\r\n\r\n",
    );
    assert_eq!(status(&answer.await), 200);
}

#[tokio::test]
async fn readiness_decides_the_status() {
    for (ready, code, word) in [(true, 200, "ready"), (false, 503, "not ready")] {
        let gateway = start(ready).await;
        let answer = gateway.ask("GET", "/ready", "").await;
        assert_eq!((status(&answer), json(&answer)["status"].as_str()), (code, Some(word)));
        assert_eq!(json(&answer)["ready"], ready);
        assert_eq!(status(&gateway.ask("HEAD", "/ready", "").await), code);
    }
}

#[tokio::test]
async fn a_new_table_is_in_force_at_once_on_open_connections() {
    let gateway = start(true).await;
    let mut client = gateway.connect().await;
    client.send("GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n").await;
    client.until("200 OK").await;
    gateway.endpoints.replace(EndpointTable::new());
    client.send("GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(client.rest().await.contains("404 Not Found"));
}

#[test]
fn a_path_has_one_endpoint() {
    assert_eq!(table(true).add("/live", Arc::new(Mirror)), Err(PathTaken("/live".to_owned())));
}

#[tokio::test]
async fn the_listener_for_probes_serves_nothing_else() {
    let bound = bind("127.0.0.1", 0).await.unwrap();
    let address = bound.addresses[0];
    let endpoints = Endpoints::new(table(true));
    let routes = routes::probes(endpoints.clone());
    let stop = CancellationToken::new();
    tokio::spawn(serve(
        bound.listeners,
        routes,
        Limits::default(),
        Arc::new(Counts::default()),
        stop.clone(),
    ));
    let get = async |path: &str| {
        let mut client = Client(TcpStream::connect(address).await.unwrap());
        client.send(format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")).await;
        status(&client.rest().await)
    };
    for (path, code) in
        [("/ready", 200), ("/live", 200), ("/metrics", 404), ("/v1/models", 404), ("/reload", 404)]
    {
        assert_eq!(get(path).await, code, "{path}");
    }
    let mut moved = EndpointTable::new();
    moved.add_probe("/alive", Arc::new(LiveEndpoint)).unwrap();
    endpoints.replace(moved);
    assert_eq!((get("/alive").await, get("/live").await), (200, 404));
    stop.cancel();
}
