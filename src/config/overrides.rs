//! Environment variables: one for every single setting, named after its path.
//!
//! `gateway.metrics.path` is `PICOCLAW_GATEWAY_METRICS_PATH`. The names are read off the schema, so a new setting has its
//! variable without further work.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::environment::Environment;
use super::problem::{Source, Warning};
use super::shape::{Kind, Schema, Shape};
use super::spelling::closest;
use super::tree::{KeyPath, Tree};
use super::unused;

const PREFIX: &str = "PICOCLAW_";

/// Sections in which a variable that names no setting is worth a warning. Elsewhere variables of other programs and of
/// settings that are not used yet are at home.
const OWN: [&str; 5] = ["GATEWAY", "LOGGING", "AGENTS_DEFAULTS", "TELEMETRY", "SESSION"];

/// Variables that name no setting, and are read elsewhere.
const ELSEWHERE: [&str; 1] = ["PICOCLAW_TELEMETRY_CONFIG"];

/// Lays the variables over the settings.
pub(super) fn overlay(tree: &mut Tree, environment: &Environment, schema: &Schema) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let settings = Variables::of(schema).0;
    // The older name first, so that the systematic one wins.
    if let Some(level) = environment.get("PICOCLAW_LOG_LEVEL") {
        let source = Source::Variable("PICOCLAW_LOG_LEVEL".into());
        tree.merge(&KeyPath::of_keys(["gateway", "log_level"]), json!(level), &source);
    }
    for (name, text) in environment.iter().filter(|(name, _)| name.starts_with(PREFIX)) {
        let source = Source::Variable(name.to_owned());
        if is_service_link(name, text) {
            if settings.contains_key(name) {
                let message =
                    "ignored, because it is an address that Kubernetes sets for a service of that name";
                warnings.push(Warning::notice(&source, "", message));
            }
        } else if let Some(setting) = settings.get(name) {
            let path = KeyPath::of_keys(setting.path.split('.'));
            tree.merge(&path, read(text, setting.shape), &source);
        } else if let Some((path, value)) = channel_setting(tree, name, text) {
            tree.merge(&path, value, &source);
        } else if is_own(name) || misspells_a_section(name, schema) {
            let names: Vec<String> = settings.keys().map(|name| name.to_ascii_lowercase()).collect();
            let meant = closest(name, names.iter().map(String::as_str));
            let hint =
                meant.map_or(String::new(), |name| format!(" (did you mean {}?)", name.to_ascii_uppercase()));
            warnings.push(Warning::new(&source, "", format!("there is no such setting, ignored{hint}")));
        }
    }
    warnings
}

/// The settings that have a variable, by its name.
pub(super) struct Variables<'a>(BTreeMap<String, Setting<'a>>);

struct Setting<'a> {
    path: String,
    shape: Shape<'a>,
}

impl<'a> Variables<'a> {
    pub(super) fn of(schema: &'a Schema) -> Self {
        let mut settings = BTreeMap::new();
        collect(schema.root(), "", &mut settings);
        Self(settings)
    }

    /// The variable of the setting at `path`, if it has one.
    pub(super) fn of_path(&self, path: &str) -> Option<&str> {
        self.0.iter().find(|(_, setting)| setting.path == path).map(|(name, _)| name.as_str())
    }
}

fn collect<'a>(shape: Shape<'a>, path: &str, settings: &mut BTreeMap<String, Setting<'a>>) {
    for (name, shape) in shape.members().filter(|(name, _)| !name.starts_with('$')) {
        let path = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        match shape.kind() {
            Kind::Object => collect(shape, &path, settings),
            Kind::List if shape.items().is_none_or(|items| items.kind() != Kind::Text) => {}
            Kind::Any => {}
            // At the top stands only the version, and PICOCLAW_VERSION is more often that of the program.
            _ if !path.contains('.') => {}
            _ => {
                settings.insert(name_of(&path), Setting { path, shape });
            }
        }
    }
}

fn name_of(path: &str) -> String {
    format!("{PREFIX}{}", path.to_ascii_uppercase().replace('.', "_"))
}

/// The value that `text` means for a setting of this shape. What cannot be read stays a text, and the check that follows
/// says what was expected.
fn read(text: &str, shape: Shape<'_>) -> Value {
    let text = text.trim();
    let as_text = || Value::String(text.to_owned());
    match shape.kind() {
        Kind::Boolean => match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" | "t" => Value::Bool(true),
            "false" | "0" | "no" | "off" | "f" => Value::Bool(false),
            _ => as_text(),
        },
        Kind::Integer | Kind::Number => match serde_json::from_str(text) {
            Ok(number @ Value::Number(_)) => number,
            _ => as_text(),
        },
        Kind::List if text.starts_with('[') => serde_json::from_str(text).unwrap_or_else(|_| as_text()),
        Kind::List => text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect(),
        _ => as_text(),
    }
}

/// `PICOCLAW_CHANNELS_<NAME>_<SETTING>` for a channel that is configured.
fn channel_setting(tree: &Tree, name: &str, text: &str) -> Option<(KeyPath, Value)> {
    let rest = name.strip_prefix("PICOCLAW_CHANNELS_")?;
    let channels = tree.root["channel_list"].as_object()?;
    channels.keys().find_map(|channel| {
        let upper = channel.to_ascii_uppercase().replace('-', "_");
        let setting = rest.strip_prefix(&upper)?.strip_prefix('_')?.to_ascii_lowercase();
        let flag = || text.parse().map_or_else(|_| json!(text), Value::Bool);
        let (path, value) = match setting.as_str() {
            "enabled" => (vec!["channel_list", channel, "enabled"], flag()),
            "allow_from" => {
                (vec!["channel_list", channel, "allow_from"], text.split(',').map(str::trim).collect())
            }
            own => (vec!["channel_list", channel, "settings", own], flag()),
        };
        Some((KeyPath::of_keys(path), value))
    })
}

