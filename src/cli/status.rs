//! `picoclaw status`.

use std::process::ExitCode;
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use picoclaw_sinks::registry::known_types;
use serde_json::Value;

use super::{say, small_runtime};
use crate::config::{self, Environment, Loaded, ModelConfig};
use crate::pidfile::{self, PidRecord};

/// How long a gateway may take to answer before it counts as hanging.
const PATIENCE: Duration = Duration::from_secs(3);

pub(super) fn run() -> anyhow::Result<ExitCode> {
    let loaded = config::load(&Environment::process(), &known_types())?;
    say("📦 Agent Status:");
    configured(&loaded);
    let Some(gateway) = pidfile::running(&loaded.paths.pid_file) else {
        say("Gateway: not running (start it with `picoclaw gateway`)");
        return Ok(ExitCode::SUCCESS);
    };
    say(&format!(
        "Gateway: running (PID {}, version {}, port {})",
        gateway.pid, gateway.version, gateway.port
    ));
    let health = &loaded.config.gateway.health_check;
    if !health.enabled {
        return Ok(ExitCode::SUCCESS);
    }
    let port = health.port.unwrap_or(gateway.port);
    let document = small_runtime()?.block_on(ask(&gateway, port, &health.path));
    match document {
        Ok(document) => running(&document),
        Err(error) => {
            say(&format!("  does not answer at {}: {error:#}", health.path));
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
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
        say(&format!("  {mark} {} ({})", model.model_name, describe(model)));
    }
    say("Sinks:");
    for sink in loaded.config.effective_sinks(paths) {
        let state = if sink.enabled { "enabled" } else { "disabled" };
        say(&format!("  - {} (type {}, {state})", sink.name(), sink.kind));
    }
    for warning in &loaded.warnings {
        say(&format!("{warning}"));
    }
}

fn describe(model: &ModelConfig) -> String {
    let provider = model.provider_name();
    match (provider, model.keys().count()) {
        (config::ECHO, _) => "built in, needs no key".to_owned(),
        (_, 0) => format!("provider {provider}, no key"),
        (_, 1) => format!("provider {provider}, one key"),
        (_, n) => format!("provider {provider}, {n} keys"),
    }
}

fn running(health: &Value) {
    for (key, value) in health.as_object().into_iter().flatten() {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        say(&format!("  {key}: {text}"));
    }
}

async fn ask(gateway: &PidRecord, port: u16, path: &str) -> anyhow::Result<Value> {
    let uri = gateway.url(port, path).parse::<hyper::Uri>()?;
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<bytes::Bytes>>();
    let answer = tokio::time::timeout(PATIENCE, async {
        let response = client.get(uri).await?;
        anyhow::Ok(response.into_body().collect().await?.to_bytes())
    });
    Ok(serde_json::from_slice(&answer.await??)?)
}
