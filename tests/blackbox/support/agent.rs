//! A DogStatsD receiver.

use std::collections::{BTreeMap, BTreeSet};
use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use picoclaw_telemetry::{Metric, MetricKind};

use super::Scrape;

/// Metrics that go on moving between a last scrape and the end.
const RESTLESS: [Metric; 6] = [
    Metric::LogLinesTotal,
    Metric::TelemetryEventsTotal,
    Metric::SinkEventsTotal,
    Metric::SinkGapsTotal,
    Metric::SinkFlushSeconds,
    Metric::ProcessCpu,
];

/// What a receiver heard.
#[derive(Debug, Default, Clone)]
pub(crate) struct Heard {
    pub(crate) counts: BTreeMap<String, f64>,
    pub(crate) gauges: BTreeMap<String, f64>,
    pub(crate) observations: BTreeMap<String, usize>,
    /// Counts by name and tags, `name#tag,tag`.
    pub(crate) tags: BTreeMap<String, f64>,
    /// The tags of all lines.
    pub(crate) tag_sets: BTreeSet<String>,
    pub(crate) largest: usize,
    pub(crate) datagrams: usize,
    pub(crate) lines: usize,
}

/// Listens in a thread of its own until it is stopped or the test ends.
pub(crate) struct Agent {
    pub(crate) address: String,
    heard: Arc<Mutex<Heard>>,
    listening: JoinHandle<()>,
}

/// The datagram by which a receiver is stopped.
const STOP: &[u8] = b"stop";

impl Agent {
    pub(crate) fn start() -> Self {
        Self::listen(UdpSocket::bind("127.0.0.1:0").expect("a socket"))
    }

    pub(crate) fn listen(socket: UdpSocket) -> Self {
        // A burst must not be lost here: the system's own room holds some ninety full datagrams.
        socket2::SockRef::from(&socket).set_recv_buffer_size(8 << 20).expect("room");
        let address = socket.local_addr().expect("an address").to_string();
        Self::spawn(address, move |bytes| socket.recv(bytes))
    }

    /// Listens on a Unix datagram socket.
    pub(crate) fn listen_unix(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).expect("a socket");
        Self::spawn(path.display().to_string(), move |bytes| socket.recv(bytes))
    }

    fn spawn(
        address: String,
        mut receive: impl FnMut(&mut [u8]) -> std::io::Result<usize> + Send + 'static,
    ) -> Self {
        let heard = Arc::new(Mutex::new(Heard::default()));
        let shared = Arc::clone(&heard);
        let listening = std::thread::spawn(move || {
            let mut bytes = vec![0; 65536];
            while let Ok(length) = receive(&mut bytes) {
                if &bytes[..length] == STOP {
                    return;
                }
                // A datagram that is wrong poisons the lock, and so fails the test.
                shared.lock().expect("no panic").hear(&bytes[..length]);
            }
        });
        Self { address, heard, listening }
    }

    pub(crate) fn heard(&self) -> Heard {
        self.heard.lock().expect("every datagram is well formed").clone()
    }

    /// Goes away, with everything heard that was sent before: the socket is closed when this returns.
    pub(crate) fn stop(self) -> Heard {
        if self.address.starts_with('/') {
            UnixDatagram::unbound()
                .and_then(|socket| socket.send_to(STOP, &self.address))
                .expect("a listener");
        } else {
            let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
            socket.send_to(STOP, &self.address).expect("a listener");
        }
        self.listening.join().expect("every datagram is well formed");
        self.heard.lock().expect("every datagram is well formed").clone()
    }
}

impl Heard {
    fn hear(&mut self, datagram: &[u8]) {
        self.largest = self.largest.max(datagram.len());
        self.datagrams += 1;
        let text = std::str::from_utf8(datagram).expect("text");
        for line in text.split('\n').filter(|line| !line.is_empty()) {
            self.lines += 1;
            let mut parts = line.split('|');
            let (name, value) = parts.next().and_then(|p| p.split_once(':')).expect("name:value");
            let value: f64 = value.parse().expect("a number");
            let kind = parts.next().expect("a type");
            let tags = parts.find_map(|part| part.strip_prefix('#')).unwrap_or_default();
            self.tag_sets.insert(tags.to_owned());
            match kind {
                "c" => {
                    *self.counts.entry(name.to_owned()).or_default() += value;
                    *self.tags.entry(format!("{name}#{tags}")).or_default() += value;
                }
                "g" => drop(self.gauges.insert(name.to_owned(), value)),
                "d" => *self.observations.entry(name.to_owned()).or_default() += 1,
                other => panic!("type {other} in {line}"),
            }
        }
    }

    pub(crate) fn count(&self, name: &str) -> f64 {
        self.counts.get(name).copied().unwrap_or(0.0)
    }

    /// Compares every count and every observation with the growth of `/metrics`, and checks that every gauge was
    /// told. Returns how many of the metrics grew.
    pub(crate) fn assert_growth(&self, before: &Scrape, after: &Scrape) -> usize {
        let mut grew = 0;
        for metric in Metric::ALL.iter().filter(|metric| !RESTLESS.contains(metric)) {
            let info = metric.info();
            let statsd = format!("picoclaw.{}", info.statsd);
            let growth = |name: &str| after.sum(name) - before.sum(name);
            let (grown, told) = match info.kind {
                MetricKind::Counter => (growth(info.name), self.count(&statsd)),
                MetricKind::Histogram(_) => (
                    growth(&format!("{}_count", info.name)),
                    self.observations.get(&statsd).map_or(0.0, |n| *n as f64),
                ),
                MetricKind::Gauge => {
                    // A metric of names that nobody configured has no series.
                    let exists = after.family(info.name).next().is_some();
                    assert!(!exists || self.gauges.contains_key(&statsd), "{statsd} was not sent");
                    continue;
                }
            };
            assert_eq!(told, grown, "{statsd}");
            grew += usize::from(grown > 0.0);
        }
        grew
    }
}
