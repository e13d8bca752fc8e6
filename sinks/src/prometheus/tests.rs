use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use picoclaw_telemetry::event::Declaration;
use picoclaw_telemetry::words::{Level, Origin, TurnStatus};
use picoclaw_telemetry::{Bus, Dimension, Event, Metric};
use prometheus::TextEncoder;
use prometheus::core::Collector;
use proptest::prelude::*;

use super::collector::LedgerCollector;
use super::*;
use crate::testing;

fn context(bus: &Bus) -> Context {
    let context = testing::context(bus);
    context.sinks.entry("log \"quoted\\\n\"").add_delivered(3);
    context
}

fn scrape(bus: &Bus, accept: Option<&str>) -> (String, String) {
    let mut sink = build(&SinkConfig::new("prometheus"), 0, &context(bus)).unwrap().sink;
    let request = EndpointRequest { accept: accept.map(str::to_owned), ..EndpointRequest::default() };
    let response = sink.serve(&request);
    (response.content_type.to_owned(), String::from_utf8(response.body.to_vec()).unwrap())
}

/// A bus on which something happened.
fn used(names: &[String], durations: &[u64]) -> Bus {
    let bus = Bus::default();
    let mut declarations = Vec::new();
    for name in names {
        let provider = bus.vocabulary().declare(Dimension::Provider, name);
        let model = bus.vocabulary().declare(Dimension::Model, name);
        declarations.extend([
            Declaration::Provider(provider),
            Declaration::Model(provider, model),
            Declaration::Tool(bus.vocabulary().declare(Dimension::Tool, name)),
            Declaration::Channel(bus.vocabulary().declare(Dimension::Channel, name)),
        ]);
    }
    bus.emit(Event::Declared(declarations.into()));
    let channel = bus.vocabulary().declare(Dimension::Channel, "http");
    let agent = bus.vocabulary().declare(Dimension::Agent, "main");
    for nanos in durations {
        let turn = picoclaw_telemetry::guard::Turn::start(&bus, Origin::User, agent, channel, "s".into());
        bus.emit(Event::MessageReceived { channel, session: "s".into() });
        bus.emit(Event::ReplySent { channel, session: "s".into(), duration: Duration::from_nanos(*nanos) });
        turn.finish(TurnStatus::Completed, None);
    }
    bus
}

proptest! {
    #[test]
    fn our_text_is_the_text_of_the_crate(
        names in proptest::collection::vec(".{0,12}", 0..5),
        durations in proptest::collection::vec(0_u64..400_000_000_000, 0..20),
    ) {
        let bus = used(&names, &durations);
        let ledger = bus.checkpoint().ledger;
        let families = LedgerCollector::new(Arc::new(Mutex::new(ledger.clone()))).collect();
        let theirs = TextEncoder::new().encode_to_string(&families).unwrap();
        let mut ours = Vec::new();
        Encoder::new(Format::Text).ledger(&mut ours, &ledger);
        let ours = String::from_utf8(ours).unwrap();
        let without_empty: String = with_series(&ours);
        prop_assert_eq!(without_empty, theirs);
    }
}

