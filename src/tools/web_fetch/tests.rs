use std::net::SocketAddr;

use picoclaw_telemetry::words::ToolStatus::{self, Denied, Error, Success, Timeout};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::*;

/// A server that answers each connection with the next of these responses, and tells what it was asked.
async fn server(responses: Vec<Vec<u8>>) -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (asked, requests) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        for response in responses {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(stream.read_u8().await.unwrap());
            }
            asked.send(String::from_utf8(request).unwrap()).unwrap();
            // The client may hang up before it has read all.
            let _ = stream.write_all(&response).await;
        }
        // Later connections stay without an answer.
        let _open = listener;
        std::future::pending::<()>().await;
    });
    (address, requests)
}

fn response(head: &str, body: &[u8]) -> Vec<u8> {
    let mut response = format!("HTTP/1.1 {head}\r\nConnection: close\r\n\r\n").into_bytes();
    response.extend_from_slice(body);
    response
}

fn page(content_type: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    response(&format!("200 OK\r\nContent-Type: {content_type}"), body.as_ref())
}

fn allowing(hosts: &[&str]) -> WebFetch {
    let options = WebFetchOptions {
        private_host_whitelist: AllowedHosts::parse(hosts.iter().copied()).unwrap(),
        ..WebFetchOptions::default()
    };
    WebFetch::new(&options)
}

async fn fetch(response: Vec<u8>, arguments: impl FnOnce(String) -> Value) -> ToolOutput {
    let (address, _requests) = server(vec![response]).await;
    allowing(&["127.0.0.1"]).call(arguments(format!("http://{address}/"))).await
}

async fn fetched(response: Vec<u8>) -> ToolOutput {
    fetch(response, |url| json!({"url": url})).await
}

#[track_caller]
fn is(output: &ToolOutput, status: ToolStatus, says: &str) {
    assert_eq!(output.status, status, "{}", output.text);
    assert!(output.text.contains(says), "{}", output.text);
}

#[tokio::test]
async fn html_becomes_text() {
    let html = "<html><head><title>t</title><script>evil()</script></head><body><h1>Hello</h1><p>w&ouml;rld</p></body>";
    let output = fetched(page("text/html; charset=utf-8", html)).await;
    is(&output, Success, "Hello");
    assert!(output.text.contains("wörld") && !output.text.contains("evil"), "{}", output.text);
}

#[tokio::test]
async fn other_text_stays_as_it_is() {
    is(&fetched(page("application/json", "{\"a\": 1}")).await, Success, "\n\n{\"a\": 1}");
    is(&fetched(page("application/vnd.x+json", "{\"a\": 1}")).await, Success, "{\"a\": 1}");
    is(&fetched(page("text/plain", "<b>not html</b>")).await, Success, "<b>not html</b>");
    is(&fetched(response("200 OK", b"<!DOCTYPE html><p>guessed</p>")).await, Success, "\n\nguessed");
}

#[tokio::test]
async fn binary_content_is_refused() {
    is(&fetched(page("image/png", b"x")).await, Error, "image/png, not text");
    is(&fetched(page("text/plain", b"a\0b")).await, Error, "is not text");
    is(&fetched(response("200 OK", b"\xff\xfe\xfd")).await, Error, "is not text");
}

#[tokio::test]
async fn the_text_is_cut_to_max_chars() {
    let response = page("text/plain", "é".repeat(100));
    let output = fetch(response, |url| json!({"url": url, "maxChars": 10})).await;
    is(&output, Success, "\n\néééééééééé\n[truncated: 10 of 100 characters]");
}

#[tokio::test]
async fn an_endless_body_is_cut() {
    let output =
        fetch(page("text/plain", vec![b'x'; 11 << 20]), |url| json!({"url": url, "maxChars": 10_000_000}))
            .await;
    is(&output, Success, "[truncated: 200000 of 10485760 characters]");
}

