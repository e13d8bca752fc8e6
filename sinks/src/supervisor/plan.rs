//! What is going to run: every sink built and nothing started.

use std::collections::HashMap;

use super::BuildSink;
use super::check::{self, CheckError};
use super::entry::Entry;
use super::errors::{ReloadError, StartError};
use crate::config::SinkConfig;
use crate::context::Context;
use crate::registry::{self, Built};

/// A sink of the new configuration.
pub(super) struct Planned {
    pub(super) config: SinkConfig,
    pub(super) index: usize,
    /// Absent for one that runs already and has not changed.
    pub(super) built: Option<Built>,
    pub(super) endpoints: Vec<String>,
    pub(super) claims: Vec<String>,
    /// What its transport says of the version of its code.
    pub(super) version: Option<String>,
}

impl Planned {
    fn new(config: &SinkConfig, index: usize, built: Built) -> Self {
        let transport = built.transport.as_ref();
        Self {
            config: config.clone(),
            index,
            endpoints: built.sink.endpoints(),
            claims: transport.map_or_else(Vec::new, |transport| transport.claims()),
            version: transport.and_then(|transport| transport.version()),
            built: Some(built),
        }
    }

    /// One that runs already and is left alone.
    fn kept(entry: &Entry, index: usize) -> Self {
        Self {
            config: entry.config.clone(),
            index,
            built: None,
            endpoints: entry.endpoints.clone(),
            claims: entry.claims.clone(),
            version: entry.version.clone(),
        }
    }

    /// Tries the destination, where a failure means that the entry cannot be meant.
    async fn try_destination(&mut self) -> Result<(), CheckError> {
        let transport = self.built.as_mut().and_then(|built| built.transport.as_mut());
        match transport.filter(|transport| transport.must_be_reachable()) {
            Some(transport) => check::probe(transport.as_mut()).await,
            None => Ok(()),
        }
    }
}

/// Tries what a reload would begin to write to: of a file it is known now whether it can be written, where an agent on
/// the network may come later.
pub(super) async fn try_destinations(planned: &mut [Planned]) -> Result<(), ReloadError> {
    for one in planned {
        if let Err(source) = one.try_destination().await {
            let name = one.config.name().to_owned();
            return Err(ReloadError::Destination { index: one.index, name, source });
        }
    }
    Ok(())
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
        let running = running.iter().find(|entry| entry.config == *config);
        // Building opens nothing: it is the way to learn of another version.
        let one = match running {
            Some(entry) if entry.version.is_none() => Planned::kept(entry, index),
            _ => {
                let built = Planned::new(config, index, build(config, index, context)?);
                match running {
                    Some(entry) if entry.version == built.version => Planned::kept(entry, index),
                    _ => built,
                }
            }
        };
        planned.push(one);
    }
    match collisions(&planned).into_iter().next() {
        Some(error) => Err(error),
        None => Ok(planned),
    }
}

/// Everything for which these sinks could not start, not only the first thing.
pub fn problems(sinks: &[SinkConfig], context: &Context) -> Vec<StartError> {
    let mut found = Vec::new();
    let mut planned = Vec::new();
    for (index, config) in sinks.iter().enumerate().filter(|(_, config)| config.enabled) {
        match registry::build(config, index, context) {
            Ok(built) => planned.push(Planned::new(config, index, built)),
            Err(_) => {
                let problems = registry::problems(config, index, context);
                found.extend(problems.into_iter().map(StartError::Build));
            }
        }
    }
    found.extend(collisions(&planned));
    found
}

fn collisions(planned: &[Planned]) -> Vec<StartError> {
    let mut found = Vec::new();
    let mut paths: HashMap<&str, &Planned> = HashMap::new();
    let mut destinations: HashMap<&str, &Planned> = HashMap::new();
    for one in planned {
        for path in &one.endpoints {
            match paths.get(path.as_str()) {
                Some(other) => found.push(StartError::PathTaken {
                    index: one.index,
                    path: path.clone(),
                    owner: other.config.name().to_owned(),
                }),
                None => drop(paths.insert(path, one)),
            }
        }
        for claim in &one.claims {
            match destinations.get(claim.as_str()) {
                Some(other) => found.push(StartError::DestinationTaken {
                    index: one.index,
                    claim: claim.clone(),
                    owner: other.config.name().to_owned(),
                }),
                None => drop(destinations.insert(claim, one)),
            }
        }
    }
    found
}
