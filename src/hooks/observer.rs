//! Tells a hook what happens.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use picoclaw_telemetry::event::Value as Fact;
use picoclaw_telemetry::{Event, Kind, Next, Record, Subscription};
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use super::hook::Hook;

/// Most turns in flight of which it is remembered which agent takes them.
const MOST_TURNS: usize = 1_000;

/// The kinds that a hook wants to hear of.
#[derive(Clone, Debug)]
pub(super) struct Interest(Vec<String>);

impl Interest {
    /// Names of kinds; `agent.*` means all that begin so, `*` all.
    pub(super) fn new(patterns: &[String]) -> Self {
        Self(patterns.iter().map(|pattern| pattern.trim().to_owned()).filter(|p| !p.is_empty()).collect())
    }

    /// Never of itself, nor of lines of the log, to which it may add: that would have no end.
    fn covers(&self, kind: Kind) -> bool {
        let kind = kind.as_str();
        if kind.starts_with("hook.") || kind == Kind::Log.as_str() {
            return false;
        }
        self.0.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(start) => kind.starts_with(start),
            None => kind == pattern,
        })
    }
}

/// Tells until the bus is closed or it is told to stop. What the hook does not take in within `limit` is dropped.
pub(super) async fn observe(
    hook: Arc<Hook>,
    interest: Interest,
    mut events: Subscription,
    limit: Duration,
    stop: CancellationToken,
) {
    let mut agents = Agents::default();
    loop {
        let next = tokio::select! {
            next = events.next() => next,
            () = stop.cancelled() => return,
        };
        if let Next::Record(record) = &next {
            agents.follow(&record.event);
        }
        let dropped = match next {
            Next::Closed => return,
            Next::Gap { missed, .. } => missed,
            Next::Record(record) if !interest.covers(record.event.kind()) => 0,
            Next::Record(record) => u64::from(!hook.tell(&envelope(record, &agents), limit).await),
        };
        if dropped > 0 {
            events.bus().emit(Event::HookEventsDropped { hook: hook.label, count: dropped });
        }
    }
}

/// Which agents take the turns that are in flight.
#[derive(Debug, Default)]
struct Agents(HashMap<u64, &'static str>);

impl Agents {
    fn follow(&mut self, event: &Event) {
        match event {
            // The ends of some may have been missed.
            Event::TurnStart { .. } if self.0.len() >= MOST_TURNS => self.0.clear(),
            Event::TurnStart { turn, agent, .. } => drop(self.0.insert(*turn, agent.as_str())),
            Event::TurnEnd(end) => drop(self.0.remove(&end.turn)),
            _ => {}
        }
    }
}

/// An event as hooks of the existing PicoClaw know it. Which agent it is about is said only where that is known.
fn envelope(record: &Record, agents: &Agents) -> Value {
    let event = &record.event;
    let mut payload = Map::new();
    let mut scope = Map::new();
    event.attributes(|name, fact| {
        let value = match fact {
            Fact::Text(text) | Fact::Word(text) => json!(text),
            Fact::Count(number) => json!(number),
            Fact::Millis(time) => json!(time.as_secs_f64() * 1000.0),
        };
        match name {
            "session_id" => drop(scope.insert("session_key".into(), value.clone())),
            "agent_id" => drop(scope.insert("agent_id".into(), value.clone())),
            "channel" => drop(scope.insert("channel".into(), value.clone())),
            "turn" => {
                if let Some(agent) = value.as_u64().and_then(|turn| agents.0.get(&turn)) {
                    scope.insert("agent_id".into(), json!(agent));
                }
                scope.insert("turn_id".into(), json!(format!("turn-{value}")));
            }
            _ => {}
        }
        payload.insert(name.to_owned(), value);
    });
    let time = Timestamp::try_from(record.time).map(|time| time.to_string()).unwrap_or_default();
    json!({
        "id": record.seq.to_string(),
        "kind": event.kind().as_str(),
        "time": time,
        "severity": event.level().as_str(),
        "source": { "component": event.component().as_str() },
        "scope": scope,
        "payload": payload,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interests_are_names_and_beginnings() {
        let covers = |pattern: &str, kind| Interest::new(&[pattern.to_owned()]).covers(kind);
        assert!(covers("agent.*", Kind::TurnEnd) && covers("*", Kind::TurnEnd));
        assert!(covers("agent.turn.end", Kind::TurnEnd) && !covers("agent.turn.start", Kind::TurnEnd));
        assert!(!covers("*", Kind::Log) && !covers("hook.*", Kind::HookCall));
        assert!(!Interest::new(&[" ".into()]).covers(Kind::TurnEnd));
    }
}
