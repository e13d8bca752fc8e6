//! `picoclaw sinks`.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::SystemTime;

use picoclaw_sinks::mask::Masker;
use picoclaw_sinks::registry::known_types;
use picoclaw_sinks::{Context, supervisor};
use picoclaw_telemetry::{Bus, SinkRegistry};

use super::{say, small_runtime};
use crate::config::{self, Environment, Loaded};
use crate::health::Judge;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List the types that exist and the sinks that are configured.
    List,
    /// Build each configured sink and try whether its destination can be reached.
    Check,
}

pub(super) fn run(command: &Command) -> anyhow::Result<ExitCode> {
    let loaded = config::load(&Environment::process(), &known_types())?;
    match command {
        Command::List => {
            list(&loaded);
            Ok(ExitCode::SUCCESS)
        }
        Command::Check => check(&loaded),
    }
}

/// What sinks need to be built, without a gateway around them.
pub(super) fn context(loaded: &Loaded) -> Context {
    let bus = Bus::default();
    let sinks = SinkRegistry::default();
    Context {
        health: Arc::new(Judge::new(bus.clone(), sinks.clone())),
        bus,
        sinks,
        masker: Arc::new(Masker::new(&loaded.secrets)),
        started: SystemTime::now(),
    }
}

fn list(loaded: &Loaded) {
    say(&format!("types: {}", known_types().join(", ")));
    for sink in loaded.config.effective_sinks(&loaded.paths) {
        let state = if sink.enabled { "enabled" } else { "disabled" };
        let critical = if sink.critical { ", critical" } else { "" };
        say(&format!("{} (type {}, {state}{critical})", sink.name(), sink.kind));
    }
}

fn check(loaded: &Loaded) -> anyhow::Result<ExitCode> {
    let context = context(loaded);
    let runtime = small_runtime()?;
    let mut sound = true;
    for (index, sink) in loaded.config.effective_sinks(&loaded.paths).iter().enumerate() {
        if !sink.enabled {
            say(&format!("- {}: disabled", sink.name()));
            continue;
        }
        match runtime.block_on(supervisor::check(sink, index, &context)) {
            Ok(description) => say(&format!("✓ {}: {description}", sink.name())),
            Err(error) => {
                say(&format!("✗ {}: {error}", sink.name()));
                sound = false;
            }
        }
    }
    runtime.shutdown_background();
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
