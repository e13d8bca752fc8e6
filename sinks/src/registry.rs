//! Type name to builder: the one line that a new sink adds.

use picoclaw_telemetry::sink::{Sink, Transport};

use crate::config::{OptionsError, SinkConfig};
use crate::context::Context;

/// A sink that is ready to run.
pub struct Built {
    /// Folds and encodes.
    pub sink: Box<dyn Sink>,
    /// Sends; absent for a sink that is only asked.
    pub transport: Option<Box<dyn Transport>>,
}

/// Why a sink cannot be built. Nothing was opened, sent or changed.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// An option is wrong.
    #[error(transparent)]
    Options(#[from] OptionsError),
    /// There is no such type.
    #[error("telemetry.sinks[{index}].type: unknown sink type \"{kind}\", expected one of {known}")]
    UnknownType {
        /// Which entry.
        index: usize,
        /// What it says.
        kind: String,
        /// What it could say.
        known: String,
    },
}

type Builder = fn(&SinkConfig, usize, &Context) -> Result<Built, BuildError>;

const BUILDERS: &[(&str, Builder)] = &[
    #[cfg(feature = "prometheus")]
    ("prometheus", crate::prometheus::build),
    #[cfg(feature = "datadog")]
    ("datadog", crate::datadog::build),
    #[cfg(feature = "newrelic")]
    ("newrelic", crate::newrelic::build),
    #[cfg(feature = "jsonlog")]
    ("jsonlog", crate::jsonlog::build),
];

/// The names of all types.
pub fn known_types() -> Vec<&'static str> {
    BUILDERS.iter().map(|(kind, _)| *kind).collect()
}

/// Builds the sink of entry `index` of `telemetry.sinks`.
///
/// # Errors
///
/// When the type is unknown or an option is wrong.
pub fn build(config: &SinkConfig, index: usize, context: &Context) -> Result<Built, BuildError> {
    let found = BUILDERS.iter().find(|(kind, _)| *kind == config.kind);
    let (_, builder) = found.ok_or_else(|| BuildError::UnknownType {
        index,
        kind: config.kind.clone(),
        known: known_types().join(", "),
    })?;
    builder(config, index, context)
}
