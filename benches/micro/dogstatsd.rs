//! A flush to an Agent, against the `dogstatsd` crate and against sending datagrams that are ready.

use std::hint::black_box;
use std::net::UdpSocket;
use std::time::Duration;

use bytes::Bytes;
use picoclaw_telemetry::event::Declaration;
use picoclaw_telemetry::sink::{Sink, Transport};
use picoclaw_telemetry::words::ToolStatus;
use picoclaw_telemetry::{Bus, Dimension, Event, Record};
use serde_json::json;
use tokio::runtime::Runtime;

use crate::report::Report;
use crate::{Workload, compare, cpu, scene, timed};

/// Tools that were used between two flushes; each moves two counters and a distribution.
const TOOLS: usize = 100;

/// The sink with its transport.
pub(crate) struct Ours {
    sink: Box<dyn Sink>,
    transport: Box<dyn Transport>,
    runtime: Runtime,
    records: Vec<Record>,
    agent: String,
    seq: u64,
}

impl Ours {
    pub(crate) fn new() -> Self {
        let agent = agent();
        let bus = Bus::default();
        let built = scene::sink("datadog", &json!({ "address": agent }), &bus);
        let (mut sink, transport) = (built.sink, built.transport.expect("this sink sends"));
        let tools = (0..TOOLS).map(|n| bus.vocabulary().declare(Dimension::Tool, &format!("tool-{n}")));
        let tools: Vec<_> = tools.collect();
        let declared: Vec<_> = tools.iter().map(|tool| Declaration::Tool(*tool)).collect();
        bus.emit(Event::Declared(declared.into()));
        sink.start(&bus.checkpoint());
        let seq = bus.seq();
        let used = tools.iter().map(|tool| Event::ToolEnd {
            turn: 1,
            tool: *tool,
            status: ToolStatus::Success,
            duration: Duration::from_micros(12_345),
            error: None,
            session: "session-1".into(),
        });
        let records = used.map(|event| scene::record(0, event)).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime of one thread can be made");
        Self { sink, transport, runtime, records, agent, seq }
    }

    /// Something happens to every tool.
    fn happen(&mut self) {
        for record in &mut self.records {
            self.seq += 1;
            record.seq = self.seq;
            self.sink.record(record);
        }
    }

    /// Tells it. Returns the datagrams.
    fn tell(&mut self) -> Vec<Bytes> {
        let mut batch = self.sink.seal(false).expect("nobody else is sending");
        self.runtime.block_on(self.transport.send(&mut batch)).expect("the agent listens");
        self.sink.acknowledged();
        batch.frames
    }

    /// Both.
    pub(crate) fn flush(&mut self) -> usize {
        self.happen();
        lines(&self.tell())
    }
}

/// An Agent that hears and forgets.
fn agent() -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("the loopback has a free port");
    let address = socket.local_addr().expect("it is bound").to_string();
    std::thread::spawn(move || {
        let mut bytes = [0; 65536];
        while socket.recv(&mut bytes).is_ok() {}
    });
    address
}

fn lines(datagrams: &[Bytes]) -> usize {
    datagrams.iter().map(|datagram| 1 + datagram.iter().filter(|byte| **byte == b'\n').count()).sum()
}

/// One value per datagram, as the crate does unless told otherwise.
fn unbatched(client: &dogstatsd::Client, tags: &[String]) -> usize {
    for tag in tags {
        client.incr_by_value("tool_calls_total", black_box(1), [tag]).expect("the agent listens");
    }
    tags.len()
}

/// Datagrams that are ready.
fn packed(socket: &UdpSocket, datagrams: &[Bytes], lines: usize) -> usize {
    for datagram in datagrams {
        socket.send(datagram).expect("the agent listens");
    }
    lines
}

pub(crate) fn report(report: &mut Report) {
    let mut ours = Ours::new();
    ours.happen();
    let datagrams = ours.tell();
    let count = lines(&datagrams);
    let socket = UdpSocket::bind("127.0.0.1:0").expect("the loopback has a free port");
    socket.connect(&ours.agent).expect("an address of the loopback");
    let options = dogstatsd::Options::new("127.0.0.1:0", &ours.agent, "picoclaw", vec![], None, None);
    let client = dogstatsd::Client::new(options).expect("the options are right");
    let tags: Vec<String> = (0..TOOLS).map(|n| format!("tool:tool-{n}")).collect();
    let mut quiet = Ours::new();
    quiet.tell();
    let mut workloads: [Workload<'_>; 4] = [
        Box::new(|| {
            ours.happen();
            let began = cpu();
            let datagrams = ours.tell();
            let took = cpu() - began;
            (lines(&datagrams), took)
        }),
        timed(|| unbatched(&client, &tags)),
        timed(|| packed(&socket, &datagrams, count)),
        // One unit is a whole flush.
        timed(|| usize::from(!quiet.tell().is_empty())),
    ];
    let [ours, unbatched, packed, quiet] = compare(&mut workloads)[..] else { return };
    let rows = [
        ("picoclaw: difference, encoding, sending", vec![ours, ours / unbatched, ours / packed]),
        ("dogstatsd crate, unbatched", vec![unbatched, 1.0, unbatched / packed]),
        ("datagrams that are ready, sent", vec![packed, packed / unbatched, 1.0]),
    ];
    let title = format!("A flush of {count} lines in {} datagrams over UDP, CPU:", datagrams.len());
    report.table(&title, &["", "ns per line", "against unbatched", "against packed"], &rows);
    let row = ("gauges, facts of the process, sending", vec![quiet / 1e3]);
    report.table("A flush in which nothing has happened, CPU:", &["", "us"], &[row]);
    report.at_most(
        "DogStatsD, against the crate unbatched",
        ours / unbatched,
        0.05,
        1.2 * packed / unbatched,
    );
}
