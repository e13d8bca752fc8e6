//! From one set of sinks to another.

use std::fmt;

use tokio::time::Instant;

use super::entry::{Entry, Stopping};
use super::plan::Planned;
use super::{RELOAD_PATIENCE, Supervisor};
use crate::config::SinkConfig;

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

/// Makes the plan true. A changed sink begins exactly where its predecessor ends: no event is missed or seen twice.
pub(super) async fn take_over(
    supervisor: &mut Supervisor,
    planned: Vec<Planned>,
    sinks: &[SinkConfig],
) -> Changes {
    let mut changes = Changes::default();
    let deadline = Instant::now() + RELOAD_PATIENCE;
    let mut old = std::mem::take(&mut supervisor.entries);
    let mut stopping: Vec<Stopping> = Vec::new();

    // Sinks that are gone may hold what others want.
    let is_configured = |entry: &Entry| sinks.iter().any(|s| s.enabled && s.name() == entry.name());
    for gone in old.extract_if(.., |entry| !is_configured(entry)) {
        changes.stopped.push(gone.name().to_owned());
        stopping.push(gone.stop(deadline));
    }
    let wanted: Vec<String> = planned
        .iter()
        .filter(|planned| planned.built.is_some())
        .flat_map(|planned| planned.claims.clone())
        .collect();
    let overlaps = |entry: &Entry| entry.claims.iter().any(|claim| wanted.contains(claim));

    // All new subscriptions exist before any sink stops.
    let mut coming = Vec::new();
    for planned in planned {
        let at = old.iter().position(|entry| entry.name() == planned.config.name());
        let running = at.map(|at| old.swap_remove(at));
        match (planned.built.is_some(), running) {
            (false, Some(running)) => {
                changes.unchanged += 1;
                supervisor.entries.push(running);
                coming.push(None);
            }
            (_, running) => {
                let names = if running.is_some() { &mut changes.restarted } else { &mut changes.started };
                names.push(planned.config.name().to_owned());
                let bus = &supervisor.context.bus;
                let subscription = running.as_ref().map_or_else(|| bus.subscribe(), |old| old.hand_over(bus));
                let predecessor = running.as_ref().map(Entry::predecessor);
                // Stopped first, where old and new cannot both have what they want; else the new one comes first.
                let later = match running {
                    Some(running) if overlaps(&running) => {
                        stopping.push(running.stop(deadline));
                        None
                    }
                    Some(running) => Some((running.address.sender(), running)),
                    None => None,
                };
                coming.push(Some((planned, subscription, predecessor, later)));
            }
        }
    }
    for stopping in stopping {
        note(stopping.finished().await);
    }
    // Their last sends may still have failed.
    changes.stopped.iter().for_each(|name| supervisor.context.sinks.retire(name));
    let unchanged = std::mem::take(&mut supervisor.entries);
    let mut unchanged = unchanged.into_iter();
    let mut replaced = Vec::new();
    for one in coming {
        let Some((planned, subscription, predecessor, later)) = one else {
            supervisor.entries.extend(unchanged.next());
            continue;
        };
        supervisor.entries.push(Entry::start(
            planned,
            &supervisor.context,
            &supervisor.build,
            (subscription, supervisor.gather.drains()),
            predecessor.as_ref(),
        ));
        if let Some((commands, running)) = later {
            replaced.push(running.stop_via(commands, deadline));
        }
    }
    for stopping in replaced {
        note(stopping.finished().await);
    }
    changes
}

fn note(finished: Result<(), String>) {
    if let Err(sink) = finished {
        tracing::warn!(target: "picoclaw_sinks", sink, "Sink was replaced before it had sent everything.");
    }
}
