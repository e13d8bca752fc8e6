//! Reads the configuration and finds everything that is wrong with it, not only the first thing: what a type cannot
//! say, and what only the builders of models, tools and sinks know. Nothing is opened, sent or created.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use picoclaw_sinks::mask::Masker;
use picoclaw_sinks::registry::known_types;
use picoclaw_sinks::supervisor::{self, StartError};
use picoclaw_sinks::{Context, place};
use picoclaw_telemetry::words::HttpRejection;
use picoclaw_telemetry::{Bus, PluginRegistry, SinkRegistry};

use super::{parts, setup};
use picoclaw::config::{self, Checked, Config, ConfigErrors, Environment, Loaded, ModelConfig, Persistence};
use picoclaw::health::Judge;
use picoclaw::http::Observer;
use picoclaw::providers::{self, HttpClients};
use picoclaw::tools::AllowedHosts;
use picoclaw_channels::kinds;

/// Reads and checks the configuration. A workspace that is `in_use` already is not tried: its disk may be full for the
/// moment.
///
/// # Errors
/// When the gateway could not start with it.
pub fn load(environment: &Environment, in_use: Option<&Path>) -> Result<Loaded, ConfigErrors> {
    config::load_with(environment, &known_types(), &|loaded| {
        let mut checked = Checked::default();
        sinks(loaded, &mut checked);
        models(&loaded.config, &mut checked);
        hosts(&loaded.config, &mut checked);
        channels(loaded, &mut checked);
        hooks(&loaded.config, &mut checked);
        api_key(&loaded.config, &mut checked);
        if in_use != Some(&loaded.paths.workspace) {
            workspace(loaded, &mut checked);
        }
        checked
    })
}

/// What sinks need to be built, without a gateway around them.
pub fn sink_context(loaded: &Loaded) -> Context {
    let bus = Bus::default();
    let sinks = SinkRegistry::default();
    Context {
        plugins: PluginRegistry::default(),
        health: Arc::new(Judge::new(bus.clone(), sinks.clone())),
        bus,
        sinks,
        masker: Arc::new(Masker::new(&loaded.secrets)),
        started: Instant::now(),
    }
}

fn sinks(loaded: &Loaded, checked: &mut Checked) {
    let context = sink_context(loaded);
    let sinks = loaded.config.effective_sinks(&loaded.paths);
    let listed = loaded.config.telemetry.sinks.as_ref().map_or(0, Vec::len);
    for problem in supervisor::problems(&sinks, &context) {
        let (path, message) = problem.parts();
        let path = match &problem {
            // The paths of these are compared with those of the gateway elsewhere.
            StartError::PathTaken { index, .. } if is_built_in_endpoint(&sinks[*index].kind) => continue,
            StartError::DestinationTaken { index, .. } if sinks[*index].kind == "jsonlog" => {
                format!("{path}.options.path")
            }
            _ => path,
        };
        let index: Option<usize> =
            path.strip_prefix("telemetry.sinks[").and_then(|rest| rest.split(']').next()?.parse().ok());
        let path = match index {
            Some(index) if index >= listed => as_written(&sinks[index].kind, &path),
            _ => path,
        };
        checked.problems.push((path, message));
    }
    for (index, doubt) in supervisor::doubts(&sinks, &context) {
        checked.warnings.push((format!("telemetry.sinks[{index}].filter"), doubt));
    }
}

fn is_built_in_endpoint(kind: &str) -> bool {
    matches!(kind, "prometheus" | "newrelic")
}

/// The setting of the short form from which a sink's option comes.
fn as_written(kind: &str, path: &str) -> String {
    let option = path.split_once(".options.").map_or("", |(_, option)| option);
    let setting = match (kind, option) {
        ("prometheus", "path") => "gateway.metrics.path",
        ("newrelic", "path") => "gateway.health_check.path",
        ("jsonlog", "path") => "logging.output",
        ("jsonlog", "max_size_mb") => "logging.max_size",
        ("jsonlog", "max_age_days") => "logging.max_age",
        ("jsonlog", "") => "logging",
        ("jsonlog", other) => return format!("logging.{other}"),
        _ => path,
    };
    setting.to_owned()
}

