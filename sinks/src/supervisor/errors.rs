//! Why a set of sinks cannot run.

use super::check::CheckError;
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

impl StartError {
    /// Where, from the root of the configuration, and what is wrong there.
    pub fn parts(&self) -> (String, String) {
        let text = self.to_string();
        // Every message begins with the place.
        match text.split_once(": ") {
            Some((path, message)) => (path.to_owned(), message.to_owned()),
            None => (String::new(), text),
        }
    }
}

/// Why a new configuration was refused. Nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// The sinks cannot start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A sink that is new or changed could not write to its destination.
    #[error(
        "telemetry.sinks[{index}]: the sink \"{name}\" would not work: {source}; correct its options, or make room for it"
    )]
    Destination {
        /// Which entry.
        index: usize,
        /// Its name.
        name: String,
        /// What is wrong.
        source: CheckError,
    },
}
