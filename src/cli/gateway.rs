//! `picoclaw gateway`.

use std::process::ExitCode;

use picoclaw::config::Environment;
use picoclaw_gateway::{Options, run as run_gateway};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Log everything.
    #[arg(short, long)]
    debug: bool,
    /// Do not shorten long texts in the log (accepted for compatibility; texts are bounded anyway).
    #[arg(short = 'T', long, requires = "debug")]
    no_truncate: bool,
    /// Start even when no default model is configured (always possible: the built-in model answers).
    #[arg(short = 'E', long)]
    allow_empty: bool,
    /// Listen here instead of at gateway.host.
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let options = Options { host: arguments.host.clone(), debug: arguments.debug };
    let runtime = super::small_runtime()?;
    let result = runtime.block_on(run_gateway(Environment::process(), options));
    runtime.shutdown_timeout(super::LAST_PATIENCE);
    result.map(|()| ExitCode::SUCCESS)
}
