//! With a token configured, strangers learn only whether the gateway is well.

use serde_json::json;

use crate::support::{Gateway, request};

const TOKEN: &str = "scrape-token-0123";

fn status(gateway: &Gateway, path: &str, authorization: &str) -> u16 {
    request(gateway.port, "GET", path, &[("Authorization", authorization)], b"").unwrap().status
}

#[test]
fn metrics_are_for_who_shows_the_token_and_a_reload_changes_it() {
    let auth = json!({ "token": TOKEN, "username": "prom", "password": "pass-word" });
    let gateway = Gateway::start(json!({ "gateway": { "metrics": { "auth": auth } } }));
    let refused = gateway.get("/metrics");
    assert_eq!((refused.status, refused.header("content-type")), (401, "application/json"));
    let challenges: Vec<_> = refused.headers.iter().filter(|(name, _)| name == "www-authenticate").collect();
    assert_eq!(challenges.len(), 2);
    assert!(!refused.text().contains(TOKEN));
    assert_eq!(status(&gateway, "/metrics", "Bearer wrong"), 401);
    assert_eq!(status(&gateway, "/metrics", &format!("Bearer {TOKEN}")), 200);
    assert_eq!(status(&gateway, "/metrics", "Basic cHJvbTpwYXNzLXdvcmQ="), 200);
    let operator = format!("Bearer {}", gateway.token);
    let answer =
        request(gateway.port, "GET", "/metrics", &[("Authorization", operator.as_str())], b"").unwrap();
    assert!(
        answer.text().contains("picoclaw_http_rejected_total{reason=\"unauthorized\"} 2\n"),
        "{}",
        answer.text()
    );
    // Nothing else changed: chat, probes and the details of /health are open.
    assert_eq!(gateway.chat("s", "x"), "x");
    assert_eq!(gateway.health()["messages_total"], 1);

    gateway.home.configure(json!({ "gateway": { "metrics": { "auth": { "token": "another-token" } } } }));
    assert_eq!(gateway.reload().status, 200);
    assert_eq!(status(&gateway, "/metrics", &format!("Bearer {TOKEN}")), 401);
    assert_eq!(status(&gateway, "/metrics", "Bearer another-token"), 200);
    gateway.home.configure(json!({}));
    gateway.reload();
    assert_eq!(gateway.get("/metrics").status, 200);
    let home = gateway.stop();
    let said = std::fs::read_to_string(home.join("logs/picoclaw.log")).unwrap();
    assert!(!said.contains(TOKEN) && !said.contains("another-token") && !said.contains("pass-word"));
}

#[test]
fn health_gives_strangers_its_basic_keys_and_the_same_verdict() {
    let gateway = Gateway::start(json!({
        "gateway": { "metrics": { "auth": { "token": TOKEN } }, "health_check": { "details": "authenticated" } }
    }));
    let keys = |authorization: &[(&str, &str)]| {
        let answer = request(gateway.port, "GET", "/health", authorization, b"").unwrap();
        assert_eq!(answer.status, 200);
        let document = answer.json();
        assert!(document.as_object().unwrap().values().all(|value| value.is_string() || value.is_number()));
        document.as_object().unwrap().keys().cloned().collect::<Vec<_>>()
    };
    let basic = ["issues", "issues_count", "pid", "status", "time", "uptime", "uptime_seconds", "version"];
    assert_eq!(keys(&[]), basic);
    assert_eq!(keys(&[("Authorization", "Bearer wrong")]), basic, "no alarm depends on a secret");
    let bearer = format!("Bearer {TOKEN}");
    assert!(keys(&[("Authorization", bearer.as_str())]).len() > 30);
    let ready = gateway.get("/ready");
    assert_eq!((ready.status, &ready.json()["checks"]), (200, &json!({})));
    assert_eq!(gateway.get("/live").status, 200);
    let ready = request(gateway.port, "GET", "/ready", &[("Authorization", bearer.as_str())], b"").unwrap();
    assert_eq!(ready.json()["checks"]["sessions"]["status"], "ok");
    gateway.say("s", "!fail 500");
    assert_eq!(gateway.health()["status"], "degraded");
}
