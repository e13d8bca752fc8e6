//! `picoclaw agent`: talk to the agent on the terminal.
//!
//! When a gateway runs on this home directory, the message goes through it: its metrics then tell of it, and the
//! session's turns follow one another. Otherwise the agent runs right here.

mod local;
mod remote;
mod repl;

use std::io::{BufRead, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use async_trait::async_trait;
use picoclaw_sinks::registry::known_types;

use super::small_runtime;
use picoclaw::config::{self, Environment, Paths};
use picoclaw::pidfile;

/// What was typed, in the home.
const HISTORY: &str = ".agent_history";

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The message; without it, every line of the standard input is one.
    #[arg(short, long, value_parser = not_blank)]
    message: Option<String>,
    /// The session that remembers the conversation.
    #[arg(short, long, default_value = "cli:default", value_parser = not_blank)]
    session: String,
    /// The configured model that answers.
    #[arg(long, value_parser = not_blank)]
    model: Option<String>,
    /// Log everything.
    #[arg(short, long)]
    debug: bool,
}

impl Arguments {
    /// Whether a person types one message after the other.
    fn is_conversation(&self) -> bool {
        self.message.is_none() && std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
    }
}

fn not_blank(text: &str) -> Result<String, &'static str> {
    if text.trim().is_empty() { Err("it must not be empty") } else { Ok(text.to_owned()) }
}

/// Somebody who answers.
#[async_trait]
trait Answering {
    /// Answers one message, piece by piece on standard output.
    async fn answer(&self, message: &str) -> anyhow::Result<()>;
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mut environment = Environment::process();
    if arguments.debug {
        environment = environment.with("PICOCLAW_LOG_LEVEL", "debug");
    }
    let loaded = config::load(&environment, &known_types());
    let paths = Paths::find(&environment);
    let history = paths.as_ref().map(|paths| paths.home.join(HISTORY));
    let gateway = paths.and_then(|paths| pidfile::running(&paths.pid_file));
    let runtime = small_runtime()?;
    let result = runtime.block_on(async {
        match gateway {
            // It goes on with what it has read, whatever the file says by now.
            Some(gateway) => {
                let remote = remote::Remote::new(gateway, loaded.as_ref().ok(), arguments)?;
                talk(arguments, &remote, history).await
            }
            None => {
                let local = local::Local::start(&loaded?, arguments).await?;
                let result = talk(arguments, &local, history).await;
                local.stop().await;
                result
            }
        }
    });
    runtime.shutdown_background();
    result.map(|()| ExitCode::SUCCESS)
}

async fn talk(arguments: &Arguments, agent: &dyn Answering, history: Option<PathBuf>) -> anyhow::Result<()> {
    if let Some(message) = &arguments.message {
        return agent.answer(message).await;
    }
    if let Some(history) = history.filter(|_| arguments.is_conversation()) {
        return repl::talk(agent, &history).await;
    }
    let mut failed = 0;
    loop {
        let line = tokio::task::spawn_blocking(|| {
            let mut line = String::new();
            std::io::stdin().lock().read_line(&mut line).map(|read| (read > 0).then_some(line))
        });
        let line = line.await?.context("reading a message from the standard input")?;
        match line.as_deref().map(str::trim) {
            Some("") => {}
            None | Some("exit" | "quit") => break,
            Some(message) => {
                if let Err(error) = agent.answer(message).await {
                    super::complain(&super::in_full(&error));
                    failed += 1;
                }
            }
        }
    }
    // A script looks at the exit code.
    anyhow::ensure!(failed == 0, "{failed} of the messages got no answer");
    Ok(())
}

/// A piece of text on standard output, at once.
fn write_out(text: &str) {
    let mut out = std::io::stdout().lock();
    // A reader who has gone away is no error.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
