//! Which channels are down, and which only connect for the moment.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use picoclaw_telemetry::{Ledger, Metric, SeriesValue};

/// How long a channel may take to connect before that is an issue. A failure is one at once.
const GRACE: Duration = Duration::from_secs(30);

/// When each channel was last seen to be up, or else began to be watched.
#[derive(Debug, Default)]
pub(super) struct Channels(HashMap<&'static str, Seen>);

#[derive(Clone, Copy, Debug)]
struct Seen {
    at: Instant,
    /// How often it had failed by then.
    failures: u64,
}

impl Channels {
    /// Forgets all channels but these. Those that are new begin to connect now.
    pub(super) fn watch(&mut self, ledger: &Ledger, names: &[&'static str], now: Instant) {
        self.0.retain(|name, _| names.contains(name));
        for name in names {
            self.0.entry(name).or_insert_with(|| seen(ledger, name, now));
        }
    }

    /// Whether a channel is not up because it connects: it has not failed since it was last up, and that was not long
    /// ago.
    pub(super) fn connects(&mut self, ledger: &Ledger, name: &'static str, up: bool, now: Instant) -> bool {
        let current = seen(ledger, name, now);
        let last = self.0.entry(name).or_insert(current);
        if up {
            *last = current;
        }
        !up && current.failures == last.failures && now.duration_since(last.at) < GRACE
    }
}

fn seen(ledger: &Ledger, name: &str, at: Instant) -> Seen {
    Seen { at, failures: ledger.counter(Metric::ChannelFailuresTotal, &[name]) }
}

/// Those of these channels that there are, and whether each can receive messages.
pub(super) fn states<'a>(
    ledger: &'a Ledger,
    names: &'a [&'static str],
) -> impl Iterator<Item = (&'static str, bool)> + 'a {
    let all = ledger.series(Metric::ChannelUp);
    let all = all.map(|series| (series.labels[0], series.value == SeriesValue::Gauge(1.0)));
    // One that a reload has taken out is not down.
    all.filter(|(name, _)| names.contains(name))
}

#[cfg(test)]
mod tests {
    use picoclaw_telemetry::event::Declaration;
    use picoclaw_telemetry::{Bus, Detail, Dimension, Event};

    use super::*;

    struct Scene {
        bus: Bus,
        channels: Channels,
        start: Instant,
    }

    impl Scene {
        fn new() -> Self {
            let bus = Bus::default();
            let label = bus.vocabulary().declare(Dimension::Channel, "bot");
            bus.emit(Event::Declared([Declaration::Channel(label)].into()));
            let start = Instant::now();
            let mut channels = Channels::default();
            bus.inspect(|ledger| channels.watch(ledger, &["bot"], start));
            Self { bus, channels, start }
        }

        fn connects(&mut self, after: u64) -> bool {
            let now = self.start + Duration::from_secs(after);
            self.bus.inspect(|ledger| {
                let [(name, up)] = states(ledger, &["bot"]).collect::<Vec<_>>()[..] else {
                    panic!("no channel")
                };
                self.channels.connects(ledger, name, up, now)
            })
        }

        fn label(&self) -> picoclaw_telemetry::Label {
            self.bus.vocabulary().resolve(Dimension::Channel, "bot")
        }

        fn fail(&self) {
            self.bus.emit(Event::ChannelFailed { channel: self.label(), error: Detail::new("refused") });
        }
    }

    #[test]
    fn a_channel_may_take_a_while_to_connect_and_no_longer() {
        let mut scene = Scene::new();
        assert!(scene.connects(0) && scene.connects(29));
        assert!(!scene.connects(30));
    }

    #[test]
    fn one_that_failed_does_not_only_connect_until_it_was_up() {
        let mut scene = Scene::new();
        scene.fail();
        assert!(!scene.connects(1) && !scene.connects(2));
        scene.bus.emit(Event::ChannelStarted { channel: scene.label() });
        assert!(!scene.connects(40), "it is up");
        // A reload stops it and starts it again.
        scene.bus.emit(Event::ChannelStopped { channel: scene.label() });
        assert!(scene.connects(41) && scene.connects(69));
        scene.fail();
        assert!(!scene.connects(69));
    }

    #[test]
    fn failures_before_a_channel_was_watched_are_forgotten() {
        let mut scene = Scene::new();
        scene.fail();
        scene.bus.inspect(|ledger| scene.channels.watch(ledger, &[], scene.start));
        scene.bus.inspect(|ledger| scene.channels.watch(ledger, &["bot"], scene.start));
        assert!(scene.connects(1));
    }
}
