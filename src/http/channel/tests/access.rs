use picoclaw_telemetry::words::{HttpRejection, Rejection};

use crate::http::admin::Token;
use crate::http::channel::Settings;
use crate::http::channel::access::Access;
use crate::http::testing::{Gateway, Setup, json, message, status};

async fn start(access: Access, host: &'static str) -> Gateway {
    let settings = Settings { access, ..Settings::default() };
    Setup { settings, host: Some(host), ..Setup::default() }.start().await
}

async fn with_key() -> Gateway {
    let access =
        Access { api_key: Token::new("sk-1"), operator: Token::new("operator-token"), ..Access::default() };
    start(access, "127.0.0.1").await
}

async fn try_chat(gateway: &Gateway, headers: &str) -> (u16, String) {
    let answer = gateway.chat(headers, &message("say hi", false)).await;
    (status(&answer), json(&answer)["error"]["code"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn with_a_key_the_key_or_the_operators_token_is_needed() {
    let gateway = with_key().await;
    assert_eq!(try_chat(&gateway, "authorization: Bearer sk-1\r\n").await.0, 200);
    assert_eq!(try_chat(&gateway, "authorization: Bearer operator-token\r\n").await.0, 200);
    for header in
        ["", "authorization: Bearer sk-2\r\n", "authorization: Bearer\r\n", "authorization: Basic sk-1\r\n"]
    {
        assert_eq!(try_chat(&gateway, header).await, (401, "invalid_api_key".to_owned()), "{header}");
    }
    assert_eq!(status(&gateway.ask("GET", "/v1/models", "").await), 401);
    assert_eq!(gateway.counts.rejected(HttpRejection::Unauthorized), 5);
    assert_eq!(
        gateway.assistant.refusals(),
        [("http", Rejection::Unauthorized); 4],
        "asking for models is no message"
    );
}

#[tokio::test]
async fn without_a_key_this_machine_may_ask_with_any_credential() {
    let gateway = Gateway::start().await;
    assert_eq!(try_chat(&gateway, "").await.0, 200);
    assert_eq!(try_chat(&gateway, "authorization: Bearer whatever\r\n").await.0, 200);
}

#[tokio::test]
async fn without_a_key_nobody_may_ask_a_gateway_that_listens_for_others() {
    let gateway = start(Access::default(), "0.0.0.0").await;
    let answer = gateway.chat("", &message("say hi", false)).await;
    assert_eq!(status(&answer), 401);
    assert!(json(&answer)["error"]["message"].as_str().unwrap().contains("gateway.api_key"), "{answer}");
}

#[tokio::test]
async fn web_pages_of_other_origins_are_kept_out() {
    let access = Access { allow_origins: vec!["https://chat.example/".to_owned()], ..Access::default() };
    let gateway = start(access, "127.0.0.1").await;
    for (origin, allowed) in [
        ("http://localhost:3000", true),
        ("https://localhost", true),
        ("http://127.0.0.1:8080", true),
        ("http://[::1]:8080", true),
        ("http://app.localhost:5173", true),
        ("https://chat.example", true),
        ("http://chat.example", false),
        ("https://chat.example.evil", false),
        ("https://evil.example", false),
        ("http://localhost.evil.example", false),
        ("http://127.0.0.1.evil.example", false),
        ("http://evil-localhost", false),
        ("file://localhost", false),
        ("null", false),
    ] {
        let answer = gateway.chat(&format!("origin: {origin}\r\n"), &message("say hi", false)).await;
        assert_eq!(status(&answer), if allowed { 200 } else { 403 }, "{origin}");
        let shown = answer.contains(&format!("access-control-allow-origin: {origin}\r\n"));
        assert_eq!(shown, allowed, "{answer}");
        assert!(answer.contains("vary: Origin\r\n"), "{answer}");
        if !allowed {
            assert_eq!(json(&answer)["error"]["code"], "forbidden_origin");
        }
    }
    assert_eq!(gateway.counts.rejected(HttpRejection::ForbiddenOrigin), 8);
}

#[tokio::test]
async fn a_star_lets_every_page_in() {
    let access = Access { allow_origins: vec!["*".to_owned()], ..Access::default() };
    let gateway = start(access, "127.0.0.1").await;
    assert_eq!(try_chat(&gateway, "origin: null\r\n").await.0, 200);
}

#[tokio::test]
async fn browsers_may_ask_before_they_ask() {
    // A preflight has no credentials.
    let gateway = with_key().await;
    let headers = "origin: http://localhost:3000\r\naccess-control-request-method: POST\r\n\
                   access-control-request-headers: authorization,x-stainless-os\r\n";
    let answer = gateway.ask("OPTIONS", "/v1/chat/completions", headers).await;
    assert_eq!(status(&answer), 204);
    for line in [
        "access-control-allow-origin: http://localhost:3000\r\n",
        "access-control-allow-headers: authorization,x-stainless-os\r\n",
        "access-control-allow-methods: GET, HEAD, POST, OPTIONS\r\n",
    ] {
        assert!(answer.contains(line), "{line} in {answer}");
    }
    let answer = gateway.ask("OPTIONS", "/v1/chat/completions", "origin: https://evil.example\r\n").await;
    assert_eq!(status(&answer), 403);
    assert!(!answer.contains("access-control-allow-origin"), "{answer}");
}

#[tokio::test]
async fn a_name_that_points_here_is_not_enough_to_write() {
    let access = Access { hosts: vec!["box.lan".to_owned()], ..Access::default() };
    let gateway = start(access, "127.0.0.1").await;
    let body = message("say hi", false);
    for (host, code) in [
        ("localhost:18790", 200),
        ("LOCALHOST", 200),
        ("127.0.0.1:18790", 200),
        ("192.168.1.5", 200),
        ("[::1]:18790", 200),
        ("box.lan:18790", 200),
        ("evil.example:18790", 403),
        ("localhost.evil.example", 403),
        ("", 403),
        ("localhost\r\nhost: localhost", 400),
    ] {
        let length = body.len();
        let request = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        assert_eq!(status(&gateway.exchange(request).await), code, "{host}");
    }
    let read = "GET /v1/models HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n";
    assert_eq!(status(&gateway.exchange(read).await), 200);
    let key_decides = with_key().await;
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: any.example\r\nauthorization: Bearer sk-1\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    assert_eq!(status(&key_decides.exchange(request).await), 200);
}