fn models(config: &Config, checked: &mut Checked) {
    let clients = HttpClients::new();
    for (index, model) in
        config.model_list.iter().enumerate().filter(|(_, model)| model.enabled && model.is_supported())
    {
        let at = |field: &str| format!("model_list[{index}].{field}");
        let keys: Vec<_> = model.keys().map(Some).collect();
        let keys = if keys.is_empty() { vec![None] } else { keys };
        let refused =
            keys.into_iter().find_map(|key| providers::build(&setup::spec(model, key), &clients).err());
        if let Some(error) = refused {
            checked.problems.push((at(error.field), error.problem));
        }
        checked.warnings.extend(doubt(model).map(|(field, message)| (at(field), message)));
    }
}

/// What is allowed in an entry and yet probably not meant.
fn doubt(model: &ModelConfig) -> Option<(&'static str, String)> {
    let id = model.model.trim();
    if !model.api_base.is_empty() || id.is_empty() {
        return None;
    }
    if model.provider.trim().is_empty() && !id.contains('/') {
        let message = format!("missing: taken as openai; write model as \"openai/{id}\", or set provider");
        return Some(("provider", message));
    }
    let provider = model.provider_name();
    let bears_none = model.keys().next().is_none() && model.custom_headers.is_empty();
    (bears_none && providers::wants_key(provider))
        .then(|| ("api_keys", format!("missing: {provider} refuses requests without a key")))
}

fn channels(loaded: &Loaded, checked: &mut Checked) {
    let around = parts::surroundings(loaded, Arc::new(Nobody));
    let mut paths = BTreeMap::new();
    for (name, channel) in loaded.config.channel_list.iter().filter(|(name, channel)| channel.runs(name)) {
        match kinds::build(name, channel, &around) {
            // One channel that cannot run is no reason for all others not to: it is down, and says why.
            Err(error) => {
                checked.warnings.push((format!("channel_list.{name}.{}", error.path), error.problem));
            }
            Ok(built) => {
                let path = built.and_then(|channel| channel.inlet()).map(|(path, _)| path);
                if let Some(other) = path.clone().and_then(|path| paths.insert(path, name)) {
                    let path = path.unwrap_or_default();
                    let message =
                        format!("{path} is answered by the channel \"{other}\" already: disable one");
                    checked.problems.push((format!("channel_list.{name}.enabled"), message));
                }
            }
        }
    }
}

/// Hears nothing.
struct Nobody;

impl Observer for Nobody {
    fn rejected(&self, _: HttpRejection) {}
    fn connections(&self, _: usize) {}
}

fn hosts(config: &Config, checked: &mut Checked) {
    for (index, host) in config.tools.web.private_host_whitelist.iter().enumerate() {
        if let Err(error) = AllowedHosts::parse([host.as_str()]) {
            checked.problems.push((format!("tools.web.private_host_whitelist[{index}]"), error.to_string()));
        }
    }
}

fn hooks(config: &Config, checked: &mut Checked) {
    for (name, _) in config.hooks.active().iter().filter(|(_, process)| process.command.is_empty()) {
        let message = "missing: expected the program and its arguments, such as [\"python3\", \"/etc/picoclaw/gate.py\"]";
        checked.problems.push((format!("hooks.processes.{name}.command"), message.to_owned()));
    }
}

fn api_key(config: &Config, checked: &mut Checked) {
    let gateway = &config.gateway;
    if gateway.api_key.is_none() && !gateway.host.split(',').all(is_loopback) {
        let message = format!(
            "missing: gateway.host is \"{}\", where others can connect, so messages are refused, except those of \
             `picoclaw agent`; set a key, or gateway.host to localhost",
            gateway.host
        );
        checked.warnings.push(("gateway.api_key".into(), message));
    }
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim().trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.to_canonical().is_loopback())
}

fn workspace(loaded: &Loaded, checked: &mut Checked) {
    if loaded.config.session.persistence != Persistence::Durable {
        return;
    }
    if let Err(error) = place::check_directory(&loaded.paths.sessions_dir) {
        let remedy = match error.kind() {
            std::io::ErrorKind::NotADirectory => "move the file that is in the way, or set another directory",
            std::io::ErrorKind::StorageFull => {
                "free some space on that file system, or set another directory"
            }
            _ => "set a directory in which files can be created",
        };
        checked.problems.push(("agents.defaults.workspace".into(), format!("{error}; {remedy}")));
    }
}

#[cfg(test)]
mod tests;
