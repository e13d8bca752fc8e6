//! The status for programs.

use std::process::ExitCode;

use picoclaw_sinks::registry::known_types;
use picoclaw_telemetry::words::JobState;
use serde_json::{Value, json};

use super::super::model::described;
use super::super::target::Target;
use super::super::{ask, say, small_runtime};
use super::PATIENCE;
use picoclaw::config::{self, Environment, Loaded, Paths};
use picoclaw::pidfile;
use picoclaw_jobs::JobStore;

/// Prints one JSON object. The exit code is 0 when the configuration can be used and a gateway that runs answers.
pub(super) fn print(environment: &Environment) -> anyhow::Result<ExitCode> {
    let loaded = config::load(environment, &known_types());
    let mut document = match &loaded {
        Ok(loaded) => configured(loaded),
        Err(errors) => json!({
            "config": errors.file,
            "problems": errors.problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
        }),
    };
    let mut sound = loaded.is_ok();
    document["gateway"] = json!({ "running": false });
    if let Some(gateway) = Paths::find(environment).and_then(|paths| pidfile::running(&paths.pid_file)) {
        document["gateway"] = json!({
            "running": true, "pid": gateway.pid, "version": gateway.version, "port": gateway.port,
        });
        let off = loaded.as_ref().is_ok_and(|loaded| !loaded.config.gateway.health_check.enabled);
        if !off {
            let target = Target::of_either(loaded.as_ref(), environment, |_| {})?;
            let url = target.health_url();
            let health = small_runtime()?.block_on(ask::get(&url, target.authorization(), PATIENCE));
            match health.and_then(|answer| Ok(serde_json::from_slice::<Value>(&answer.body)?)) {
                Ok(health) => document["gateway"]["health"] = health,
                Err(error) => {
                    document["gateway"]["error"] = json!(format!("{error:#}"));
                    sound = false;
                }
            }
        }
    }
    say(&serde_json::to_string_pretty(&document)?);
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn configured(loaded: &Loaded) -> Value {
    let paths = &loaded.paths;
    let sinks = loaded.config.effective_sinks(paths);
    let sinks: Vec<_> = sinks
        .iter()
        .map(|sink| json!({ "name": sink.name(), "type": sink.kind, "enabled": sink.enabled }))
        .collect();
    let jobs = match JobStore::new(&paths.workspace).read() {
        Ok(jobs) => json!({
            "enabled": jobs.count(JobState::Enabled),
            "disabled": jobs.count(JobState::Disabled),
            "invalid": jobs.count(JobState::Invalid),
        }),
        Err(error) => json!({ "error": error.to_string() }),
    };
    json!({
        "config": paths.config_file,
        "workspace": paths.workspace,
        "models": described(&loaded.config),
        "sinks": sinks,
        "jobs": jobs,
        "warnings": loaded.warnings.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}
