use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;

use picoclaw_telemetry::event::Declaration;
use picoclaw_telemetry::{Bus, Dimension, Label, Metric, Next};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::supervisor::Supervisor;
use crate::testing;

mod agent;

use self::agent::{Agent, assert_told};

fn context(ring: usize) -> Context {
    testing::context(&Bus::new(ring))
}

fn config(options: &Value) -> SinkConfig {
    SinkConfig::new("datadog").with_options(options.as_object().unwrap().clone())
}

fn channel(bus: &Bus) -> Label {
    let label = bus.vocabulary().declare(Dimension::Channel, "http");
    bus.emit(Event::Declared([Declaration::Channel(label)].into()));
    label
}

fn message(bus: &Bus, channel: Label, millis: u64) {
    bus.emit(Event::MessageReceived { channel, session: "s".into() });
    bus.emit(Event::ReplySent { channel, session: "s".into(), duration: Duration::from_millis(millis) });
}

#[test]
fn lines_are_those_of_the_crate_and_datagrams_are_filled() {
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    let to = receiver.local_addr().unwrap().to_string();
    let tags = ["provider:openai", "env:prod"];
    let client =
        dogstatsd::Client::new(dogstatsd::Options::new("127.0.0.1:0", &to, "picoclaw", vec![], None, None))
            .unwrap();
    client.count("provider.errors", 3, tags).unwrap();
    client.gauge("session_count", "2.5", ["env:prod"]).unwrap();
    client.distribution("response_time", "0.25", ["env:prod"]).unwrap();
    let theirs: Vec<String> = (0..3)
        .map(|_| {
            let mut bytes = [0; 512];
            let n = receiver.recv(&mut bytes).unwrap();
            String::from_utf8_lossy(&bytes[..n]).into_owned()
        })
        .collect();

    let options: Options = serde_json::from_value(json!({ "tags": ["env:prod"] })).unwrap();
    let mut settings = options.settings(0, &|_| None).unwrap();
    settings.origin = None;
    let mut packer = Packer::new(&settings);
    let errors = Metric::ProviderErrorsTotal.info();
    let ending = packer.ending("c", errors, &["openai"]);
    packer.count(errors.statsd, 3, &ending);
    let ending = packer.ending("g", Metric::SessionCount.info(), &[]);
    packer.number("session_count", 2.5, &ending);
    let ending = packer.ending("d", Metric::ResponseTime.info(), &[]);
    packer.observations("response_time", &[0.25], &ending);
    let ours = packer.finish();
    assert_eq!(ours.len(), 1);
    assert_eq!(std::str::from_utf8(&ours[0]).unwrap().split('\n').collect::<Vec<_>>(), theirs);
}

#[tokio::test]
async fn an_agent_that_comes_late_is_told_everything_once() {
    let absent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = absent.local_addr().unwrap();
    drop(absent);
    let context = context(4096);
    let options = json!({ "address": address.to_string(), "flush_interval_seconds": 0.1 });
    let mut supervisor = Supervisor::start(&[config(&options)], context.clone()).unwrap();
    let channel = channel(&context.bus);
    (0..5).for_each(|_| message(&context.bus, channel, 20));
    let stats = context.sinks.entry("datadog");
    while stats.retries() < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(!stats.up());
    let agent = UdpSocket::bind(address).unwrap();
    agent.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    while !stats.up() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    (0..3).for_each(|_| message(&context.bus, channel, 700));
    supervisor.drain(Duration::from_secs(5)).await;
    let mut heard = Agent::default();
    let mut bytes = [0; 65536];
    while let Ok(n) = agent.recv(&mut bytes) {
        heard.hear(&bytes[..n]);
    }
    assert_eq!(heard.count("picoclaw.messages"), 8.0);
    let mut times = heard.observations["picoclaw.response_time"].clone();
    times.sort_by(f64::total_cmp);
    assert_eq!(times, [0.02, 0.02, 0.02, 0.02, 0.02, 0.7, 0.7, 0.7]);
    assert_eq!(heard.gauges["picoclaw.channel.up"], 0.0);
    assert!(heard.gauges["picoclaw.process.resident_memory"] > 0.0);
    assert!(heard.largest <= 1432);
}

