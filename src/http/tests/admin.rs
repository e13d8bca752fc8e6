use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use async_trait::async_trait;
use picoclaw_telemetry::words::HttpRejection;
use tokio::sync::Notify;

use crate::http::admin::{ReloadError, Reloaded, Reloader};
use crate::http::testing::{Gateway, Setup, json, status};

const BEARER: &str = "authorization: Bearer operator-token\r\n";

#[derive(Default)]
struct Fake {
    error: Option<&'static str>,
    needs_restart: Vec<&'static str>,
    gate: Option<Notify>,
    begun: AtomicUsize,
    done: AtomicUsize,
}

#[async_trait]
impl Reloader for Fake {
    async fn reload(&self) -> Result<Reloaded, ReloadError> {
        self.begun.fetch_add(1, SeqCst);
        if let Some(gate) = &self.gate {
            gate.notified().await;
        }
        self.done.fetch_add(1, SeqCst);
        match self.error {
            Some(error) => Err(ReloadError(error.to_owned())),
            None => Ok(Reloaded { needs_restart: self.needs_restart.clone(), ..Reloaded::default() }),
        }
    }
}

async fn start(reloader: &Arc<Fake>) -> Gateway {
    Setup { reloader: Some(reloader.clone()), ..Setup::default() }.start().await
}

#[tokio::test]
async fn the_holder_of_the_token_reloads() {
    let reloader = Arc::new(Fake::default());
    let gateway = start(&reloader).await;
    let answer = gateway.ask("POST", "/reload", BEARER).await;
    assert_eq!(status(&answer), 200);
    assert!(answer.ends_with(r#"{"status":"reload triggered"}"#), "{answer}");
    assert_eq!(reloader.done.load(SeqCst), 1);
}

#[tokio::test]
async fn what_needs_a_restart_is_told() {
    let reloader = Arc::new(Fake { needs_restart: vec!["gateway.port"], ..Fake::default() });
    let gateway = start(&reloader).await;
    let answer = gateway.ask("POST", "/reload", BEARER).await;
    assert_eq!(json(&answer)["needs_restart"], serde_json::json!(["gateway.port"]));
}

#[tokio::test]
async fn others_do_not() {
    let reloader = Arc::new(Fake::default());
    let gateway = start(&reloader).await;
    for header in ["", "authorization: Bearer operator-toke\r\n", "authorization: operator-token\r\n"] {
        let answer = gateway.ask("POST", "/reload", header).await;
        assert_eq!(status(&answer), 401);
        assert!(answer.ends_with(r#"{"error":"unauthorized"}"#), "{answer}");
    }
    assert_eq!(gateway.counts.rejected(HttpRejection::Unauthorized), 3);
    let answer = gateway.ask("GET", "/reload", BEARER).await;
    assert_eq!(status(&answer), 405);
    assert!(
        answer.contains("allow: POST") && answer.ends_with(r#"{"error":"method not allowed, use POST"}"#)
    );
    assert_eq!(reloader.begun.load(SeqCst), 0);
}

#[tokio::test]
async fn a_failed_reload_says_why() {
    let reloader = Arc::new(Fake { error: Some("reload already in progress"), ..Fake::default() });
    let gateway = start(&reloader).await;
    let answer = gateway.ask("POST", "/reload", BEARER).await;
    assert_eq!(status(&answer), 500);
    assert_eq!(json(&answer)["error"], "reload already in progress");
}

#[tokio::test]
async fn a_gateway_that_cannot_reload_says_so() {
    let answer = Gateway::start().await.ask("POST", "/reload", BEARER).await;
    assert_eq!(status(&answer), 503);
    assert_eq!(json(&answer)["error"], "reload not configured");
}

#[tokio::test]
async fn a_reload_goes_on_when_its_caller_leaves() {
    let reloader = Arc::new(Fake { gate: Some(Notify::new()), ..Fake::default() });
    let gateway = start(&reloader).await;
    let mut client = gateway.connect().await;
    client.send(format!("POST /reload HTTP/1.1\r\nhost: x\r\n{BEARER}\r\n")).await;
    gateway.until("the reload has begun", |_| reloader.begun.load(SeqCst) == 1).await;
    drop(client);
    gateway.until("the caller is gone", |gateway| gateway.counts.open() == 0).await;
    reloader.gate.as_ref().unwrap().notify_one();
    gateway.until("the reload is done", |_| reloader.done.load(SeqCst) == 1).await;
}
