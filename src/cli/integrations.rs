//! `picoclaw integrations`: the files for other programs.

pub(crate) mod files;

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use picoclaw_sinks::registry::known_types;

use super::target::metrics_path;
use super::{complain, say};
use crate::integrations::files::{Facts, Filled, Integration, all, fill, find};
use picoclaw::config::{self, Environment, Loaded};
use picoclaw::pidfile::{self, address_of};

/// The port of the files, where the configuration leaves it to the system.
const USUAL_PORT: u16 = 18_790;
/// How much of a description the list shows, in characters.
const LONGEST_DESCRIPTION: usize = 110;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Without NAME and --write: a list. A single file is printed as it is, several with a heading each."
)]
pub(super) struct Arguments {
    /// A program (`prometheus`), or a file (`prometheus/alerts.yml`, `alerts.yml`).
    name: Option<String>,
    /// Write the files into this directory instead of printing them; without NAME, all of them.
    #[arg(long, value_name = "DIR")]
    write: Option<PathBuf>,
    /// Write over files that exist.
    #[arg(long, requires = "write")]
    force: bool,
    /// Fill in the scrape token itself; files with it are readable by their owner only.
    #[arg(long)]
    show_secrets: bool,
    /// The name of the scrape job.
    #[arg(long, value_name = "NAME", default_value = "picoclaw")]
    job: String,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let chosen = match &arguments.name {
        Some(name) => find(name),
        None => all(),
    };
    if let Some(name) = arguments.name.as_ref().filter(|_| chosen.is_empty()) {
        anyhow::bail!("there is no integration \"{name}\": `picoclaw integrations` lists them");
    }
    if arguments.name.is_none() && arguments.write.is_none() {
        list(&chosen);
        return Ok(ExitCode::SUCCESS);
    }
    let loaded = config::load(&Environment::process(), &known_types())?;
    let facts = facts(&loaded, arguments)?;
    let filled: Vec<_> = chosen.iter().map(|file| (file, fill(file, &facts))).collect();
    match &arguments.write {
        Some(directory) => write(directory, &filled, arguments.force)?,
        None => print(&filled),
    }
    let notes: BTreeSet<_> = filled.iter().flat_map(|(_, filled)| filled.notes.iter().copied()).collect();
    notes.iter().for_each(|note| complain(&format!("note: {note}")));
    if facts.token.is_none() && !loaded.config.gateway.metrics().auth.is_open() {
        complain(
            "note: the files know bearer tokens only: set gateway.metrics.auth.token, or write the user in by hand",
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn list(files: &[Integration]) {
    let width = files.iter().map(|file| file.path.len()).max().unwrap_or_default();
    for file in files {
        let description = file.description();
        let shown: String = description.chars().take(LONGEST_DESCRIPTION).collect();
        let more = if shown.len() < description.len() { "…" } else { "" };
        say(format!("{:width$}  {shown}{more}", file.path).trim_end());
    }
}

fn facts(loaded: &Loaded, arguments: &Arguments) -> anyhow::Result<Facts> {
    let gateway = &loaded.config.gateway;
    let address = match pidfile::running(&loaded.paths.pid_file) {
        Some(record) => address_of(&record.host, record.port),
        None => address_of(&gateway.host, if gateway.port == 0 { USUAL_PORT } else { gateway.port }),
    };
    let program = std::env::current_exe().context("finding out where this program lies")?;
    let sinks = loaded.config.effective_sinks(&loaded.paths);
    let logs = sinks.iter().filter(|sink| sink.enabled && sink.kind == "jsonlog");
    let mut files = logs.filter_map(|sink| sink.options.get("path")?.as_str());
    Ok(Facts {
        address,
        metrics_path: metrics_path(loaded).unwrap_or_else(|| "/metrics".to_owned()),
        health_path: gateway.health_check.path.clone(),
        log_file: files.find(|path| path.starts_with('/')).map(str::to_owned),
        program: program.to_string_lossy().into_owned(),
        home: loaded.paths.home.to_string_lossy().into_owned(),
        job: arguments.job.clone(),
        token: gateway.metrics().auth.token,
        show_token: arguments.show_secrets,
    })
}

fn print(files: &[(&Integration, Filled)]) {
    for (place, (file, filled)) in files.iter().enumerate() {
        if files.len() > 1 {
            let space = if place == 0 { "" } else { "\n" };
            say(&format!("{space}==> {} <==", file.path));
        }
        say(filled.text.trim_end());
    }
}

/// Writes all files, or none if one exists and must not be written over.
fn write(directory: &Path, files: &[(&Integration, Filled)], force: bool) -> anyhow::Result<()> {
    let existing: Vec<_> =
        files.iter().map(|(file, _)| directory.join(file.path)).filter(|path| path.exists()).collect();
    if let Some(first) = existing.first().filter(|_| !force) {
        let more = existing.len() - 1;
        let others = if more == 0 { String::new() } else { format!(" and {more} others") };
        anyhow::bail!(
            "{}{others} exist already: nothing was written; --force writes over them",
            first.display()
        );
    }
    for (file, filled) in files {
        let path = directory.join(file.path);
        write_file(&path, filled).with_context(|| format!("cannot write {}", path.display()))?;
        say(&path.display().to_string());
    }
    Ok(())
}

fn write_file(path: &Path, filled: &Filled) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    // A new file, because an old one keeps its permissions.
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mode = if filled.is_secret { 0o600 } else { 0o644 };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(filled.text.as_bytes())
}
