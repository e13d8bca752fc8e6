//! The command line.
//!
//! Each command is a file: it reads its arguments, calls the part that does the work, and prints.

mod absent;
mod agent;
mod ask;
mod auth;
mod completions;
mod config;
mod cron;
mod edit;
mod gateway;
mod health;
mod integrations;
mod mcp;
mod metrics;
mod migrate;
mod model;
mod onboard;
mod plugin;
mod plugin_host;
mod reload;
mod sinks;
mod skills;
mod status;
mod target;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

/// An AI-assistant gateway that can be monitored, truthfully.
#[derive(Debug, Parser)]
#[command(name = "picoclaw", version, disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the gateway.
    #[command(alias = "g")]
    Gateway(gateway::Arguments),
    /// Talk to the agent: one message with -m, otherwise line by line.
    Agent(agent::Arguments),
    /// Create a home directory to start with; what exists stays as it is.
    Onboard(onboard::Arguments),
    /// Show what is configured and how a running gateway is.
    Status(status::Arguments),
    /// Ask the running gateway how it is: one line, and the exit code 0 or 1.
    Health(health::Arguments),
    /// Print the live numbers of the running gateway.
    Metrics(metrics::Arguments),
    /// Let the running gateway read its configuration again and open its log files anew; say what changed.
    Reload,
    /// List, add, remove and switch scheduled jobs.
    #[command(subcommand)]
    Cron(cron::Command),
    /// List the models, choose which one answers, or add one.
    Model(model::Arguments),
    /// Add, list, show and remove the MCP servers whose tools the agent can use.
    #[command(subcommand)]
    Mcp(mcp::Command),
    /// List, show, install and remove skills of the workspace.
    #[command(subcommand)]
    Skills(skills::Command),
    /// Bring an older config.json into the present layout; the file before is kept.
    Migrate(migrate::Arguments),
    /// Print a script that lets a shell complete these commands.
    Completions(completions::Arguments),
    /// Print the manual page.
    #[command(hide = true)]
    Man,
    /// Show which providers have keys.
    #[command(hide = true, subcommand)]
    Auth(auth::Command),
    /// Not offered.
    #[command(hide = true)]
    Update(absent::Arguments),
    /// Print the version.
    Version,
    /// List the files for other programs, or print or write them filled in for this gateway.
    Integrations(integrations::Arguments),
    /// Check the configuration, or print its schema or an example.
    #[command(subcommand)]
    Config(config::Command),
    /// List the telemetry sinks, or try whether they can work.
    #[command(subcommand)]
    Sinks(sinks::Command),
    /// List the plugins that are configured, look at a file, or begin a new plugin.
    #[command(subcommand)]
    Plugin(plugin::Command),
    /// Host a plugin: what a gateway starts for each of them.
    #[command(hide = true)]
    PluginHost(plugin_host::Arguments),
}

/// Does what the command line says.
pub fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Gateway(arguments) => gateway::run(&arguments),
        Command::Agent(arguments) => agent::run(&arguments),
        Command::Onboard(arguments) => onboard::run(&arguments),
        Command::Status(arguments) => status::run(&arguments),
        Command::Health(arguments) => health::run(&arguments),
        Command::Metrics(arguments) => metrics::run(&arguments),
        Command::Reload => reload::run(),
        Command::Version => {
            say(&format!("picoclaw {}", env!("CARGO_PKG_VERSION")));
            Ok(ExitCode::SUCCESS)
        }
        Command::Integrations(arguments) => integrations::run(&arguments),
        Command::Cron(command) => cron::run(command),
        Command::Model(arguments) => model::run(arguments),
        Command::Mcp(command) => mcp::run(command),
        Command::Skills(command) => skills::run(command),
        Command::Migrate(arguments) => migrate::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments),
        Command::Man => completions::man(),
        Command::Auth(command) => auth::run(&command),
        Command::Update(arguments) => Ok(absent::say_so(absent::UPDATE, &arguments.rest)),
        Command::Config(command) => config::run(&command),
        Command::Sinks(command) => sinks::run(&command),
        Command::Plugin(command) => plugin::run(&command),
        Command::PluginHost(arguments) => plugin_host::run(arguments),
    };
    result.unwrap_or_else(|error| {
        complain(&in_full(&error));
        ExitCode::FAILURE
    })
}

/// A line on standard output. A reader who has gone away is no error.
fn say(line: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// How long the process waits for a blocked write, for example to a full pipe, before it ends all the same.
const LAST_PATIENCE: Duration = Duration::from_millis(500);

/// A line on standard error. Nobody may read it: a thread writes it, and is not waited for longer than a moment.
fn complain(line: &str) {
    use std::io::Write;
    let line = format!("picoclaw: {line}\n");
    let (written, done) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let _ = std::io::stderr().lock().write_all(line.as_bytes());
        let _ = written.send(());
    });
    let _ = done.recv_timeout(LAST_PATIENCE);
}

/// An error with its causes, each said once: some errors quote their cause themselves.
fn in_full(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// A length of time on the command line, in seconds.
fn seconds(text: &str) -> Result<Duration, String> {
    let expected = || "expected a number of seconds from 0.1 to 3600".to_owned();
    let seconds: f64 = text.parse().map_err(|_| expected())?;
    if (0.1..=3600.0).contains(&seconds) { Ok(Duration::from_secs_f64(seconds)) } else { Err(expected()) }
}

/// A runtime for commands that do a single thing.
fn small_runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn causes_are_said_once() {
        assert_eq!(
            in_full(&anyhow!("disk full").context("cannot write: disk full; free some")),
            "cannot write: disk full; free some"
        );
        assert_eq!(in_full(&anyhow!("disk full").context("cannot write")), "cannot write: disk full");
    }
}
