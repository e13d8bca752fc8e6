use std::sync::Arc;
use std::time::Duration;

use picoclaw_telemetry::event::{AttemptOutcome, LlmResponse};
use picoclaw_telemetry::health::{Check, HealthReport, HealthSource};
use picoclaw_telemetry::words::{FailureReason, HealthStatus};
use picoclaw_telemetry::{Bus, Dimension, Event, SinkRegistry};
use serde_json::{Map, Value, json};

use super::*;
use crate::mask::Masker;

struct Judged(HealthStatus);

impl HealthSource for Judged {
    fn report(&self) -> HealthReport {
        let issue = (self.0 != HealthStatus::Healthy).then(|| "provider_x_failing".to_owned());
        let check = Check { name: "provider_x".into(), ok: issue.is_none(), issue, message: String::new() };
        HealthReport { status: self.0, checks: vec![check] }
    }
}

fn document(bus: &Bus, status: HealthStatus) -> (u16, Map<String, Value>, String) {
    let context = Context {
        bus: bus.clone(),
        sinks: SinkRegistry::default(),
        health: Arc::new(Judged(status)),
        masker: Arc::new(Masker::new(&[])),
        started: SystemTime::now(),
    };
    let mut sink = build(&SinkConfig::new("newrelic"), 0, &context).unwrap().sink;
    sink.gap(0, &Bus::default().checkpoint());
    sink.gap(0, &bus.checkpoint());
    let response = sink.serve(&EndpointRequest::default());
    let text = String::from_utf8(response.body.to_vec()).unwrap();
    let object = serde_json::from_str::<Value>(&text).unwrap().as_object().unwrap().clone();
    (response.status, object, text)
}

fn busy() -> Bus {
    let bus = Bus::default();
    let provider = bus.vocabulary().declare(Dimension::Provider, "p");
    let model = bus.vocabulary().declare(Dimension::Model, "m");
    let channel = bus.vocabulary().declare(Dimension::Channel, "http");
    for n in 1..=20 {
        bus.emit(Event::MessageReceived { channel, session: "s".into() });
        bus.emit(Event::LlmRequest { turn: n, provider, model, attempt: 1, session: "s".into() });
        bus.emit(Event::LlmResponse(Arc::new(LlmResponse {
            turn: n,
            provider,
            model,
            outcome: if n % 4 == 0 {
                AttemptOutcome::Failed(FailureReason::Server)
            } else {
                AttemptOutcome::Success
            },
            duration: Duration::from_millis(10),
            first_token: None,
            tokens: None,
            status_code: None,
            error: None,
            session: "s".into(),
        })));
        bus.emit(Event::ReplySent { channel, session: "s".into(), duration: Duration::from_millis(40) });
    }
    bus
}

#[test]
fn the_document_is_flat_and_its_keys_never_change() {
    let (code, healthy, text) = document(&Bus::default(), HealthStatus::Healthy);
    assert_eq!(code, 200);
    assert!(text.starts_with(r#"{"status":"healthy","#) && !text.contains("unhealthy"));
    let keys = |object: &Map<String, Value>| object.keys().cloned().collect::<Vec<_>>();
    for status in HealthStatus::ALL {
        let (_, object, _) = document(&busy(), *status);
        assert_eq!(keys(&object), keys(&healthy));
    }
    assert!(healthy.len() <= 40, "{}", healthy.len());
    for (key, value) in &healthy {
        assert!(value.is_number() || value.is_string(), "{key}: {value}");
        let reserved = ["error", "timestamp", "type", "eventType", "entityName", "hostname", ""];
        assert!(!reserved.contains(&key.as_str()) && !key.contains("Samples"), "{key}");
        assert!(
            value.as_str().is_none_or(|text| text.parse::<f64>().is_err()),
            "{key} would become a number"
        );
    }
}

#[test]
fn the_numbers_are_those_of_the_ledger_and_the_rates_of_the_window() {
    let (_, object, _) = document(&busy(), HealthStatus::Degraded);
    assert_eq!(object["status"], "degraded");
    assert_eq!(object["issues"], "provider_x_failing");
    assert_eq!((&object["messages_total"], &object["messages_per_minute"]), (&json!(20), &json!(20)));
    assert_eq!(
        (&object["provider_errors_total"], &object["provider_error_percent"]),
        (&json!(5), &json!(25))
    );
    assert_eq!(object["response_time_avg_ms"], json!(40));
    let p95 = object["response_time_p95_ms"].as_f64().unwrap();
    assert!(p95 > 25.0 && p95 <= 50.0, "{p95}");
}

#[test]
fn bad_states_answer_503_and_do_not_contain_the_good_word() {
    for status in [HealthStatus::Failing, HealthStatus::Starting, HealthStatus::Draining] {
        let (code, _, text) = document(&Bus::default(), status);
        assert_eq!(code, 503);
        assert!(!text.contains("healthy"));
    }
}
