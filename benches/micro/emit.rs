//! Emitting: number, ledger, ring.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::thread::JoinHandle;
use std::time::Duration;

use picoclaw_telemetry::{Bus, Detail, Label, Next};

use crate::report::Report;
use crate::{Workload, compare, cpu, scene};

/// Events in one go: a quarter of the ring, so that subscribers who drain are not overtaken.
const CHUNK: u64 = 1024;

/// Goes of a workload.
const CHUNKS: u64 = 64;

/// Events of a workload.
pub(crate) const BURST: u64 = CHUNK * CHUNKS;

/// A bus with subscribers, each a thread that drains on a timer and folds what it gets, as the sinks do.
pub(crate) struct Crowd {
    bus: Bus,
    channel: Label,
    session: Detail,
    readers: Vec<JoinHandle<()>>,
    /// The last event that each of them has folded.
    reached: Vec<Arc<AtomicU64>>,
}

impl Crowd {
    pub(crate) fn new(subscribers: usize) -> Self {
        let bus = Bus::default();
        let channel = scene::channel(&bus);
        let reached: Vec<Arc<AtomicU64>> = (0..subscribers).map(|_| Arc::default()).collect();
        let readers = reached.iter().map(|reached| reader(&bus, Arc::clone(reached))).collect();
        Self { bus, channel, session: "session".into(), readers, reached }
    }

    /// Emits, and waits now and then until everybody is there, which does not count.
    pub(crate) fn burst(&mut self) -> (usize, Duration) {
        let mut took = Duration::ZERO;
        for _ in 0..CHUNKS {
            let began = cpu();
            for _ in 0..CHUNK {
                self.bus.emit(scene::reply(self.channel, &self.session));
            }
            took += cpu() - began;
            while self.reached.iter().any(|reached| reached.load(Acquire) < self.bus.seq()) {
                std::thread::sleep(Duration::from_micros(100));
            }
        }
        (BURST as usize, took)
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.bus.close();
        self.readers.drain(..).for_each(|reader| drop(reader.join()));
    }
}

fn reader(bus: &Bus, reached: Arc<AtomicU64>) -> JoinHandle<()> {
    let mut subscription = bus.subscribe();
    std::thread::spawn(move || {
        let mut ledger = subscription.start().ledger.clone();
        loop {
            match subscription.try_next() {
                Some(Next::Record(record)) => ledger.apply(record),
                Some(Next::Gap { checkpoint, .. }) => ledger = checkpoint.ledger,
                Some(Next::Closed) => return,
                None => {
                    reached.store(ledger.seq(), Release);
                    std::thread::sleep(Duration::from_micros(500));
                }
            }
        }
    })
}

pub(crate) fn report(report: &mut Report) {
    let mut crowds = [0, 1, 4].map(Crowd::new);
    let mut workloads: Vec<Workload<'_>> =
        crowds.iter_mut().map(|crowd| Box::new(|| crowd.burst()) as Workload<'_>).collect();
    let [none, one, four] = compare(&mut workloads)[..] else { return };
    let rows = [("no subscriber", none), ("1 that drains", one), ("4 that drain", four)];
    let rows = rows.map(|(name, ns)| (name, vec![ns]));
    report.table("Emitting one event, the ledger's fold included, subscribers keep up:", &["", "ns"], &rows);
    report.at_most("emit without sinks, ns", none, 60.0, 20.0);
    report.at_most("emit with one sink that drains, ns", one, 120.0, 50.0);
    report.at_most("emit with four sinks that drain, ns", four, 120.0, 50.0);
}
