//! `picoclaw migrate` and `picoclaw config reset`: a configuration in the present layout, or a new one.

use std::path::PathBuf;
use std::process::ExitCode;

use picoclaw_sinks::registry::known_types;

use super::edit::{paths, tell_gateway};
use super::{complain, say};
use picoclaw::config::{self, Environment, Migration};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Only say what would change.
    #[arg(short = 'n', long)]
    dry_run: bool,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let environment = Environment::process();
    let paths = paths(&environment)?;
    let file = &paths.config_file;
    let Some(Migration { from, text, notices }) = config::migrate(file)? else {
        say(&format!("{} has the present layout already.", file.display()));
        return Ok(ExitCode::SUCCESS);
    };
    notices.iter().for_each(|notice| complain(&format!("note: {notice}")));
    if arguments.dry_run {
        say(&text);
        return Ok(ExitCode::SUCCESS);
    }
    let backup = config::replace(file, &text, &dated_suffix(file), &environment, &known_types())?;
    say(&format!("✓ {} was brought from version {from} to version 3.", file.display()));
    told(backup, &paths);
    Ok(ExitCode::SUCCESS)
}

/// Puts the usual configuration in the place of the present one.
pub(super) fn reset(force: bool) -> anyhow::Result<ExitCode> {
    let environment = Environment::process();
    let paths = paths(&environment)?;
    let file = &paths.config_file;
    anyhow::ensure!(
        force,
        "this replaces {} by the usual configuration (the file before is kept): say so with -f",
        file.display()
    );
    std::fs::create_dir_all(paths.config_dir())?;
    let backup = config::replace(
        file,
        super::onboard::USUAL_CONFIG,
        &dated_suffix(file),
        &environment,
        &known_types(),
    )?;
    say(&format!("✓ {} is the usual configuration now.", file.display()));
    told(backup, &paths);
    Ok(ExitCode::SUCCESS)
}

fn told(backup: Option<PathBuf>, paths: &config::Paths) {
    if let Some(backup) = backup {
        say(&format!("  The file before is {}.", backup.display()));
    }
    tell_gateway(paths);
}

/// `YYYYMMDD.bak`, with a number where a backup of that day exists: none is ever overwritten.
fn dated_suffix(file: &std::path::Path) -> String {
    let day = jiff::Timestamp::now().strftime("%Y%m%d").to_string();
    let exists = |suffix: &str| {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        file.with_file_name(format!("{name}.{suffix}")).exists()
    };
    let mut suffix = format!("{day}.bak");
    let mut number = 1;
    while exists(&suffix) {
        number += 1;
        suffix = format!("{day}.{number}.bak");
    }
    suffix
}
