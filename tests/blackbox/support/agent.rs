//! A DogStatsD receiver.

use std::collections::BTreeMap;
use std::net::UdpSocket;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What a receiver heard.
#[derive(Debug, Default, Clone)]
pub(crate) struct Heard {
    pub(crate) counts: BTreeMap<String, f64>,
    pub(crate) gauges: BTreeMap<String, f64>,
    pub(crate) observations: BTreeMap<String, usize>,
    pub(crate) tags: BTreeMap<String, f64>,
    pub(crate) largest: usize,
}

/// Listens in a thread of its own until the end of the test.
pub(crate) struct Agent {
    pub(crate) address: String,
    heard: Arc<Mutex<Heard>>,
}

impl Agent {
    pub(crate) fn start() -> Self {
        Self::listen(UdpSocket::bind("127.0.0.1:0").expect("a socket"))
    }

    pub(crate) fn listen(socket: UdpSocket) -> Self {
        let address = socket.local_addr().expect("an address").to_string();
        socket.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
        let heard = Arc::new(Mutex::new(Heard::default()));
        let shared = Arc::clone(&heard);
        std::thread::spawn(move || {
            let mut bytes = vec![0; 65536];
            while let Ok(length) = socket.recv(&mut bytes) {
                let text = String::from_utf8(bytes[..length].to_vec()).expect("text");
                shared.lock().expect("no panic").hear(&text, length);
            }
        });
        Self { address, heard }
    }

    pub(crate) fn heard(&self) -> Heard {
        self.heard.lock().expect("no panic").clone()
    }
}

impl Heard {
    fn hear(&mut self, datagram: &str, length: usize) {
        self.largest = self.largest.max(length);
        for line in datagram.split('\n').filter(|line| !line.is_empty()) {
            let mut parts = line.split('|');
            let (name, value) = parts.next().and_then(|p| p.split_once(':')).expect("name:value");
            let value: f64 = value.parse().expect("a number");
            let kind = parts.next().expect("a type");
            let tags = parts.find_map(|part| part.strip_prefix('#')).unwrap_or_default();
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
}
