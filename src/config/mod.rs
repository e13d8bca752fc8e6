//! The configuration: what an operator writes, from wherever it comes, as one checked value.
//!
//! [`load()`] lays the sources over one another, the later ones winning: `config.json`, the telemetry sidecar,
//! `.security.yml`, environment variables. It never writes to a file of the user.
//!
//! * `sections`: what can be configured, with the defaults; the doc comments are the reference.
//! * `sources`, `older`, `security`, `overrides`: the sources and older layouts.
//! * `shape`, `inspect`: the JSON schema of those types, and the comparison of the settings with it. `salvage`: what is
//!   left for further checks.
//! * `unused`: settings of the existing PicoClaw that this gateway accepts and does not use.
//! * `validate`, `endpoints`: what a type cannot say, such as that a name exists or that a path is free.
//! * `short_forms`: the telemetry sinks that result.
//! * `edit`: changes to the file, on somebody's behalf. `encrypted`, `seal`: secrets that only a passphrase opens.
//! * `report`, `reference`: for people. `changes`: what differs between two configurations.

mod agent_checks;
mod changes;
mod edit;
mod encrypted;
mod endpoints;
mod environment;
mod inspect;
mod load;
mod migrate;
mod older;
mod overrides;
mod paths;
mod problem;
mod reference;
mod repeated;
mod report;
mod salvage;
mod seal;
mod secret;
mod secret_values;
mod sections;
mod security;
mod shape;
mod short_forms;
mod sources;
mod spelling;
mod tree;
mod unused;
mod validate;

pub use changes::changes;
pub use edit::write as write_file;
pub use edit::{ConfigFile, EditError, replace};
pub use encrypted::{PASSPHRASE, encrypt};
pub use environment::Environment;
pub use load::{Loaded, load, load_with};
pub use migrate::{Migration, migrate};
pub use paths::Paths;
pub use problem::{ConfigErrors, Problem, Severity, Source, Warning};
pub use reference::reference;
pub use report::Report;
pub use seal::{seal, ssh_key};
pub use secret::{MASK, SecretString, is_secret_key};
pub use sections::*;
pub use shape::schema;
pub use short_forms::HEALTH_SINK;
pub use validate::Checked;

/// A configuration to start from: the text of `config/picoclaw.json`.
pub fn example() -> &'static str {
    include_str!("../../config/picoclaw.json")
}

#[cfg(test)]
mod tests;
