//! Why a set of sinks cannot run.

use crate::registry::BuildError;

/// Why the sinks of a configuration cannot start. The message says where and what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A sink cannot be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// Two sinks have one name.
    #[error(
        "telemetry.sinks[{index}]: the name \"{name}\" belongs to telemetry.sinks[{first}]; \
         give one of them another \"name\""
    )]
    DuplicateName {
        /// Which entry.
        index: usize,
        /// The entry that has the name already.
        first: usize,
        /// The name.
        name: String,
    },
    /// Two sinks answer one path.
    #[error(
        "telemetry.sinks[{index}]: the path {path} is answered by the sink \"{owner}\"; \
         give one of them another path, or disable it"
    )]
    PathTaken {
        /// Which entry.
        index: usize,
        /// The path.
        path: String,
        /// Who has it already.
        owner: String,
    },
    /// Two sinks have one destination that only one can have.
    #[error(
        "telemetry.sinks[{index}]: {claim} is used by the sink \"{owner}\"; \
         give one of them another destination, or disable it"
    )]
    DestinationTaken {
        /// Which entry.
        index: usize,
        /// The destination.
        claim: String,
        /// Who has it already.
        owner: String,
    },
}

/// Why a new configuration was refused. Nothing has changed.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct ReloadError(#[from] pub StartError);
