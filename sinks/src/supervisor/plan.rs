//! What is going to run: every sink built and nothing started.

use std::collections::HashMap;

use super::BuildSink;
use super::entry::Entry;
use super::errors::StartError;
use crate::config::SinkConfig;
use crate::context::Context;
use crate::registry::Built;

/// A sink of the new configuration.
pub(super) struct Planned {
    pub(super) config: SinkConfig,
    pub(super) index: usize,
    /// Absent for one that runs already and has not changed.
    pub(super) built: Option<Built>,
    pub(super) endpoints: Vec<String>,
    pub(super) claims: Vec<String>,
}

/// Builds what does not run yet, and checks that everything fits together.
pub(super) fn plan(
    sinks: &[SinkConfig],
    running: &[Entry],
    context: &Context,
    build: &BuildSink,
) -> Result<Vec<Planned>, StartError> {
    let mut planned = Vec::new();
    let mut names: HashMap<&str, usize> = HashMap::new();
    for (index, config) in sinks.iter().enumerate().filter(|(_, config)| config.enabled) {
        if let Some(first) = names.insert(config.name(), index) {
            return Err(StartError::DuplicateName { index, first, name: config.name().to_owned() });
        }
        planned.push(match running.iter().find(|entry| entry.config == *config) {
            Some(entry) => Planned {
                config: config.clone(),
                index,
                built: None,
                endpoints: entry.endpoints.clone(),
                claims: entry.claims.clone(),
            },
            None => {
                let built = build(config, index, context)?;
                Planned {
                    config: config.clone(),
                    index,
                    endpoints: built.sink.endpoints(),
                    claims: built.transport.as_ref().map_or_else(Vec::new, |t| t.claims()),
                    built: Some(built),
                }
            }
        });
    }
    check_collisions(&planned)?;
    Ok(planned)
}

fn check_collisions(planned: &[Planned]) -> Result<(), StartError> {
    let mut paths: HashMap<&str, &Planned> = HashMap::new();
    let mut destinations: HashMap<&str, &Planned> = HashMap::new();
    for one in planned {
        for path in &one.endpoints {
            if let Some(other) = paths.insert(path, one) {
                return Err(StartError::PathTaken {
                    index: one.index,
                    path: path.clone(),
                    owner: other.config.name().to_owned(),
                });
            }
        }
        for claim in &one.claims {
            if let Some(other) = destinations.insert(claim, one) {
                return Err(StartError::DestinationTaken {
                    index: one.index,
                    claim: claim.clone(),
                    owner: other.config.name().to_owned(),
                });
            }
        }
    }
    Ok(())
}