#[tokio::test]
async fn a_unix_socket_is_never_created_by_us() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("dsd.socket");
    let context = context(4096);
    let options = json!({ "socket": path, "flush_interval_seconds": 0.1, "events": true, "tags": ["a:b"] });
    let mut supervisor = Supervisor::start(&[config(&options)], context.clone()).unwrap();
    let channel = channel(&context.bus);
    message(&context.bus, channel, 1);
    let stats = context.sinks.entry("datadog");
    while stats.retries() < 1 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(!path.exists());
    let agent = UnixDatagram::bind(&path).unwrap();
    agent.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let listening = std::thread::spawn(move || {
        let mut heard = Agent::default();
        let mut events = 0;
        let mut bytes = [0; 65536];
        while let Ok(n) = agent.recv(&mut bytes) {
            if bytes.starts_with(b"_e{") {
                events += 1;
            } else {
                heard.hear(&bytes[..n]);
            }
        }
        (heard, events)
    });
    context.bus.emit(Event::GatewayShutdown { cause: "SIGTERM".into() });
    supervisor.drain(Duration::from_secs(5)).await;
    let (heard, events) = listening.join().unwrap();
    assert_eq!(heard.count("picoclaw.messages"), 1.0);
    assert_eq!(events, 1);
    assert!(heard.largest <= 8192);
}

#[test]
fn options_are_checked() {
    for (options, key) in [
        (json!({ "tagz": [] }), "tagz"),
        (json!({ "address": "nowhere" }), "address"),
        (json!({ "flush_interval_seconds": 0 }), "flush_interval_seconds"),
        (json!({ "max_datagram_bytes": 10 }), "max_datagram_bytes"),
        (json!({ "socket": "relative" }), "socket"),
        (json!({ "socket": "/a", "address": "127.0.0.1:8125" }), "socket"),
        (json!({ "socket": format!("/{}", "a".repeat(107)) }), "socket"),
        (json!({ "address": "::1:8125" }), "address"),
        (json!({ "tags": ["a".repeat(150), "b".repeat(190)], "max_datagram_bytes": 512 }), "tags"),
    ] {
        let error = build(&config(&options), 3, &context(8)).err().unwrap().to_string();
        assert!(error.contains(&format!("telemetry.sinks[3].options.{key}")), "{error}");
    }
}

fn drain_into(sink: &mut dyn Sink, subscription: &mut picoclaw_telemetry::Subscription) {
    while let Some(next) = subscription.try_next() {
        match next {
            Next::Record(record) => drop(sink.record(record)),
            Next::Gap { missed, checkpoint } => sink.gap(missed, &checkpoint),
            Next::Closed => unreachable!(),
        }
    }
}

#[test]
fn a_line_that_no_datagram_can_hold_is_left_out() {
    let options: Options = serde_json::from_value(json!({ "max_datagram_bytes": 512 })).unwrap();
    let mut packer = Packer::new(&options.settings(0, &|_| None).unwrap());
    packer.count("a", 1, "|c");
    packer.count(&"b".repeat(512), 1, "|c");
    packer.count("c", 1, "|c");
    packer.number("d", f64::NAN, "|g");
    assert_eq!(packer.finish(), ["picoclaw.a:1|c\npicoclaw.c:1|c"]);
    packer.count(&"b".repeat(512), 1, "|c");
    assert!(packer.finish().is_empty());
}

/// Sends frames as the transport does, until one fails.
fn deliver(batch: &mut Batch, most: usize, progress: &Progress, agent: &mut Agent) {
    let end = batch.sent.saturating_add(most).min(batch.frames.len());
    batch.frames[batch.sent..end].iter().for_each(|frame| agent.hear(frame));
    batch.sent = end;
    progress.store(end, std::sync::atomic::Ordering::Relaxed);
}

fn bare_sink(options: &Value, context: &Context) -> (Datadog, Progress) {
    let options: Options = serde_json::from_value(options.clone()).unwrap();
    let mut settings = options.settings(0, &|_| None).unwrap();
    settings.origin = None;
    let progress = Progress::default();
    let deltas = Deltas::new(context.clone(), "datadog", Progress::clone(&progress));
    let sink = Datadog {
        interval: settings.interval,
        events: false,
        waiting_events: Vec::new(),
        packer: Packer::new(&settings),
        deltas,
        last_sealed: false,
    };
    (sink, progress)
}

#[test]
fn a_sink_that_is_added_later_tells_what_happens_from_then_on() {
    let context = context(1024);
    context.bus.emit(Event::GatewayStart { version: "1.2.3", pid: 1 });
    let channel = channel(&context.bus);
    (0..9).for_each(|_| message(&context.bus, channel, 20));
    let mut subscription = context.bus.subscribe();
    let (mut sink, _) = bare_sink(&json!({}), &context);
    sink.start(subscription.start());
    (0..2).for_each(|_| message(&context.bus, channel, 40));
    drain_into(&mut sink, &mut subscription);
    let mut agent = Agent::default();
    sink.seal(false).unwrap().frames.iter().for_each(|frame| agent.hear(frame));
    assert_eq!(agent.count("picoclaw.messages"), 2.0);
    assert_eq!(agent.observations["picoclaw.response_time"], [0.04, 0.04]);
}

