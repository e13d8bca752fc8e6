//! `picoclaw reload`: the running gateway reads its configuration again and opens its log files anew.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;

use super::target::Target;
use super::{ask, say, small_runtime};
use picoclaw::config::{Environment, Paths};

/// The gateway itself answers within 30 s, whatever becomes of the reload.
const PATIENCE: Duration = Duration::from_secs(35);

pub(super) fn run() -> anyhow::Result<ExitCode> {
    let environment = Environment::process();
    let home = Paths::find(&environment).map(|paths| paths.home.display().to_string()).unwrap_or_default();
    let target = Target::running(&environment)
        .with_context(|| format!("no gateway runs with {home}: start it with `picoclaw gateway`"))?;
    let url = target.reload_url();
    let answer = small_runtime()?.block_on(ask::post(&url, target.authorization(), PATIENCE));
    let answer = answer.with_context(|| url.clone())?;
    let document: Value = serde_json::from_slice(&answer.body)
        .with_context(|| format!("{url}: HTTP {} without a document", answer.status))?;
    if answer.status != 200 {
        let why = document["error"].as_str().unwrap_or_default();
        anyhow::bail!("nothing was changed: {why}");
    }
    say("reloaded");
    let list = |key: &str| {
        let items = document[key].as_array().into_iter().flatten().filter_map(Value::as_str);
        items.collect::<Vec<_>>().join(", ")
    };
    for (key, what) in [("changed", "changed"), ("needs_restart", "changes with the next start")] {
        if !list(key).is_empty() {
            say(&format!("{what}: {}", list(key)));
        }
    }
    if let Some(sinks) = document["sinks"].as_str() {
        say(&format!("sinks: {sinks}"));
    }
    Ok(ExitCode::SUCCESS)
}
