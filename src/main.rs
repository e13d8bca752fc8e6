//! The `picoclaw` command.

mod cli;
mod integrations;

// What the command line uses of the gateway, by the names that it has there.
use picoclaw::{
    agent, channels, chat, config, diagnostics, gateway, http, jobs, mcp, pidfile, providers, sessions,
    skills, tools,
};

fn main() -> std::process::ExitCode {
    cli::main()
}
