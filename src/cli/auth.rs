//! `picoclaw auth`: which providers have keys. Signing in with an account is not offered.

use std::collections::BTreeMap;
use std::process::ExitCode;

use picoclaw_sinks::registry::known_types;

use super::absent;
use super::say;
use picoclaw::config::{self, ECHO, Environment};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Show which providers have keys; the keys are not shown.
    Status,
    /// List the models; those of accounts are not offered.
    Models,
    /// Anything else is not offered.
    #[command(external_subcommand)]
    Other(Vec<String>),
}

pub(super) fn run(command: &Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Status => status(),
        Command::Models => {
            say(
                "These are the models of config.json; models of an account that is signed in to are not offered.",
            );
            super::model::list(false)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Other(rest) => Ok(absent::say_so(absent::AUTH, rest)),
    }
}

fn status() -> anyhow::Result<ExitCode> {
    let loaded = config::load(&Environment::process(), &known_types())?;
    let mut keys: BTreeMap<&str, usize> = BTreeMap::new();
    for model in loaded.config.models().filter(|model| !model.provider_name().eq_ignore_ascii_case(ECHO)) {
        *keys.entry(model.provider_name()).or_default() += model.keys().count();
    }
    say("Providers have keys; signing in with an account is not offered.");
    for (provider, count) in keys {
        let words = match count {
            0 => "no key".to_owned(),
            1 => "one key".to_owned(),
            count => format!("{count} keys"),
        };
        say(&format!("  {provider}: {words}"));
    }
    Ok(ExitCode::SUCCESS)
}
