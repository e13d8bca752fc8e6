use super::*;
use crate::mask::Masker;
use picoclaw_telemetry::event::{Tokens, TurnEnd};
use picoclaw_telemetry::words::{Component, Level, Origin, TurnStatus};
use picoclaw_telemetry::{Detail, Dimension, Vocabulary};
use proptest::prelude::*;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

fn line(event: Event) -> String {
    let record = Record { seq: 9, time: UNIX_EPOCH + Duration::from_millis(1_705_314_600_123), event };
    let mut out = Vec::new();
    let masker = Masker::new(&["hunter2hunter2".to_owned()]);
    push(&record, &mut Clock::default(), &masker, &mut out);
    String::from_utf8(out).unwrap()
}

/// As the writer completes it.
fn parsed(event: Event) -> serde_json::Map<String, serde_json::Value> {
    let line = line(event) + ",\"seq\":1}";
    assert!(!line.contains('\n'));
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

fn log(fields: Vec<(&'static str, Detail)>, message: &str) -> Event {
    Event::Log(Arc::new(LogLine {
        level: Level::Warn,
        component: Component::Bus,
        message: Detail::new(message),
        fields,
    }))
}

#[test]
fn a_line_has_its_fields_in_order() {
    let channel = Vocabulary::new().declare(Dimension::Channel, "cli");
    let end = TurnEnd {
        turn: 3,
        origin: Origin::User,
        agent: Vocabulary::new().declare(Dimension::Agent, "main"),
        channel,
        status: TurnStatus::Completed,
        duration: Duration::from_micros(1_234_500),
        iterations: 2,
        tokens: Tokens { input: 10, output: 5, cached: 0 },
        error: None,
        session: Detail::from("abc123"),
    };
    assert_eq!(
        line(Event::TurnEnd(Arc::new(end))),
        concat!(
            r#"{"time":"2024-01-15T10:30:00.123Z","level":"info","component":"agent","message":"Turn completed","#,
            r#""session_id":"abc123","duration_ms":1234.5,"turn":3,"origin":"user","agent_id":"main","channel":"cli","#,
            r#""status":"completed","iterations":2,"input_tokens":10,"output_tokens":5,"kind":"agent.turn.end""#,
        )
    );
}

#[test]
fn the_duration_comes_first_everywhere() {
    let ready = Event::GatewayReady { address: Detail::from("x"), elapsed: Duration::from_millis(7) };
    assert!(line(ready).contains(r#""message":"Gateway ready","duration_ms":7,"address":"x""#));
}

#[test]
fn milliseconds_have_up_to_three_decimals() {
    let text = |nanos| {
        let mut out = Vec::new();
        push_millis(Duration::from_nanos(nanos), &mut out);
        String::from_utf8(out).unwrap()
    };
    for (nanos, expected) in [
        (0, "0"),
        (499, "0"),
        (500, "0.001"),
        (1_000_000, "1"),
        (1_500_000, "1.5"),
        (1_050_000, "1.05"),
        (999_999_600, "1000"),
    ] {
        assert_eq!(text(nanos), expected);
    }
}

#[test]
fn fields_of_diagnostics_cannot_take_the_place_of_fixed_ones() {
    let fields = ["level", "seq", "error", "error", "kind", "truncated", "message"];
    let fields = fields.map(|name| (name, Detail::from(name))).to_vec();
    let line = parsed(log(fields, "m"));
    assert_eq!(line["level"], "warn");
    assert_eq!(line["seq"], 1);
    assert_eq!(line["kind"], "log");
    assert_eq!(line["message"], "m");
    for renamed in ["x_level", "x_seq", "x_kind", "x_error", "error", "x_truncated", "x_message"] {
        assert!(line.contains_key(renamed), "{renamed}");
    }
}

#[test]
fn a_duration_is_always_a_number() {
    let line = |value: &str| parsed(log(vec![("a", "1".into()), ("duration_ms", value.into())], "m"));
    assert_eq!(line("12.5")["duration_ms"], 12.5);
    assert_eq!(line("soon")["x_duration_ms"], "soon");
    assert_eq!(line("NaN")["x_duration_ms"], "NaN");
}

#[test]
fn secrets_are_masked_in_messages_and_attributes() {
    let line = parsed(log(vec![("url", "http://u:hunter2hunter2@h".into())], "use hunter2hunter2"));
    assert_eq!(line["message"], "use ***");
    assert_eq!(line["url"], "http://u:***@h");
}

#[test]
fn long_lines_are_cut_and_say_so() {
    let names: &[&'static str] =
        &["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p"];
    let fields = names.iter().map(|name| (*name, Detail::new(&"\u{1}".repeat(4096)))).collect();
    let event = log(fields, "m");
    let text = line(event.clone());
    assert!(text.len() <= LONGEST, "{}", text.len());
    let line = parsed(event);
    assert_eq!(line["truncated"], 1);
    assert_eq!(line["kind"], "log");
    assert!(line["c"].as_str().unwrap().ends_with('…'));
}

#[test]
fn a_gap_line_says_how_many_are_missing() {
    let mut out = Vec::new();
    let masker = Masker::default();
    push_gap(UNIX_EPOCH, 17, "lagged", &mut Clock::default(), &masker, &mut out);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        concat!(
            r#"{"time":"1970-01-01T00:00:00.000Z","level":"warn","component":"bus","#,
            r#""message":"17 records are missing from this log","missing":17,"reason":"lagged","kind":"log.gap""#,
        )
    );
}

proptest! {
    #[test]
    fn every_line_is_read_back(
        message in any::<String>(),
        values in prop::collection::vec((0usize..5, any::<String>()), 0..6),
    ) {
        const NAMES: [&str; 5] = ["time", "session_id", "duration_ms", "err\"or\n", "path"];
        let fields = values.iter().map(|(name, value)| (NAMES[*name], Detail::new(value))).collect();
        let line = parsed(log(fields, &message));
        prop_assert_eq!(line["message"].as_str().unwrap(), Masker::default().mask(&message));
        for (name, value) in &line {
            prop_assert!(value.is_string() || value.is_number(), "{}", name);
        }
        prop_assert!(line["time"].as_str().unwrap().ends_with('Z'));
    }
}
