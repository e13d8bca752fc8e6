use std::sync::Arc;
use std::time::{Duration, SystemTime};

use picoclaw_telemetry::event::{AttemptOutcome, Cost, Declaration, LlmResponse};
use picoclaw_telemetry::words::{
    FailureReason, HealthStatus, HeartbeatOutcome, HookOutcome, HookStage, JobStatus,
};
use picoclaw_telemetry::{Bus, Dimension, Event, Label, Next};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::testing::{self, Judged};

fn document(bus: &Bus, status: HealthStatus) -> (u16, Map<String, Value>, String) {
    let context = testing::context_of(bus, Judged(status, "provider_x_failing".into()));
    let mut sink = build(&SinkConfig::new("newrelic"), 0, &context).unwrap().sink;
    sink.start(&Bus::default().checkpoint());
    sink.gap(0, &bus.checkpoint());
    asked(sink.as_mut())
}

fn asked(sink: &mut dyn Sink) -> (u16, Map<String, Value>, String) {
    let response = sink.serve(&EndpointRequest::default());
    assert_eq!(response.content_type, "application/json");
    let text = String::from_utf8(response.body.to_vec()).unwrap();
    let object = serde_json::from_str::<Value>(&text).unwrap().as_object().unwrap().clone();
    (response.status, object, text)
}

fn busy() -> Bus {
    let bus = Bus::default();
    work(&bus);
    bus
}

fn work(bus: &Bus) {
    let provider = bus.vocabulary().declare(Dimension::Provider, "p");
    let model = bus.vocabulary().declare(Dimension::Model, "m");
    let channel = bus.vocabulary().declare(Dimension::Channel, "http");
    for n in 1..=20 {
        bus.emit(Event::MessageReceived { channel, session: "s".into() });
        bus.emit(Event::LlmRequest { turn: n, provider, model, attempt: 1, session: "s".into() });
        bus.emit(response(provider, model, n, n % 4 == 0));
        bus.emit(Event::ReplySent { channel, session: "s".into(), duration: Duration::from_millis(40) });
    }
}

fn response(provider: Label, model: Label, turn: u64, failed: bool) -> Event {
    let outcome =
        if failed { AttemptOutcome::Failed(FailureReason::Server) } else { AttemptOutcome::Success };
    Event::LlmResponse(Arc::new(LlmResponse {
        turn,
        provider,
        model,
        outcome,
        duration: Duration::from_millis(10),
        first_token: None,
        cost: None,
        tokens: None,
        status_code: None,
        error: None,
        session: "s".into(),
    }))
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
    // One more needs another to go.
    assert!(healthy.len() <= 40, "{}", healthy.len());
    fit_for_nri_flex(&healthy);
}

/// What nri-flex and New Relic make something else of.
fn fit_for_nri_flex(document: &Map<String, Value>) {
    for (key, value) in document {
        assert!(value.is_number() || value.is_string(), "{key}: {value}");
        assert!(value.as_f64().is_none_or(f64::is_finite), "{key}: {value}");
        let reserved = ["error", "timestamp", "type", "eventType", "entityName", "hostname", ""];
        assert!(!reserved.contains(&key.as_str()) && !key.contains("Samples"), "{key}");
        let becomes_number = value.as_str().is_some_and(|text| text.parse::<f64>().is_ok());
        assert!(!becomes_number, "{key}: {value}");
    }
}

