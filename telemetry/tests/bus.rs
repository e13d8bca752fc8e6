//! The bus's promise: however slow a subscriber is, its folded numbers end up equal to the bus's, and it knows how
//! many records it has missed.

use std::sync::Arc;
use std::time::Duration;

use picoclaw_telemetry::event::{AttemptOutcome, Cost, Declaration, LlmResponse, Tokens, TurnEnd};
use picoclaw_telemetry::words::{FailureReason, HealthStatus, Origin, Outcome, ToolStatus, TurnStatus};
use picoclaw_telemetry::{Bus, Detail, Dimension, Event, Ledger, Next, Subscription};
use proptest::prelude::*;

/// Someone who folds, like every sink that counts.
struct Folder {
    subscription: Subscription,
    sums: Sums,
}

struct Sums {
    ledger: Ledger,
    start: u64,
    seen: u64,
    missed: u64,
    position: u64,
}

impl Folder {
    fn new(bus: &Bus) -> Self {
        let subscription = bus.subscribe();
        let ledger = subscription.start().ledger.clone();
        let start = ledger.seq();
        Self { subscription, sums: Sums { ledger, start, seen: 0, missed: 0, position: start } }
    }

    /// Reads up to `most` things; says whether the stream has ended.
    fn read(&mut self, most: usize) -> bool {
        for _ in 0..most {
            let Some(next) = self.subscription.try_next() else {
                return false;
            };
            if !self.sums.take(next) {
                return true;
            }
        }
        false
    }
}

impl Sums {
    fn take(&mut self, next: Next<'_>) -> bool {
        match next {
            Next::Record(record) => {
                assert_eq!(record.seq, self.position + 1, "numbers have no holes that are not told");
                self.position = record.seq;
                self.seen += 1;
                self.ledger.apply(record);
                true
            }
            Next::Gap { missed, checkpoint } => {
                assert!(missed > 0);
                self.position += missed;
                self.missed += missed;
                assert!(checkpoint.ledger.seq() >= self.position);
                self.ledger = checkpoint.ledger;
                true
            }
            Next::Closed => false,
        }
    }

    fn check(&self, bus: &Bus) {
        assert!(self.ledger == bus.checkpoint().ledger, "the folded ledger differs");
        assert_eq!(bus.seq() - self.start, self.seen + self.missed);
    }
}

/// An event made of arbitrary numbers. All kinds that touch the ledger occur, most of them with open labels.
fn event(bus: &Bus, kind: u8, a: usize, b: u64) -> Event {
    let words = bus.vocabulary();
    let name = |dimension, of: &str| words.declare(dimension, &format!("{of}{}", a % 5));
    let channel = name(Dimension::Channel, "c");
    let provider = name(Dimension::Provider, "p");
    let model = name(Dimension::Model, "m");
    let tool = name(Dimension::Tool, "t");
    let session = Detail::from("s");
    let duration = Duration::from_micros(b);
    fn pick<T: Copy>(all: &[T], at: usize) -> T {
        all[at % all.len()]
    }
    match kind % 16 {
        0 => Event::MessageReceived { channel, session },
        1 => Event::ReplySent { channel, session, duration },
        2 => Event::TurnQueued { channel, session },
        3 => Event::TurnDequeued { channel, session, waited: duration },
        4 => Event::TurnStart { turn: b, origin: pick(Origin::ALL, a), agent: channel, channel, session },
        5 => Event::TurnEnd(Arc::new(TurnEnd {
            turn: b,
            origin: pick(Origin::ALL, a),
            agent: channel,
            channel,
            status: pick(TurnStatus::ALL, a),
            duration,
            iterations: 1,
            tokens: Tokens::default(),
            error: None,
            session,
        })),
        6 => Event::LlmRequest { turn: b, provider, model, attempt: 1, session },
        7 => Event::LlmResponse(Arc::new(LlmResponse {
            cost: Some(Cost(1_234_567)),
            turn: b,
            provider,
            model,
            outcome: match a % 3 {
                0 => AttemptOutcome::Success,
                1 => AttemptOutcome::Failed(pick(FailureReason::ALL, a)),
                _ => AttemptOutcome::Cancelled,
            },
            duration,
            first_token: a.is_multiple_of(2).then_some(duration),
            tokens: Some(Tokens { input: b, output: 1, cached: 0 }),
            status_code: None,
            error: None,
            session,
        })),
        8 => {
            Event::ToolEnd { turn: b, tool, status: pick(ToolStatus::ALL, a), duration, error: None, session }
        }
        9 => Event::SessionActivated { session },
        10 => Event::SessionExpired { session },
        11 => {
            Event::SessionWrite { outcome: pick(Outcome::ALL, a), duration, bytes: b, error: None, session }
        }
        12 => Event::HealthChanged {
            from: pick(HealthStatus::ALL, a),
            to: pick(HealthStatus::ALL, a + 1),
            issues: session,
        },
        13 => Event::Declared(Arc::new([
            Declaration::Provider(provider),
            Declaration::Model(provider, model),
            Declaration::Channel(channel),
            Declaration::Tool(tool),
        ])),
        14 => Event::ChannelStarted { channel },
        _ => Event::ReloadCompleted { duration, changes: session },
    }
}

