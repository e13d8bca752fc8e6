//! `picoclaw config`.

use std::process::ExitCode;

use picoclaw_sinks::registry::known_types;

use super::say;
use crate::config::{self, Environment, Report};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Say everything that is wrong with the configuration, and which sinks result.
    Check,
    /// Print the JSON schema of config.json.
    Schema,
    /// Print a configuration to start from.
    Example,
}

pub(super) fn run(command: &Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Check => return check(),
        Command::Schema => say(&serde_json::to_string_pretty(&config::schema())?),
        Command::Example => say(config::example().trim_end()),
    }
    Ok(ExitCode::SUCCESS)
}

fn check() -> anyhow::Result<ExitCode> {
    let result = config::load(&Environment::process(), &known_types());
    let report = result.as_ref().map_or_else(Report::from, Report::from);
    say(report.to_string().trim_end());
    let Ok(loaded) = result else { return Ok(ExitCode::FAILURE) };
    // What only the builders know: options of sinks, models, tools.
    let context = super::sinks::context(&loaded);
    let mut sound = true;
    for (index, sink) in loaded.config.effective_sinks(&loaded.paths).iter().enumerate() {
        if let Err(error) = picoclaw_sinks::build(sink, index, &context) {
            say(&format!("error: {error}"));
            sound = false;
        }
    }
    if let Err(error) = crate::gateway::setup(&context.bus, &loaded.config, &loaded.paths, &context.masker) {
        say(&format!("error: {error}"));
        sound = false;
    }
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
