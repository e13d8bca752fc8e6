//! The paths under which the gateway answers: each must be a path, and free.

use std::collections::BTreeMap;

use picoclaw_sinks::config::SinkConfig;

use super::paths::Paths;
use super::sections::Config;
use super::short_forms::HEALTH_SINK;

/// What the gateway itself serves.
const FIXED: [&str; 3] = ["/ready", "/live", "/reload"];
const PREFIXES: [&str; 3] = ["/v1/", "/pico/", "/webhook/"];

/// A setting and the path that it claims. On which port does not matter: all listeners share one table of paths.
struct Claim {
    setting: String,
    path: String,
}

/// The settings whose paths cannot be served, with the reason.
pub(super) fn collisions(config: &Config, paths: &Paths) -> Vec<(String, String)> {
    let mut problems = Vec::new();
    let mut taken: BTreeMap<String, String> = BTreeMap::new();
    for Claim { setting, path } in claims(config, paths) {
        let reason = if let Err(reason) = check_path(&path) {
            reason
        } else if FIXED.contains(&path.as_str()) {
            format!("the path {path} is taken by the gateway: choose another one")
        } else if let Some(prefix) = PREFIXES.iter().find(|prefix| path.starts_with(**prefix)) {
            format!("the path {path} is inside {prefix}, which the gateway uses: choose another one")
        } else if let Some(owner) = taken.get(&path) {
            format!("the path {path} is taken by {owner}: choose another one")
        } else {
            taken.insert(path, setting);
            continue;
        };
        problems.push((setting, reason));
    }
    problems
}

fn claims(config: &Config, paths: &Paths) -> Vec<Claim> {
    let health = &config.gateway.health_check;
    let mut claims = Vec::new();
    if health.enabled {
        claims.push(Claim { setting: "gateway.health_check.path".into(), path: health.path.clone() });
    }
    // The first health sink under the path of the health endpoint answers in its place.
    let mut stands_in = health.enabled;
    for (index, sink) in config.effective_sinks(paths).iter().enumerate().filter(|(_, sink)| sink.enabled) {
        let short_form = match sink.kind.as_str() {
            "prometheus" => "gateway.metrics.path",
            HEALTH_SINK => "gateway.health_check.path",
            _ => continue,
        };
        let Some(path) = path_of(sink) else { continue };
        if sink.kind == HEALTH_SINK && path == health.path && std::mem::take(&mut stands_in) {
            continue;
        }
        let listed = config.telemetry.sinks.as_ref().and_then(|sinks| sinks.get(index));
        let short_form_is_used = claims.iter().any(|claim| claim.setting == short_form);
        let setting = if short_form_is_used || listed.is_some_and(|sink| path_of(sink).is_some()) {
            format!("telemetry.sinks[{index}].options.path")
        } else {
            short_form.to_owned()
        };
        claims.push(Claim { setting, path: path.to_owned() });
    }
    claims
}

fn path_of(sink: &SinkConfig) -> Option<&str> {
    sink.options.get("path").and_then(|path| path.as_str())
}

/// Whether `path` can be the path of a URL.
fn check_path(path: &str) -> Result<(), String> {
    let forbidden =
        |c: char| c.is_whitespace() || c.is_control() || ['?', '#', '%', '"', '<', '>', '\\'].contains(&c);
    match path {
        _ if !path.starts_with('/') => {
            Err(format!("\"{path}\" does not begin with /: expected a path such as /metrics"))
        }
        "/" => Err("\"/\" is the root: expected a path such as /metrics".into()),
        _ if path.contains("//") || path.ends_with('/') => {
            Err(format!("\"{path}\" has an empty part: expected a path such as /metrics"))
        }
        _ if path.contains(forbidden) => Err(format!("{path:?} has a character that a path cannot have")),
        _ => Ok(()),
    }
}
