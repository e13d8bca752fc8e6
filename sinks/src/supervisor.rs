//! Starts, watches, reloads and stops the sinks.
//!
//! Everything that can be wrong in a configuration is found before anything starts. What can go wrong later, such as a
//! full disk or an unreachable agent, never stops the gateway: the sink is down, says so, and tries again.

mod check;
mod conservation;
mod entry;
mod errors;
mod gate;
mod keeper;
mod plan;
mod reload;
mod reopener;

use std::sync::Arc;
use std::time::Duration;

use picoclaw_telemetry::sink::Route;
use tokio::time::Instant;

use crate::config::SinkConfig;
use crate::context::Context;
use crate::gather::Gather;
use crate::registry::{BuildError, Built};
use crate::runner::SinkEndpoint;

pub use check::{CheckError, check, doubts};
pub use conservation::{Imbalance, conservation};
pub use errors::{ReloadError, StartError};
pub use plan::problems;
pub use reload::Changes;
pub use reopener::Reopener;

use entry::Entry;
use gate::Gate;

/// What turns an entry of the configuration into a sink.
pub type BuildSink = Arc<dyn Fn(&SinkConfig, usize, &Context) -> Result<Built, BuildError> + Send + Sync>;

/// How long a reload waits for a sink that it stops.
const RELOAD_PATIENCE: Duration = Duration::from_secs(5);

/// The sinks at work.
pub struct Supervisor {
    context: Context,
    build: BuildSink,
    gather: Gather,
    entries: Vec<Entry>,
    reopener: Reopener,
}

/// How a sink is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SinkState {
    /// Its configured name.
    pub name: String,
    /// Its type.
    pub kind: String,
    /// Whether the gateway is unhealthy while it is down.
    pub critical: bool,
    /// Whether its last send worked.
    pub up: bool,
    /// Since when it is down, as Unix seconds.
    pub down_since: Option<u64>,
    /// Its last error, also after it was overcome. Free of secrets.
    pub last_error: Option<String>,
}

impl Supervisor {
    /// Starts the sinks that are enabled; must be called within a tokio runtime.
    ///
    /// # Errors
    /// When a sink cannot be built, or two want the same name, path or destination. Nothing has started then.
    pub fn start(sinks: &[SinkConfig], context: Context) -> Result<Self, StartError> {
        Self::start_with(sinks, context, Arc::new(crate::registry::build))
    }

    /// The same with types of sinks that the registry does not know.
    ///
    /// # Errors
    /// As [`Supervisor::start`].
    pub fn start_with(sinks: &[SinkConfig], context: Context, build: BuildSink) -> Result<Self, StartError> {
        let planned = plan::plan(sinks, &[], &context, &build)?;
        let gather = Gather::start(&context.bus);
        // All subscribe before the first one starts, which may have something to say.
        let subscribed: Vec<_> = planned
            .into_iter()
            .map(|planned| (planned, (context.bus.subscribe(), gather.drains())))
            .collect();
        let entries: Vec<_> = subscribed
            .into_iter()
            .map(|(planned, input)| Entry::start(planned, &context, &build, input, Gate::default(), None))
            .collect();
        let reopener = Reopener::default();
        reopener.reach(&entries);
        Ok(Self { context, build, gather, entries, reopener })
    }

    /// The paths that the sinks answer. A sink that a reload restarts keeps answering under its old routes.
    pub fn routes(&self) -> Vec<Route> {
        let routes = self.entries.iter().flat_map(|entry| {
            let endpoint = Arc::new(SinkEndpoint {
                name: entry.name().to_owned(),
                bus: self.context.bus.clone(),
                address: entry.address.clone(),
            });
            entry.endpoints.iter().map(move |path| Route {
                path: path.clone(),
                kind: entry.config.kind.clone(),
                endpoint: Arc::clone(&endpoint) as _,
            })
        });
        routes.collect()
    }

    /// How the sinks are, in the order of the configuration.
    pub fn states(&self) -> Vec<SinkState> {
        self.entries.iter().map(Entry::state).collect()
    }

    /// Takes a new configuration over. Sinks that did not change are left alone and keep their numbers.
    ///
    /// # Errors
    /// When a sink cannot be built, two want the same name, path or destination, or a file that one begins to write
    /// cannot be written. Nothing has changed then.
    pub async fn reload(&mut self, sinks: &[SinkConfig]) -> Result<Changes, ReloadError> {
        let mut planned = plan::plan(sinks, &self.entries, &self.context, &self.build)?;
        plan::try_destinations(&mut planned).await?;
        let changes = reload::take_over(self, planned, sinks).await;
        self.reopener.reach(&self.entries);
        Ok(changes)
    }

    /// What opens all files anew. It does not wait for a reload to end.
    pub fn reopener(&self) -> Reopener {
        self.reopener.clone()
    }

    /// Lets all sinks send what they have, each at most `per_sink` long, and stops them. Returns the names of those
    /// that lost something or did not finish.
    pub async fn drain(&mut self, per_sink: Duration) -> Vec<String> {
        let entries = std::mem::take(&mut self.entries);
        let deadline = Instant::now() + per_sink;
        let stopping: Vec<_> = entries.into_iter().map(|entry| entry.stop(deadline)).collect();
        let mut unfinished = Vec::new();
        for stopping in stopping {
            if let Err(name) = stopping.finished().await {
                unfinished.push(name);
            }
        }
        unfinished
    }
}

impl std::fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Supervisor").field("sinks", &self.states()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