proptest! {
    #[test]
    fn whatever_happened_the_document_is_flat_json_with_the_same_keys(
        durations in proptest::collection::vec(0_u64..u64::MAX / 2, 0..20),
        failures in proptest::collection::vec(proptest::bool::ANY, 0..20),
        issue in ".{0,40}",
        status in proptest::sample::select(HealthStatus::ALL),
    ) {
        let bus = Bus::default();
        let context = testing::context_of(&bus, Judged(status, format!("provider_{issue}_failing")));
        context.sinks.entry("a");
        let mut sink = build(&SinkConfig::new("newrelic"), 0, &context).unwrap().sink;
        sink.start(&bus.checkpoint());
        let (_, before, _) = asked(sink.as_mut());
        let channel = bus.vocabulary().declare(Dimension::Channel, "http");
        let provider = bus.vocabulary().declare(Dimension::Provider, "p");
        let model = bus.vocabulary().declare(Dimension::Model, "m");
        for nanos in durations {
            let duration = Duration::from_nanos(nanos);
            bus.emit(Event::ReplySent { channel, session: "s".into(), duration });
        }
        for failed in failures {
            bus.emit(response(provider, model, 1, failed));
        }
        sink.gap(0, &bus.checkpoint());
        let (_, after, text) = asked(sink.as_mut());
        fit_for_nri_flex(&after);
        prop_assert!(before.keys().eq(after.keys()));
        let start = format!("{{\"status\":\"{}\",\"issues\":\"", status.as_str());
        prop_assert!(text.starts_with(&start));
    }
}

#[tokio::test(start_paused = true)]
async fn what_happened_before_the_window_is_in_the_totals_only() {
    let bus = Bus::default();
    let mut sink = build(&SinkConfig::new("newrelic"), 0, &testing::context(&bus)).unwrap().sink;
    sink.start(&bus.checkpoint());
    let Cadence::Every(cadence) = sink.cadence() else { panic!("it takes no samples") };
    let pass = async |sink: &mut dyn Sink, time: Duration| {
        for _ in 0..time.as_secs() / cadence.as_secs() {
            tokio::time::advance(cadence).await;
            sink.tick(SystemTime::now());
            assert!(sink.seal(false).is_none());
        }
    };
    work(&bus);
    sink.gap(0, &bus.checkpoint());
    let recent = |sink: &mut dyn Sink| {
        let (_, now, _) = asked(sink);
        let of = |key: &str| now[key].as_f64().unwrap();
        (
            of("messages_total"),
            of("messages_per_minute"),
            of("provider_error_percent"),
            of("response_time_p95_ms"),
        )
    };
    pass(sink.as_mut(), Duration::from_secs(120)).await;
    let (total, rate, errors, p95) = recent(sink.as_mut());
    assert_eq!((total, rate, errors), (20.0, 10.0, 25.0));
    assert!(p95 > 25.0);
    pass(sink.as_mut(), Duration::from_secs(240)).await;
    assert_eq!(recent(sink.as_mut()), (20.0, 0.0, 0.0, 0.0));
    work(&bus);
    sink.gap(0, &bus.checkpoint());
    let (total, rate, ..) = recent(sink.as_mut());
    assert_eq!((total, rate), (40.0, 4.0));
}

#[tokio::test(start_paused = true)]
async fn no_quantile_is_above_the_slowest_response() {
    let bus = Bus::default();
    let mut subscription = bus.subscribe();
    let mut sink = build(&SinkConfig::new("newrelic"), 0, &testing::context(&bus)).unwrap().sink;
    sink.start(&bus.checkpoint());
    let channel = bus.vocabulary().declare(Dimension::Channel, "http");
    let mut reply = |sink: &mut dyn Sink, seconds: u64| {
        bus.emit(Event::ReplySent { channel, session: "s".into(), duration: Duration::from_secs(seconds) });
        let Some(Next::Record(record)) = subscription.try_next() else { panic!("no record") };
        sink.record(record);
    };
    let p95 = |sink: &mut dyn Sink| asked(sink).1["response_time_p95_ms"].as_f64().unwrap();
    let pass = async |sink: &mut dyn Sink, seconds: u64| {
        let Cadence::Every(cadence) = sink.cadence() else { panic!("it takes no samples") };
        for _ in 0..seconds / cadence.as_secs() {
            tokio::time::advance(cadence).await;
            assert!(sink.seal(false).is_none());
        }
    };
    reply(sink.as_mut(), 6);
    assert_eq!(p95(sink.as_mut()), 6000.0);
    pass(sink.as_mut(), 100).await;
    reply(sink.as_mut(), 1);
    assert_eq!(p95(sink.as_mut()), 6000.0, "the slowest of the window counts");
    // After a gap nobody knows which was the slowest.
    sink.gap(1, &bus.checkpoint());
    assert!(p95(sink.as_mut()) > 6000.0);
    pass(sink.as_mut(), 300).await;
    reply(sink.as_mut(), 6);
    pass(sink.as_mut(), 20).await;
    assert_eq!(p95(sink.as_mut()), 6000.0, "the gap is before the window");
}