/// Kubernetes describes every service to every container: a service called `picoclaw-gateway` sets
/// `PICOCLAW_GATEWAY_PORT=tcp://10.0.0.1:18790`.
fn is_service_link(name: &str, text: &str) -> bool {
    let numbered =
        name.split_once("_PORT_").is_some_and(|(_, rest)| rest.starts_with(|c: char| c.is_ascii_digit()));
    let address = text.starts_with("tcp://") || text.starts_with("udp://");
    numbered
        || (address && name.ends_with("_PORT"))
        || name.contains("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
}

fn is_own(name: &str) -> bool {
    let rest = &name[PREFIX.len()..];
    let inside = |section: &str| rest.strip_prefix(section).is_some_and(|rest| rest.starts_with('_'));
    OWN.iter().any(|section| inside(section))
        && !ELSEWHERE.contains(&name)
        && !unused::paths().any(|path| name.starts_with(&name_of(path)))
}

/// Whether the name begins with a word that is like that of a section, as `PICOCLAW_GATWAY_PORT` does.
fn misspells_a_section(name: &str, schema: &Schema) -> bool {
    let Some((word, _)) = name[PREFIX.len()..].split_once('_') else { return false };
    let sections = || schema.root().members().map(|(name, _)| name).filter(|name| !name.contains('_'));
    !sections().any(|section| section.eq_ignore_ascii_case(word)) && closest(word, sections()).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overlaid(environment: &Environment) -> (Value, Vec<String>) {
        let base = json!({"channel_list": {"pico": {}}});
        let mut tree = Tree::new(base, Source::File("config.json".into()));
        let warnings = overlay(&mut tree, environment, &Schema::load());
        (tree.root, warnings.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_misspelt_section_is_noticed_and_variables_of_others_are_not() {
        let environment = Environment::default()
            .with("PICOCLAW_GATWAY_PORT", "1")
            .with("PICOCLAW_TOOL_EXEC_ENABLED", "false")
            .with("PICOCLAW_KEY_PASSPHRASE", "x")
            .with("PICOCLAW_SSH_KEY_PATH", "x")
            .with("PICOCLAW_LOG_LEVEL", "info")
            .with("PICOCLAW_LOG_FILE", "x")
            .with("PICOCLAW_VOICE_MODEL", "x")
            .with("PICOCLAW_HOME", "/x");
        let (_, warnings) = overlaid(&environment);
        assert_eq!(
            warnings,
            [
                "PICOCLAW_GATWAY_PORT: there is no such setting, ignored (did you mean PICOCLAW_GATEWAY_PORT?)",
                "PICOCLAW_TOOL_EXEC_ENABLED: there is no such setting, ignored (did you mean \
                 PICOCLAW_TOOLS_EXEC_ENABLED?)",
            ]
        );
    }

    #[test]
    fn every_kind_of_setting_is_read() {
        let environment = Environment::default()
            .with("PICOCLAW_GATEWAY_PORT", "8080")
            .with("PICOCLAW_GATEWAY_HOT_RELOAD", "yes")
            .with("PICOCLAW_GATEWAY_HEALTH_CHECK_PATH", "/up")
            .with("PICOCLAW_AGENTS_DEFAULTS_TEMPERATURE", "0.2")
            .with("PICOCLAW_AGENTS_DEFAULTS_MODEL_FALLBACKS", "a, b")
            .with("PICOCLAW_LOG_LEVEL", "info")
            .with("PICOCLAW_CHANNELS_PICO_TOKEN", "t");
        let (root, warnings) = overlaid(&environment);
        assert_eq!(
            root,
            json!({"gateway": {"port": 8080, "hot_reload": true, "health_check": {"path": "/up"}, "log_level": "info"},
                   "agents": {"defaults": {"temperature": 0.2, "model_fallbacks": ["a", "b"]}},
                   "channel_list": {"pico": {"settings": {"token": "t"}}}})
        );
        assert_eq!(warnings, Vec::<String>::new());
    }

    #[test]
    fn a_misspelt_variable_is_said_and_others_are_not() {
        let environment = Environment::default()
            .with("PICOCLAW_GATEWAY_PROT", "1")
            .with("PICOCLAW_BINARY", "/x")
            .with("PICOCLAW_AGENTS_DEFAULTS_CONTEXT_MANAGER", "true")
            .with("PICOCLAW_TELEMETRY_CONFIG", "/x")
            .with("PICOCLAW_TOOLS_MCP_ENABLED", "true");
        let (_, warnings) = overlaid(&environment);
        assert_eq!(
            warnings,
            [
                "PICOCLAW_GATEWAY_PROT: there is no such setting, ignored (did you mean PICOCLAW_GATEWAY_PORT?)"
            ]
        );
    }

    #[test]
    fn what_kubernetes_says_about_services_is_not_meant_for_us() {
        let environment = Environment::default()
            .with("PICOCLAW_GATEWAY_PORT", "tcp://10.0.0.1:18790")
            .with("PICOCLAW_GATEWAY_PORT_18790_TCP_ADDR", "10.0.0.1")
            .with("PICOCLAW_GATEWAY_SERVICE_HOST", "10.0.0.1");
        let (root, warnings) = overlaid(&environment);
        assert!(root.get("gateway").is_none(), "{root}");
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].contains("Kubernetes"), "{warnings:?}");
    }
}
