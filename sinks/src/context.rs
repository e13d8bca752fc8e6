//! What every sink may know of the process that it runs in.

use std::sync::Arc;

use picoclaw_telemetry::health::HealthSource;
use picoclaw_telemetry::{Bus, PluginRegistry, SinkRegistry};

use crate::mask::Masker;

/// Handed to every builder.
#[derive(Clone)]
pub struct Context {
    /// The bus: its vocabulary, its vitals and its number of events.
    pub bus: Bus,
    /// The statistics of all sinks.
    pub sinks: SinkRegistry,
    /// How the plugins with tools are.
    pub plugins: PluginRegistry,
    /// Who judges the gateway.
    pub health: Arc<dyn HealthSource>,
    /// Removes secrets from text.
    pub masker: Arc<Masker>,
    /// When the gateway started, by the clock that nobody sets.
    pub started: std::time::Instant,
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("bus", &self.bus).field("sinks", &self.sinks).finish_non_exhaustive()
    }
}