#[test]
fn a_successor_waits_for_its_predecessors_last_batch() {
    let context = context(1024);
    let channel = channel(&context.bus);
    let mut agent = Agent::default();
    let (mut old, _) = bare_sink(&json!({}), &context);
    old.start(&context.bus.checkpoint());
    let (mut new, _) = bare_sink(&json!({}), &context);
    message(&context.bus, channel, 1);
    let now = context.bus.checkpoint();
    new.start(&now);
    old.gap(0, &now);
    let last = old.seal(true).unwrap();
    assert!(new.seal(false).is_none());
    last.frames.iter().for_each(|frame| agent.hear(frame));
    old.acknowledged();
    drop(old);
    message(&context.bus, channel, 1);
    new.gap(0, &context.bus.checkpoint());
    new.seal(false).unwrap().frames.iter().for_each(|frame| agent.hear(frame));
    assert_eq!(agent.count("picoclaw.messages"), 2.0);
    assert_told(&agent, &context.bus);
}

#[tokio::test]
async fn a_reload_repeats_and_loses_nothing() {
    let agent = UdpSocket::bind("127.0.0.1:0").unwrap();
    agent.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let address = agent.local_addr().unwrap().to_string();
    let context = context(4096);
    let with =
        |tag: &str| [config(&json!({ "address": address, "flush_interval_seconds": 0.1, "tags": [tag] }))];
    let mut supervisor = Supervisor::start(&with("a"), context.clone()).unwrap();
    let channel = channel(&context.bus);
    for tag in ["b", "c", "d"] {
        (0..5).for_each(|_| message(&context.bus, channel, 20));
        supervisor.reload(&with(tag)).await.unwrap();
    }
    (0..5).for_each(|_| message(&context.bus, channel, 20));
    supervisor.drain(Duration::from_secs(5)).await;
    let mut heard = Agent::default();
    let mut bytes = [0; 65536];
    while let Ok(n) = agent.recv(&mut bytes) {
        heard.hear(&bytes[..n]);
    }
    assert_eq!(heard.count("picoclaw.messages"), 20.0);
    assert_eq!(heard.heard("picoclaw.response_time"), 20);
    // The bus's own count is told once too, not again by each new sink.
    assert_eq!(heard.count("picoclaw.telemetry.events"), context.bus.seq() as f64);
}

proptest! {
    /// Whatever is cut off, refused, overwritten in the ring or started anew: in the end the Agent's sums are the totals.
    #[test]
    fn sums_at_the_agent_are_the_totals(
        steps in proptest::collection::vec((0_u64..30, any::<bool>(), 0_usize..12, 0_u8..4), 1..20),
        pack_values in any::<bool>(),
    ) {
        let context = context(16);
        let options = json!({ "max_datagram_bytes": 512, "pack_values": pack_values });
        let mut subscription = context.bus.subscribe();
        let (mut sink, mut progress) = bare_sink(&options, &context);
        sink.start(subscription.start());
        let mut agent = Agent::default();
        let channel = channel(&context.bus);
        for (n, drains, frames, then) in steps.into_iter().chain([(0, true, usize::MAX, 0)]) {
            (0..n).for_each(|i| message(&context.bus, channel, 700 * i));
            if drains {
                drain_into(&mut sink, &mut subscription);
            }
            let mut batch = sink.seal(false).unwrap();
            prop_assert!(batch.frames.iter().all(|frame| frame.len() <= 512));
            deliver(&mut batch, frames, &progress, &mut agent);
            match then {
                // The rest goes out with a repeated send.
                0 => {
                    deliver(&mut batch, usize::MAX, &progress, &mut agent);
                    sink.acknowledged();
                }
                1 => prop_assert_eq!(sink.refused(batch), 0),
                // The sink ends in the middle; a reload or a restart makes another one.
                _ => {
                    drop(sink);
                    let subscribed = context.bus.subscribe();
                    (sink, progress) = bare_sink(&options, &context);
                    sink.start(subscribed.start());
                    subscription = subscribed;
                }
            }
        }
        assert_told(&agent, &context.bus);
    }
}
