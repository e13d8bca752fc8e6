//! From one set of sinks to another.

use std::fmt;

use picoclaw_telemetry::Subscription;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::entry::{Entry, Predecessor};
use super::gate::{Gate, Occupied};
use super::plan::Planned;
use super::{RELOAD_PATIENCE, Supervisor};
use crate::config::SinkConfig;
use crate::runner::Command;

/// What a reload has done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Names of sinks that are new.
    pub started: Vec<String>,
    /// Names of sinks whose settings changed.
    pub restarted: Vec<String>,
    /// Names of sinks that are gone.
    pub stopped: Vec<String>,
    /// How many sinks were left alone.
    pub unchanged: usize,
}

impl Changes {
    /// Whether anything changed.
    pub fn is_some(&self) -> bool {
        !(self.started.is_empty() && self.restarted.is_empty() && self.stopped.is_empty())
    }
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, names) in
            [("started", &self.started), ("restarted", &self.restarted), ("stopped", &self.stopped)]
        {
            if !names.is_empty() {
                write!(f, "{what} {}; ", names.join(", "))?;
            }
        }
        write!(f, "unchanged {}", self.unchanged)
    }
}

/// One that stops.
struct Leaving {
    entry: Entry,
    /// The way to it, which its successor's address is not.
    commands: mpsc::Sender<Command>,
    occupied: Occupied,
}

impl From<Entry> for Leaving {
    fn from(entry: Entry) -> Self {
        Self { commands: entry.address.sender(), occupied: Occupied::new(), entry }
    }
}

/// One that runs on, or one that comes.
enum Next {
    Kept(Entry),
    New { planned: Planned, subscription: Subscription, predecessor: Option<Predecessor> },
}

/// Makes the plan true. A changed sink begins exactly where its predecessor ends: no event is missed or seen twice. All
/// that are new take records in at once, however long the others take to stop.
pub(super) async fn take_over(
    supervisor: &mut Supervisor,
    planned: Vec<Planned>,
    sinks: &[SinkConfig],
) -> Changes {
    let mut changes = Changes::default();
    let mut old = std::mem::take(&mut supervisor.entries);
    let is_configured = |entry: &Entry| sinks.iter().any(|s| s.enabled && s.name() == entry.name());
    let mut leaving: Vec<Leaving> =
        old.extract_if(.., |entry| !is_configured(entry)).map(Leaving::from).collect();
    changes.stopped.extend(leaving.iter().map(|gone| gone.entry.name().to_owned()));

    // All new subscriptions exist before any sink stops.
    let bus = &supervisor.context.bus;
    let mut next = Vec::new();
    for planned in planned {
        let at = old.iter().position(|entry| entry.name() == planned.config.name());
        match (planned.built.is_some(), at.map(|at| old.swap_remove(at))) {
            (false, Some(running)) => {
                changes.unchanged += 1;
                next.push(Next::Kept(running));
            }
            (_, running) => {
                let names = if running.is_some() { &mut changes.restarted } else { &mut changes.started };
                names.push(planned.config.name().to_owned());
                let subscription = running.as_ref().map_or_else(|| bus.subscribe(), |old| old.hand_over(bus));
                let predecessor = running.as_ref().map(Entry::predecessor);
                leaving.extend(running.map(Leaving::from));
                next.push(Next::New { planned, subscription, predecessor });
            }
        }
    }
    for one in next {
        supervisor.entries.push(match one {
            Next::Kept(entry) => entry,
            Next::New { planned, subscription, predecessor } => {
                let has_what_it_wants =
                    |one: &&Leaving| one.entry.claims.iter().any(|claim| planned.claims.contains(claim));
                let gate = Gate::behind(leaving.iter().filter(has_what_it_wants).map(|one| &one.occupied));
                let input = (subscription, supervisor.gather.drains());
                let (context, build) = (&supervisor.context, &supervisor.build);
                Entry::start(planned, context, build, input, gate, predecessor.as_ref())
            }
        });
    }
    let deadline = Instant::now() + RELOAD_PATIENCE;
    let stopping: Vec<_> = leaving
        .into_iter()
        .map(|Leaving { entry, commands, occupied }| {
            let stopping = entry.stop_via(commands, deadline);
            tokio::spawn(async move {
                note(stopping.finished().await);
                drop(occupied);
            })
        })
        .collect();
    for stopping in stopping {
        // A panic has been told.
        let _ = stopping.await;
    }
    // Their last sends may still have failed.
    changes.stopped.iter().for_each(|name| supervisor.context.sinks.retire(name));
    changes
}

fn note(finished: Result<(), String>) {
    if let Err(sink) = finished {
        tracing::warn!(target: "picoclaw_sinks", sink, "Sink was replaced before it had sent everything.");
    }
}
