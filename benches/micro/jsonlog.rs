//! A line of the log, against those that `serde_json` and `tracing-subscriber` write.

use std::hint::black_box;
use std::time::Duration;

use picoclaw_telemetry::sink::Sink;
use picoclaw_telemetry::{Bus, Record};
use serde::Serialize;
use serde_json::json;

use crate::report::Report;
use crate::{Workload, compare, scene, timed};

/// Lines in one batch, as many as a runner takes in before it seals.
const CHUNK: usize = 256;

/// Lines of a workload.
pub(crate) const LINES: usize = 20 * CHUNK;

/// The sink, from the record to the sealed batch.
pub(crate) struct Ours {
    sink: Box<dyn Sink>,
    record: Record,
}

impl Ours {
    pub(crate) fn new() -> Self {
        let bus = Bus::default();
        let event = scene::reply(scene::channel(&bus), &"session-1".into());
        let mut sink = scene::sink("jsonlog", &json!({ "path": "/nowhere/bench.log" }), &bus).sink;
        sink.start(&bus.checkpoint());
        Self { sink, record: scene::record(1, event) }
    }

    /// Nothing is written: the batch is sealed and forgotten.
    pub(crate) fn lines(&mut self) -> usize {
        for _ in 0..LINES / CHUNK {
            for _ in 0..CHUNK {
                self.record.time += Duration::from_micros(700);
                black_box(self.sink.record(&self.record));
            }
            if let Some(batch) = self.sink.seal(false) {
                black_box(batch);
                self.sink.acknowledged();
            }
        }
        LINES
    }
}

/// The same line for `serde_json`, which is given the time as text.
#[derive(Serialize)]
struct Line<'a> {
    time: &'a str,
    level: &'a str,
    component: &'a str,
    message: &'a str,
    session_id: &'a str,
    duration_ms: f64,
    channel: &'a str,
    kind: &'a str,
    seq: u64,
}

fn serde(out: &mut Vec<u8>) -> usize {
    out.clear();
    for seq in 0..LINES as u64 {
        let line = Line {
            time: black_box("2026-11-24T11:12:13.123456Z"),
            level: "info",
            component: "channel",
            message: "Reply sent",
            session_id: black_box("session-1"),
            duration_ms: 12.345,
            channel: "http",
            kind: "channel.message.outbound_sent",
            seq,
        };
        serde_json::to_writer(&mut *out, &line).expect("a vector takes everything");
        out.push(b'\n');
    }
    black_box(out.len());
    LINES
}

/// The same as an event of `tracing`; its subscriber writes into nothing.
fn tracing_lines() -> usize {
    let subscriber = tracing_subscriber::fmt().json().with_writer(std::io::sink).finish();
    tracing::subscriber::with_default(subscriber, || {
        for seq in 0..LINES {
            tracing::info!(
                component = "channel",
                session_id = black_box("session-1"),
                duration_ms = 12.345,
                channel = "http",
                kind = "channel.message.outbound_sent",
                seq,
                "Reply sent"
            );
        }
    });
    LINES
}

pub(crate) fn report(report: &mut Report) {
    let mut ours = Ours::new();
    let mut out = Vec::new();
    let mut workloads: [Workload<'_>; 3] =
        [timed(|| ours.lines()), timed(|| serde(&mut out)), timed(tracing_lines)];
    let [ours, serde, tracing] = compare(&mut workloads)[..] else { return };
    let rows = [
        ("picoclaw, from record to sealed batch", vec![ours, ours / serde]),
        ("serde_json, a struct with the time as text", vec![serde, 1.0]),
        ("tracing-subscriber, JSON", vec![tracing, tracing / serde]),
    ];
    report.table("A line of the log:", &["", "ns", "against serde_json"], &rows);
    report.at_most("JSON log in the sink, ns per line", ours, 200.0, 120.0);
}