#[derive(Clone, Debug)]
enum Step {
    Emit(Vec<(u8, usize, u64)>),
    Read(usize, usize),
    Subscribe,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let events = prop::collection::vec((any::<u8>(), any::<usize>(), 0u64..400_000_000), 1..80);
    let step = prop_oneof![
        3 => events.prop_map(Step::Emit),
        4 => (0usize..5, 1usize..100).prop_map(|(who, most)| Step::Read(who, most)),
        1 => Just(Step::Subscribe),
    ];
    prop::collection::vec(step, 1..40)
}

proptest! {
    #[test]
    fn every_subscriber_ends_up_with_the_exact_numbers(ring in 2usize..=1024, steps in steps()) {
        let bus = Bus::new(ring);
        let mut folders = vec![Folder::new(&bus)];
        let mut copy = Ledger::new();
        for step in steps {
            match step {
                Step::Emit(events) => {
                    for (kind, a, b) in events {
                        bus.emit(event(&bus, kind, a % 1000, b));
                    }
                }
                Step::Read(who, most) => {
                    let who = who % folders.len();
                    folders[who].read(most);
                }
                Step::Subscribe if folders.len() < 5 => folders.push(Folder::new(&bus)),
                Step::Subscribe => {}
            }
            bus.inspect(|now| copy.copy_from(now));
            prop_assert!(copy == bus.checkpoint().ledger, "the copy differs");
        }
        bus.close();
        for folder in &mut folders {
            prop_assert!(folder.read(usize::MAX), "the stream ends");
            folder.sums.check(&bus);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_numbers_are_exact_while_many_emit_at_once() {
    for ring in [2, 4, 64] {
        let bus = Bus::new(ring);
        let subscribers: Vec<_> = (0..3)
            .map(|stall| {
                let mut folder = Folder::new(&bus);
                tokio::spawn(async move {
                    let mut read = 0u32;
                    loop {
                        let next = folder.subscription.next().await;
                        if !folder.sums.take(next) {
                            return folder;
                        }
                        read += 1;
                        if stall > 0 && read.is_multiple_of(stall * 7) {
                            tokio::task::yield_now().await;
                        }
                    }
                })
            })
            .collect();
        let emitters: Vec<_> = (0..4)
            .map(|thread| {
                let bus = bus.clone();
                std::thread::spawn(move || {
                    for n in 0..5000usize {
                        let kind = u8::try_from((n * 7 + thread) % 16).expect("below 16");
                        bus.emit(event(&bus, kind, n + thread, n as u64));
                    }
                })
            })
            .collect();
        for emitter in emitters {
            emitter.join().unwrap();
        }
        bus.close();
        for subscriber in subscribers {
            let folder = subscriber.await.unwrap();
            folder.sums.check(&bus);
            assert_eq!(folder.sums.seen + folder.sums.missed, 20_000);
        }
    }
}

#[test]
fn the_end_of_the_stream_comes_after_its_last_record() {
    let bus = Bus::new(8);
    let mut folder = Folder::new(&bus);
    bus.emit(Event::ReloadStarted);
    bus.close();
    bus.emit(Event::ReloadStarted);
    assert!(folder.read(usize::MAX));
    assert_eq!(folder.sums.seen, 1);
    assert!(matches!(bus.subscribe().try_next(), Some(Next::Closed)));
    assert_eq!(bus.seq(), 2, "the ledger still counts");
}
