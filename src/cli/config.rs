//! `picoclaw config`.

use std::process::ExitCode;

use super::say;
use picoclaw::config::{self, Environment, Report};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Say everything that is wrong with the configuration, and which sinks result.
    Check,
    /// Print the JSON schema of config.json.
    Schema,
    /// Print a configuration to start from.
    Example,
    /// Replace the configuration by the usual one; the file before is kept.
    Reset {
        /// Yes, replace it.
        #[arg(short, long)]
        force: bool,
    },
}

pub(super) fn run(command: &Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Check => return check(),
        Command::Reset { force } => return super::migrate::reset(*force),
        Command::Schema => say(&serde_json::to_string_pretty(&config::schema())?),
        Command::Example => say(config::example().trim_end()),
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn check() -> anyhow::Result<ExitCode> {
    let result = picoclaw_gateway::load(&Environment::process(), None);
    let report = result.as_ref().map_or_else(Report::from, Report::from);
    say(report.to_string().trim_end());
    Ok(if report.is_sound() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