/// Without the families that have no series yet: the crate's encoder refuses them.
fn with_series(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let mut kept = String::new();
    for (at, line) in lines.iter().enumerate() {
        let empty_help =
            line.starts_with("# HELP") && lines.get(at + 2).is_none_or(|l| l.starts_with("# HELP"));
        let empty_type =
            line.starts_with("# TYPE") && lines.get(at + 1).is_none_or(|l| l.starts_with("# HELP"));
        if !empty_help && !empty_type {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

#[test]
fn every_metric_of_the_catalogue_is_exposed_on_an_idle_gateway() {
    let (kind, text) = scrape(&Bus::default(), None);
    assert_eq!(kind, "text/plain; version=0.0.4; charset=utf-8");
    for metric in Metric::ALL {
        let info = metric.info();
        assert!(text.contains(&format!("# TYPE {} {}\n", info.name, info.kind.as_str())), "{}", info.name);
        assert!(text.contains(&format!("# HELP {} ", info.name)), "{}", info.name);
    }
    for line in [
        "picoclaw_messages_total 0",
        "picoclaw_session_count 0",
        "picoclaw_response_time_seconds_bucket{le=\"30\"} 0",
        "picoclaw_response_time_seconds_bucket{le=\"+Inf\"} 0",
        "picoclaw_sink_events_total{sink=\"log \\\"quoted\\\\\\n\\\"\",outcome=\"delivered\"} 3",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is missing");
    }
    assert!(text.ends_with('\n'));
}

#[test]
fn open_metrics_is_given_to_those_who_ask() {
    let (kind, text) = scrape(&used(&["a".into()], &[1]), Some("application/openmetrics-text;version=1.0.0"));
    assert_eq!(kind, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert!(text.ends_with("# EOF\n"));
    assert!(
        text.contains("# TYPE picoclaw_messages counter\n") && text.contains("\npicoclaw_messages_total 1\n")
    );
    assert!(text.contains("picoclaw_response_time_seconds_bucket{le=\"30.0\"} 1\n"));
    assert!(text.contains("# TYPE process_cpu_seconds counter\n"));
}

#[test]
fn a_sink_that_appears_later_and_a_body_still_held_spoil_nothing() {
    for accept in [None, Some("application/openmetrics-text")] {
        let bus = used(&["a".into()], &[5]);
        let context = context(&bus);
        let mut sink = build(&SinkConfig::new("prometheus"), 0, &context).unwrap().sink;
        sink.start(&bus.checkpoint());
        let request = EndpointRequest { accept: accept.map(str::to_owned), ..EndpointRequest::default() };
        let first = sink.serve(&request).body;
        let copy = first.to_vec();
        context.sinks.entry("a first in the alphabet").add_delivered(7);
        let second = sink.serve(&request).body;
        assert_eq!(first, copy, "a body that is being sent was written over");
        drop((first, second));

        let third = lines_of_own(&sink.serve(&request).body);
        assert!(third.iter().any(|line| line.contains("a first") && line.ends_with(" 7")), "{third:?}");
        let mut fresh = build(&SinkConfig::new("prometheus"), 0, &context).unwrap().sink;
        fresh.start(&bus.checkpoint());
        assert_eq!(lines_of_own(&fresh.serve(&request).body), third);
    }
}

#[test]
fn a_sink_that_goes_and_comes_back_takes_no_line_of_another() {
    let bus = Bus::default();
    let context = testing::context(&bus);
    for (n, name) in [(1, "a"), (2, "b"), (3, "c")] {
        context.sinks.entry(name).set_buffered(n);
    }
    let mut sink = build(&SinkConfig::new("prometheus"), 0, &context).unwrap().sink;
    sink.start(&bus.checkpoint());
    let mut buffers = || {
        let body = sink.serve(&EndpointRequest::default()).body;
        let lines = lines_of_own(&body).into_iter();
        lines.filter(|line| line.starts_with("picoclaw_sink_buffer_events{")).collect::<Vec<_>>()
    };
    let line = |name: &str, n: u64| format!("picoclaw_sink_buffer_events{{sink=\"{name}\"}} {n}");
    assert_eq!(buffers(), [line("a", 1), line("b", 2), line("c", 3)]);
    context.sinks.retire("b");
    assert_eq!(buffers(), [line("a", 1), line("c", 3)]);
    context.sinks.entry("b");
    assert_eq!(buffers(), [line("a", 1), line("b", 0), line("c", 3)]);
}

/// Process facts differ from scrape to scrape.
fn lines_of_own(body: &[u8]) -> Vec<String> {
    let text = String::from_utf8(body.to_vec()).unwrap();
    text.lines().filter(|line| !line.contains("process_")).map(str::to_owned).collect()
}

#[test]
fn a_program_can_register_both_collectors_in_a_registry_of_its_own() {
    let ledger = Arc::new(Mutex::new(used(&["a".into()], &[5]).checkpoint().ledger));
    let registry = Registry::new();
    registry.register(Box::new(LedgerCollector::new(ledger))).unwrap();
    registry.register(Box::new(ProcessCollector::new())).unwrap();
    let text = TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
    for line in ["picoclaw_messages_total 1", "# TYPE process_cpu_seconds_total counter"] {
        assert!(text.lines().any(|l| l == line), "{line} is missing");
    }
}

#[test]
fn unknown_options_are_refused_by_name() {
    let mut config = SinkConfig::new("prometheus");
    config.options = serde_json::json!({"pth": "/metrics"});
    let Err(error) = build(&config, 2, &context(&Bus::default())) else { panic!("it was accepted") };
    assert!(error.to_string().starts_with("telemetry.sinks[2].options.pth: "), "{error}");
}

#[test]
fn each_answer_has_what_happened_before_it() {
    let bus = used(&[], &[]);
    let mut sink = build(&SinkConfig::new("prometheus"), 0, &context(&bus)).unwrap().sink;
    sink.start(&bus.checkpoint());
    for n in 1..=3 {
        tracing_line(&bus);
        // Series that are new, too.
        let tool = bus.vocabulary().declare(Dimension::Tool, &format!("tool-{n}"));
        bus.emit(Event::Declared(Arc::new([Declaration::Tool(tool)])));
        let response = sink.serve(&EndpointRequest::default());
        let text = String::from_utf8(response.body.to_vec()).unwrap();
        assert!(text.contains(&format!("picoclaw_log_lines_total{{level=\"error\"}} {n}\n")), "{text}");
        assert!(text.contains(&format!("picoclaw_tool_calls_total{{tool=\"tool-{n}\"}} 0\n")), "{text}");
    }
}

fn tracing_line(bus: &Bus) {
    bus.emit(Event::Log(Arc::new(picoclaw_telemetry::event::LogLine {
        level: Level::Error,
        component: picoclaw_telemetry::words::Component::Main,
        message: "x".into(),
        fields: Vec::new(),
    })));
}

#[test]
fn promtool_finds_nothing_but_the_name_that_users_know() {
    let (_, text) = scrape(&used(&["openai".into(), "echo".into()], &[5_000_000, 40_000_000_000]), None);
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is needed: scripts/test installs it");
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    let complaints: Vec<&str> = said.lines().filter(|line| !line.is_empty()).collect();
    let expected = matches!(complaints[..], [line] if line.starts_with("picoclaw_session_count "));
    assert!(expected, "{complaints:?}");
}