#[test]
fn options_out_of_bounds_and_unknown_ones_are_refused_by_name() {
    for (options, start) in [
        (json!({"window_seconds": 9}), "telemetry.sinks[1].options.window_seconds: "),
        (json!({"window": 60}), "telemetry.sinks[1].options.window: unknown field"),
    ] {
        let mut config = SinkConfig::new("newrelic");
        config.options = options;
        let Err(error) = build(&config, 1, &testing::context(&Bus::default())) else { panic!("{start}") };
        assert!(error.to_string().starts_with(start), "{error}");
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
fn channels_jobs_hooks_servers_and_cost_are_told() {
    let bus = Bus::default();
    let named = |dimension, name| bus.vocabulary().declare(dimension, name);
    let [up, down] = ["up", "down"].map(|name| named(Dimension::Channel, name));
    let (server, hook) = (named(Dimension::McpServer, "files"), named(Dimension::Hook, "gate"));
    let (provider, model) = (named(Dimension::Provider, "p"), named(Dimension::Model, "m"));
    let mut declared = vec![Declaration::McpServer(server), Declaration::Hook(hook)];
    declared.extend([up, down].map(Declaration::Channel));
    bus.emit(Event::Declared(declared.into()));
    bus.emit(Event::ChannelStarted { channel: up });
    let mut answer = response(provider, model, 1, false);
    if let Event::LlmResponse(facts) = &mut answer {
        Arc::get_mut(facts).unwrap().cost = Some(Cost(123_000_000));
    }
    bus.emit(answer);
    for status in JobStatus::ALL {
        let duration = Duration::ZERO;
        bus.emit(Event::CronRunStart { job: "1".into(), name: "j".into() });
        bus.emit(Event::CronRunEnd {
            job: "1".into(),
            name: "j".into(),
            status: *status,
            duration,
            error: None,
        });
    }
    for outcome in HeartbeatOutcome::ALL {
        bus.emit(Event::HeartbeatEnd { outcome: *outcome, duration: Duration::ZERO, error: None });
    }
    for outcome in HookOutcome::ALL {
        let (stage, duration) = (HookStage::BeforeTool, Duration::ZERO);
        bus.emit(Event::HookCall { hook, stage, outcome: *outcome, duration, error: None });
    }
    for _ in 0..3 {
        bus.emit(Event::OutboundQueued { channel: up, chat: "1".into() });
    }
    bus.emit(Event::OutboundFailed { channel: up, chat: "1".into(), tries: 1, error: "x".into() });
    let (_, told, _) = document(&bus, HealthStatus::Healthy);
    for (key, value) in [
        ("cost_usd_total", json!(0.000123)),
        ("channels_down", json!(1)),
        ("outbound_failures_total", json!(1)),
        ("mcp_servers_down", json!(1)),
        ("jobs_failed_total", json!(4)),
        ("hooks_down", json!(1)),
        ("providers_cooling_down", json!(0)),
    ] {
        assert_eq!(told[key], value, "{key}");
    }
    // A reload takes them out: nothing of that is down any more.
    bus.emit(Event::ChannelRemoved { channel: down });
    bus.emit(Event::McpServerStopped { server });
    bus.emit(Event::HookStopped { hook });
    let (_, told, _) = document(&bus, HealthStatus::Healthy);
    for key in ["channels_down", "mcp_servers_down", "hooks_down"] {
        assert_eq!(told[key], json!(0), "{key}");
    }
}

#[test]
fn bad_states_answer_503_and_do_not_contain_the_good_word() {
    for status in [HealthStatus::Failing, HealthStatus::Starting, HealthStatus::Draining] {
        let (code, _, text) = document(&Bus::default(), status);
        assert_eq!(code, 503);
        assert!(!text.contains("healthy"));
    }
}
