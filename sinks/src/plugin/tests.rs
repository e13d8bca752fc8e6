use std::sync::Arc;

use picoclaw_telemetry::event::LogLine;
use picoclaw_telemetry::sink::{Sink, Verdict};
use picoclaw_telemetry::stats::DropReason;
use picoclaw_telemetry::words::{Component, Level};
use picoclaw_telemetry::{Bus, Detail, Event, Record};
use serde_json::json;

use super::frame::{Frame, read_events_header};
use super::sink::{Losses, PluginSink};
use super::*;
use crate::config::BufferConfig;
use crate::testing;

fn record(seq: u64, plugin: &str) -> Record {
    let line = LogLine {
        level: Level::Info,
        component: Component::Bus,
        message: Detail::new("x"),
        fields: vec![("plugin", Detail::new(plugin))],
    };
    Record { seq, time: std::time::SystemTime::now(), event: Event::Log(Arc::new(line)) }
}

fn sink(max_events: usize) -> (PluginSink, Arc<Losses>) {
    let losses = Arc::new(Losses::default());
    let buffer = BufferConfig { max_events, ..BufferConfig::default() };
    (PluginSink::new("mine", buffer, Arc::default(), Arc::clone(&losses)), losses)
}

/// How many events, and how many were lost before them.
fn header(frames: &[bytes::Bytes]) -> (u32, u64) {
    let whole = [&frames[0][..], &frames[1]].concat();
    let Ok(Some((Frame::Events { count, lost_before, .. }, length))) = Frame::first(&whole) else {
        panic!("not a frame of events")
    };
    assert_eq!(length, whole.len());
    assert_eq!(read_events_header(&frames[0]).unwrap().1, count);
    (count, lost_before)
}

#[test]
fn events_are_sealed_with_what_was_lost_before_them() {
    let (mut sink, _) = sink(2);
    assert_eq!(sink.seal(false).map(|batch| batch.events), None);
    for seq in 1..=5 {
        assert_eq!(sink.record(&record(seq, "other")), Verdict::Buffered);
    }
    sink.gap(10, &Bus::default().checkpoint());
    assert_eq!((sink.evicted(), sink.buffered()), (3, 2));
    let batch = sink.seal(false).unwrap();
    assert_eq!((batch.events, header(&batch.frames)), (2, (2, 13)));
    sink.record(&record(6, "other"));
    assert_eq!(header(&sink.seal(false).unwrap().frames), (1, 0));
}

#[test]
fn a_sink_is_not_told_of_itself() {
    let (mut sink, _) = sink(2);
    assert_eq!(sink.record(&record(1, "mine")), Verdict::Filtered);
    assert_eq!(sink.record(&record(2, "other")), Verdict::Buffered);
}

#[test]
fn what_was_refused_is_exactly_what_did_not_go_out() {
    let (mut sink, losses) = sink(100);
    assert!((1..=7).all(|seq| sink.record(&record(seq, "other")) == Verdict::Buffered));
    let mut batch = sink.seal(false).unwrap();
    // The transport says that two of them are lost, and still has none of the others.
    losses.add(2);
    batch.frames.clear();
    assert_eq!(sink.refused(batch), 2);
    assert!((1..=7).all(|seq| sink.record(&record(seq, "other")) == Verdict::Buffered));
    let batch = sink.seal(false).unwrap();
    assert_eq!(header(&batch.frames), (7, 2));
    assert_eq!(sink.refused(batch), 7, "given up as a whole");
    assert!(!losses.any());
}

#[test]
fn the_last_batch_tells_the_plugin_to_stop_once() {
    let (mut sink, _) = sink(100);
    sink.record(&record(1, "other"));
    assert_eq!(sink.seal(true).unwrap().events, 1);
    let stop = sink.seal(true).unwrap();
    assert!(stop.frames.is_empty() && stop.events == 0);
    assert!(sink.seal(true).is_none());
}

#[test]
fn an_event_larger_than_the_buffer_is_lost() {
    let losses = Arc::new(Losses::default());
    let buffer = BufferConfig { max_bytes: 10, ..BufferConfig::default() };
    let mut sink = PluginSink::new("mine", buffer, Arc::default(), losses);
    assert_eq!(sink.record(&record(1, "other")), Verdict::Dropped(DropReason::TooLarge));
}

#[test]
fn building_starts_nothing_and_leaves_no_trace() {
    let context = testing::context(&Bus::default());
    let config = |options: serde_json::Value| {
        let options = options.as_object().unwrap().clone();
        SinkConfig::new("plugin").with_options(options)
    };
    // Without a runtime: a task could not even be spawned.
    let built = build(&config(json!({ "path": "/nowhere/x.so" })), 0, &context).unwrap();
    let transport = built.transport.unwrap();
    assert_eq!(transport.claims(), ["plugin plugin"]);
    assert_eq!(transport.describe(), "/nowhere/x.so in a process of its own");
    assert!(context.sinks.all().is_empty());
    let error = build(&config(json!({ "path": "x.so" })), 3, &context).err().unwrap().to_string();
    assert_eq!(error, "telemetry.sinks[3].options.path: \"x.so\" is not an absolute path");
    let shown = format!("{:?}", config(json!({ "config": { "key": "value" } })));
    assert!(!shown.contains("value"), "{shown}");
}
