//! `picoclaw sinks`.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use picoclaw_sinks::registry::known_types;
use picoclaw_sinks::supervisor;
use serde_json::Value;

use super::target::Target;
use super::{ask, complain, say, small_runtime};
use picoclaw::config::{self, Environment, Loaded};
use picoclaw_gateway::sink_context;

/// How long a gateway may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List the types that exist and the sinks that are configured.
    List,
    /// Build each configured sink and try whether its destination can be reached.
    Check,
}

pub(super) fn run(command: &Command) -> anyhow::Result<ExitCode> {
    let environment = Environment::process();
    match (command, config::load(&environment, &known_types())) {
        (Command::List, Ok(loaded)) => {
            list(&loaded);
            Ok(ExitCode::SUCCESS)
        }
        (Command::Check, Ok(loaded)) => check(&loaded),
        (Command::List, Err(errors)) => Err(errors.into()),
        (Command::Check, Err(errors)) => {
            complain(&errors.to_string());
            if let Some(target) = Target::running(&environment) {
                of_running(&target)?;
            }
            Ok(ExitCode::FAILURE)
        }
    }
}

/// How the sinks of the running gateway are, when its configuration cannot be read any more.
fn of_running(target: &Target) -> anyhow::Result<()> {
    let url = target.ready_url();
    let answer = ask::get(&url, target.authorization(), PATIENCE);
    let answer = small_runtime()?.block_on(answer).context("the running gateway does not answer")?;
    let document: Value = serde_json::from_slice(&answer.body)?;
    say("The running gateway goes on with the configuration that it has:");
    for (name, check) in document["checks"].as_object().into_iter().flatten() {
        let Some(sink) = name.strip_prefix("sink_") else { continue };
        let mark = if check["status"] == "ok" { "✓" } else { "✗" };
        let message = check["message"].as_str().map_or(String::new(), |message| format!(": {message}"));
        say(&format!("{mark} {sink}{message}"));
    }
    Ok(())
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
    let context = sink_context(loaded);
    let runtime = small_runtime()?;
    let sinks = loaded.config.effective_sinks(&loaded.paths);
    let problems: Vec<_> = supervisor::problems(&sinks, &context).iter().map(ToString::to_string).collect();
    let mut sound = true;
    for (index, sink) in sinks.iter().enumerate() {
        if !sink.enabled {
            say(&format!("- {}: disabled", sink.name()));
            continue;
        }
        let place = format!("telemetry.sinks[{index}]");
        let mut wrong: Vec<_> = problems.iter().filter(|text| text.starts_with(&place)).cloned().collect();
        if wrong.is_empty() {
            match runtime.block_on(supervisor::check(sink, index, &context)) {
                Ok(description) => say(&format!("✓ {}: {description}", sink.name())),
                Err(error) => wrong.push(error.to_string()),
            }
        }
        wrong.iter().for_each(|problem| say(&format!("✗ {}: {problem}", sink.name())));
        sound &= wrong.is_empty();
    }
    runtime.shutdown_background();
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