#[tokio::test]
async fn an_error_status_is_an_error_with_the_beginning_of_the_page() {
    let output = fetched(response("404 Not Found\r\nContent-Type: text/plain", b"no such page")).await;
    is(&output, Error, "404 Not Found");
    is(&output, Error, "no such page");
}

#[tokio::test]
async fn redirects_are_followed_without_credentials() {
    let to = response("302 Found\r\nLocation: http://user:pass@127.0.0.1:PORT/next?x", b"");
    let second = server(vec![page("text/plain", "arrived")]).await;
    let to = String::from_utf8(to).unwrap().replace("PORT", &second.0.port().to_string());
    let first = server(vec![to.into_bytes()]).await;
    let url = format!("http://me:secret@{}/", first.0);
    let output = allowing(&["127.0.0.1"]).call(json!({"url": url})).await;
    is(&output, Success, &format!("http://{}/next?x\n\narrived", second.0));
    for mut requests in [first.1, second.1] {
        let request = requests.recv().await.unwrap().to_lowercase();
        assert!(!request.contains("authorization") && !request.contains("referer"), "{request}");
    }
}

#[tokio::test]
async fn a_redirect_to_a_private_address_is_refused() {
    for target in ["http://169.254.169.254/latest/meta-data", "http://[::1]/", "file:///etc/passwd"] {
        let output = fetched(response(&format!("302 Found\r\nLocation: {target}"), b"")).await;
        assert_eq!(output.status, Denied, "{target}: {}", output.text);
    }
}

#[tokio::test]
async fn redirects_end() {
    let redirect = response("302 Found\r\nLocation: /again", b"");
    let (address, _requests) = server(vec![redirect; 10]).await;
    let output = allowing(&["127.0.0.1"]).call(json!({"url": format!("http://{address}/")})).await;
    is(&output, Error, "more than 5 redirects");
}

#[tokio::test]
async fn private_addresses_are_refused_in_every_spelling() {
    let (address, mut requests) = server(vec![page("text/plain", "secret")]).await;
    let port = address.port();
    for host in [
        "127.0.0.1",
        "localhost",
        "LOCALHOST",
        "127.1",
        "0x7f000001",
        "2130706433",
        "0177.0.0.1",
        "0.0.0.0",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::127.0.0.1]",
        "[::]",
    ] {
        let output = allowing(&[]).call(json!({"url": format!("http://{host}:{port}/")})).await;
        is(&output, Denied, "is not a public address");
    }
    assert!(requests.try_recv().is_err());
}

#[tokio::test]
async fn a_host_is_allowed_by_its_name() {
    let (address, _requests) = server(vec![page("text/plain", "inside")]).await;
    let output =
        allowing(&["localhost"]).call(json!({"url": format!("http://localhost:{}/", address.port())})).await;
    is(&output, Success, "inside");
}

#[tokio::test]
async fn wrong_arguments_are_named() {
    let tool = allowing(&[]);
    is(&tool.call(json!({})).await, Error, "argument `url` is missing");
    is(&tool.call(json!({"url": "example.com"})).await, Error, "argument `url` is no URL");
    is(&tool.call(json!({"url": "ftp://example.com/"})).await, Denied, "not an http or https URL");
    is(&tool.call(json!({"url": "http://1.1.1.1/", "maxChars": -1})).await, Error, "argument `maxChars`");
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_a_timeout() {
    let (address, _requests) = server(vec![]).await;
    let options = WebFetchOptions {
        private_host_whitelist: AllowedHosts::parse(["127.0.0.0/8"]).unwrap(),
        timeout: Duration::from_millis(50),
        ..WebFetchOptions::default()
    };
    let output = WebFetch::new(&options).call(json!({"url": format!("http://{address}/")})).await;
    is(&output, Timeout, "did not answer in time");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_an_error() {
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let output = allowing(&["127.0.0.1"]).call(json!({"url": format!("http://{address}/")})).await;
    is(&output, Error, "could not be fetched: Connection refused");
}
