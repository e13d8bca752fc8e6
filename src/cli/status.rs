//! `picoclaw status`.

mod document;

use std::process::ExitCode;
use std::time::Duration;

use picoclaw_sinks::registry::known_types;
use picoclaw_telemetry::words::JobState;
use serde_json::Value;

use super::target::Target;
use super::{ask, complain, say, small_runtime};
use picoclaw::config::{self, Environment, Loaded, McpTransport, Paths};
use picoclaw::pidfile;
use picoclaw_jobs::JobStore;

/// How long a gateway may take to answer before it counts as hanging.
const PATIENCE: Duration = Duration::from_secs(3);

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// As JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let environment = Environment::process();
    if arguments.json {
        return document::print(&environment);
    }
    let loaded = config::load(&environment, &known_types());
    say("📦 Agent Status:");
    match &loaded {
        Ok(loaded) => configured(loaded),
        Err(errors) => complain(&format!("{errors}\n`picoclaw config check` says more.")),
    }
    let broken = if loaded.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    let Some(gateway) = Paths::find(&environment).and_then(|paths| pidfile::running(&paths.pid_file)) else {
        say("Gateway: not running (start it with `picoclaw gateway`)");
        return Ok(broken);
    };
    say(&format!(
        "Gateway: running (PID {}, version {}, port {})",
        gateway.pid, gateway.version, gateway.port
    ));
    if loaded.is_err() {
        say("  It goes on with the configuration that it has; the one on disk is broken.");
    }
    if loaded.as_ref().is_ok_and(|loaded| !loaded.config.gateway.health_check.enabled) {
        return Ok(broken);
    }
    // What is wrong was said above.
    let target = Target::of_either(loaded.as_ref(), &environment, |_| {})?;
    let url = target.health_url();
    let runtime = small_runtime()?;
    let answer = runtime.block_on(ask::get(&url, target.authorization(), PATIENCE));
    match answer.and_then(|answer| Ok(serde_json::from_slice(&answer.body)?)) {
        Ok(document) => running(&document),
        Err(error) => {
            say(&format!("  does not answer at {url}: {error:#}"));
            return Ok(ExitCode::FAILURE);
        }
    }
    let answer = runtime.block_on(ask::get(&target.ready_url(), target.authorization(), PATIENCE));
    // Who may not see the checks has seen the issues.
    if let Some(document) = answer.ok().and_then(|answer| serde_json::from_slice(&answer.body).ok()) {
        unwell(&document);
    }
    Ok(broken)
}

fn configured(loaded: &Loaded) {
    let existing = |path: &std::path::Path| {
        if path.exists() { "" } else { " (does not exist yet)" }
    };
    let paths = &loaded.paths;
    say(&format!("Config: {}{}", paths.config_file.display(), existing(&paths.config_file)));
    say(&format!("Workspace: {}{}", paths.workspace.display(), existing(&paths.workspace)));
    say("Models:");
    let default = loaded.config.default_model();
    for model in loaded.config.models() {
        let mark = if model.model_name == default { "*" } else { "-" };
        say(&format!("  {mark} {} ({})", model.model_name, super::model::describe(model)));
    }
    let mcp = &loaded.config.tools.mcp;
    if !mcp.servers.is_empty() {
        say("MCP servers:");
    }
    for (name, server) in &mcp.servers {
        let state = if mcp.enabled && server.enabled { "enabled" } else { "disabled" };
        let way = match server.transport() {
            Some(McpTransport::Stdio) => server.command.as_str(),
            Some(_) => "http",
            None => "neither command nor url",
        };
        say(&format!("  - {name} ({way}, {state})"));
    }
    if !loaded.config.channel_list.is_empty() {
        say("Channels:");
    }
    for (name, channel) in &loaded.config.channel_list {
        let state = match (channel.enabled, channel.runs(name)) {
            (false, _) => "disabled",
            (true, true) => "enabled",
            (true, false) => "not supported by this version, does not run",
        };
        say(&format!("  - {name} (type {}, {state})", channel.kind(name)));
    }
    say("Sinks:");
    for sink in loaded.config.effective_sinks(paths) {
        let state = if sink.enabled { "enabled" } else { "disabled" };
        say(&format!("  - {} (type {}, {state})", sink.name(), sink.kind));
    }
    jobs(loaded);
    for warning in &loaded.warnings {
        say(&format!("{warning}"));
    }
}

/// Nothing, where nothing is scheduled.
fn jobs(loaded: &Loaded) {
    match JobStore::new(&loaded.paths.workspace).read() {
        Ok(jobs) if jobs.jobs().next().is_none() => {}
        Ok(jobs) => {
            let [on, off, wrong] =
                [JobState::Enabled, JobState::Disabled, JobState::Invalid].map(|s| jobs.count(s));
            say(&format!("Jobs: {on} enabled, {off} disabled, {wrong} that cannot be understood"));
            for job in jobs.jobs().filter(|job| job.state.last_status == "error") {
                say(&format!("  ✗ {} ({}): {}", job.name, job.id, job.state.last_error));
            }
        }
        Err(error) => say(&format!("Jobs: {error}")),
    }
}

/// What is wrong, in words.
fn unwell(ready: &Value) {
    let bad = ready["checks"].as_object().into_iter().flatten().filter(|(_, check)| check["status"] != "ok");
    for (name, check) in bad {
        say(&format!("  ! {name}: {}", check["message"].as_str().unwrap_or_default()));
    }
}

fn running(health: &Value) {
    for (key, value) in health.as_object().into_iter().flatten() {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        say(&format!("  {key}: {text}"));
    }
}
