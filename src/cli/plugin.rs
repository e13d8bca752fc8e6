//! `picoclaw plugin`.

mod new;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use picoclaw_sinks::plugin::Ready;
use picoclaw_sinks::plugin::inspect::inspect;
use picoclaw_sinks::plugin::options::Options;
use picoclaw_sinks::registry::known_types;
use serde_json::{Map, Value};

use super::{say, small_runtime};
use picoclaw::config::{self, Environment, Loaded};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List the plugins that are configured.
    List,
    /// Load a library in a process that is thrown away, and print what it is.
    Check {
        /// The library.
        file: PathBuf,
        /// A configuration, as JSON, with which an instance is made.
        #[arg(long)]
        config: Option<String>,
    },
    /// Begin a new plugin: a folder that builds at once, with tests.
    New {
        /// The plugin's name, which is the folder's too: lower-case letters, digits and `-`.
        name: String,
        /// The language.
        #[arg(long, value_enum, default_value_t = new::Language::Rust)]
        lang: new::Language,
    },
}

pub(super) fn run(command: &Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::List => {
            let loaded = config::load(&Environment::process(), &known_types())?;
            list(&loaded);
            Ok(ExitCode::SUCCESS)
        }
        Command::Check { file, config } => check(file, config.as_deref()),
        Command::New { name, lang } => {
            for line in new::create(std::path::Path::new("."), name, *lang)? {
                say(&line);
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn list(loaded: &Loaded) {
    let sinks = loaded.config.effective_sinks(&loaded.paths);
    if loaded.config.tools.plugins.is_empty() && !sinks.iter().any(|sink| sink.kind == "plugin") {
        say(
            "No plugin is configured: telemetry.sinks has none of the type \"plugin\", and tools.plugins none at all.",
        );
    }
    for sink in sinks.iter().filter(|sink| sink.kind == "plugin") {
        let state = if sink.enabled { "sink" } else { "sink, disabled" };
        match serde_json::from_value::<Options>(sink.options.clone()) {
            Ok(options) => say(&format!("{} ({state}): {options}", sink.name())),
            Err(error) => say(&format!("{} ({state}): {error}", sink.name())),
        }
    }
    for (name, options) in &loaded.config.tools.plugins {
        say(&format!("{name} (tools): {options}"));
    }
}

fn check(file: &std::path::Path, config: Option<&str>) -> anyhow::Result<ExitCode> {
    let config: Option<Map<String, Value>> =
        config.map(serde_json::from_str).transpose().context("--config: give a JSON object")?;
    let given = config.is_some();
    let file = std::path::absolute(file)?;
    let runtime = small_runtime()?;
    match runtime.block_on(inspect(&file, config)) {
        Ok(ready) => {
            describe(&ready, given).iter().for_each(|line| say(line));
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            say(&format!("✗ {error}"));
            Ok(ExitCode::FAILURE)
        }
    }
}

fn describe(ready: &Ready, configured: bool) -> Vec<String> {
    let abi = ready.abi.as_deref().unwrap_or("?");
    let mut lines = vec![format!("✓ {} {} (ABI {abi})", ready.name, ready.version)];
    lines.push(if ready.events { "  takes events".to_owned() } else { "  takes no events".to_owned() });
    if ready.signals_taken > 0 {
        lines.push(format!("  takes over {} signals of its process, which it must not", ready.signals_taken));
    }
    if configured {
        lines.push("  an instance was made and ended".to_owned());
        for tool in &ready.tools {
            lines.push(format!("  offers the tool {}: {}", tool.name, tool.description));
        }
    } else {
        lines.push("  no instance was made; --config '{}' does".to_owned());
    }
    lines
}
