//! What the type of a setting cannot say: names that must exist or must differ, paths that must not meet.

use std::collections::BTreeMap;

use super::endpoints;
use super::paths::Paths;
use super::sections::{Config, HealthDetails, ScrapeAuth};
use super::spelling::closest;

/// Paths of settings with what is to be said about them.
#[derive(Debug, Default)]
pub struct Checked {
    /// With what the gateway cannot start.
    pub problems: Vec<(String, String)>,
    /// What is allowed and probably not meant.
    pub warnings: Vec<(String, String)>,
}

/// Checks what settings say about one another.
pub(super) fn validate(config: &Config, paths: &Paths, known_sink_types: &[&str]) -> Checked {
    let mut checked = Checked::default();
    checked.models(config);
    checked.routing(config);
    checked.agents(config);
    checked.problems.extend(endpoints::collisions(config, paths));
    checked.sinks(config, paths, known_sink_types);
    checked.log_output(config);
    checked.scrape_auth(config);
    checked.tool_plugins(config);
    checked.tool_patterns(config);
    checked.mcp_servers(config);
    checked
}

impl Checked {
    pub(super) fn problem(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.problems.push((path.into(), message.into()));
    }

    fn tool_plugins(&mut self, config: &Config) {
        for (name, options) in &config.tools.plugins {
            if let Err((key, message)) = options.check() {
                self.problem(format!("tools.plugins.{name}.{key}"), message);
            }
        }
    }

    fn mcp_servers(&mut self, config: &Config) {
        let mcp = &config.tools.mcp;
        for (name, server) in mcp.servers.iter().filter(|(_, server)| mcp.enabled && server.enabled) {
            if server.transport().is_none() {
                let message = "has neither the command of a program nor a url, left out".to_owned();
                self.warnings.push((format!("tools.mcp.servers.{name}"), message));
            }
        }
    }

    /// A permission that says nothing permits nothing, which is safe; a prohibition that says nothing is not.
    fn tool_patterns(&mut self, config: &Config) {
        let tools = &config.tools;
        for (index, pattern) in tools.exec.custom_deny_patterns.iter().enumerate() {
            if let Err(error) = regex_lite::Regex::new(pattern) {
                let message = format!("{pattern:?} is no regular expression: {error}");
                self.problem(format!("tools.exec.custom_deny_patterns[{index}]"), message);
            }
        }
        for (key, patterns) in [
            ("allow_read_paths", &tools.allow_read_paths),
            ("allow_write_paths", &tools.allow_write_paths),
            ("exec.custom_allow_patterns", &tools.exec.custom_allow_patterns),
        ] {
            for (index, pattern) in patterns.iter().enumerate() {
                if let Err(error) = regex_lite::Regex::new(pattern) {
                    let message = format!("{pattern:?} is no regular expression ({error}), ignored");
                    self.warnings.push((format!("tools.{key}[{index}]"), message));
                }
            }
        }
    }

    fn models(&mut self, config: &Config) {
        for (index, model) in config.model_list.iter().enumerate() {
            for (key, text) in [("model_name", &model.model_name), ("model", &model.model)] {
                if text.trim().is_empty() {
                    let example = if key == "model" { "openai/gpt-4o" } else { "gpt-4o" };
                    self.problem(
                        format!("model_list[{index}].{key}"),
                        format!("missing: expected a name such as \"{example}\""),
                    );
                }
            }
        }
        for (index, model) in config.model_list.iter().enumerate() {
            if model.enabled && !model.is_supported() {
                let provider = model.provider_name();
                let text = format!("this version cannot ask {provider}, so the model is left out");
                self.warnings.push((format!("model_list[{index}]"), text));
            }
        }
        let names = || config.models().map(|model| model.model_name.as_str()).filter(|name| !name.is_empty());
        let default = config.default_model();
        // An empty name is an entry without one, which was said above.
        if !default.is_empty() && !names().any(|name| name == default) {
            let path = "agents.defaults.model_name";
            let mut listed = config.model_list.iter().filter(|model| model.model_name == default).peekable();
            if listed.peek().is_some() && listed.all(|model| !model.is_supported()) {
                let text =
                    format!("this version cannot ask the provider of \"{default}\": name another model");
                self.problem(path, text);
            } else if config.model_list.iter().any(|model| model.model_name == default) {
                self.problem(path, format!("the model \"{default}\" is not enabled in model_list"));
            } else {
                let hint = match closest(default, names()) {
                    Some(name) => format!("did you mean \"{name}\"?"),
                    None => format!("there are {}", names().collect::<Vec<_>>().join(", ")),
                };
                self.problem(path, format!("there is no model \"{default}\" in model_list: {hint}"));
            }
        }
        let of_model = config.model_list.iter().enumerate().flat_map(|(index, model)| {
            let at = move |n| format!("model_list[{index}].fallbacks[{n}]");
            model.fallbacks.iter().enumerate().map(move |(n, name)| (at(n), name))
        });
        let defaults = &config.agents.defaults;
        let of_agent = defaults.model_fallbacks.iter().enumerate();
        let of_agent = of_agent.map(|(n, name)| (format!("agents.defaults.model_fallbacks[{n}]"), name));
        let for_images = defaults.image_model_fallbacks.iter().enumerate();
        let for_images =
            for_images.map(|(n, name)| (format!("agents.defaults.image_model_fallbacks[{n}]"), name));
        let image = Some(("agents.defaults.image_model".to_owned(), &defaults.image_model));
        let image = image.filter(|(_, name)| !name.is_empty());
        for (path, name) in of_agent.chain(image).chain(for_images).chain(of_model) {
            if config.model_meant(name).is_none() {
                self.warnings
                    .push((path, format!("there is no enabled model \"{name}\" in model_list, ignored")));
            }
        }
    }

    fn routing(&mut self, config: &Config) {
        let routing = &config.agents.defaults.routing;
        if routing.enabled && config.model_meant(&routing.light_model).is_none() {
            let message = format!(
                "there is no enabled model \"{}\" in model_list, so all messages are for the usual one",
                routing.light_model
            );
            self.warnings.push(("agents.defaults.routing.light_model".into(), message));
        }
    }

    fn sinks(&mut self, config: &Config, paths: &Paths, known_types: &[&str]) {
        let mut names: BTreeMap<String, String> = BTreeMap::new();
        let listed = config.telemetry.sinks.as_ref().map_or(0, Vec::len);
        for (index, sink) in config.effective_sinks(paths).iter().enumerate() {
            let at = |key: &str| format!("telemetry.sinks[{index}].{key}");
            let is_listed = index < listed;
            if is_listed && !known_types.contains(&sink.kind.as_str()) {
                let hint = match closest(&sink.kind, known_types.iter().copied()) {
                    Some(kind) => format!("did you mean \"{kind}\"?"),
                    None => format!("expected one of {}", known_types.join(", ")),
                };
                self.problem(at("type"), format!("unknown sink type \"{}\": {hint}", sink.kind));
            }
            if sink.name().trim().is_empty() {
                self.problem(at("name"), "empty: expected a name, or no name to use the type");
            }
            if let Some(first) = names.insert(sink.name().to_owned(), at("name")) {
                let message = format!(
                    "the name \"{}\" is used by {first} already: give each sink its own name",
                    sink.name()
                );
                self.problem(at("name"), message);
            }
            if sink.retry.initial_ms > sink.retry.max_ms {
                let message = format!("{} is more than max_ms, {}", sink.retry.initial_ms, sink.retry.max_ms);
                self.problem(at("retry.initial_ms"), message);
            }
        }
        let listed_metrics =
            config.telemetry.sinks.iter().flatten().any(|sink| sink.kind == "prometheus" && sink.enabled);
        if listed_metrics && !config.gateway.metrics().enabled {
            let message = "false has no effect: telemetry.sinks has a prometheus sink, which counts more";
            self.warnings.push(("gateway.metrics.enabled".into(), message.into()));
        }
    }

    fn scrape_auth(&mut self, config: &Config) {
        const AUTH: &str = "gateway.metrics.auth";
        let ScrapeAuth { token, username, password } = config.gateway.metrics().auth;
        // RFC 6750, section 2.1; what fits also needs no quotes in the files of other programs.
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-._~+/=".contains(c);
        if token.is_some_and(|token| token.is_empty() || !token.expose().chars().all(allowed)) {
            let message = "invalid value ***: expected letters, digits and -._~+/=, such as `openssl rand -hex 32` prints";
            self.problem(format!("{AUTH}.token"), message);
        }
        // RFC 7617, section 2.
        if username.contains(|c: char| c == ':' || c.is_control()) {
            self.problem(
                format!("{AUTH}.username"),
                "a user's name cannot have a colon or control characters",
            );
        }
        match (username.is_empty(), password.is_none_or(|password| password.is_empty())) {
            (false, true) => {
                self.problem(format!("{AUTH}.password"), "missing: expected the password of username");
            }
            (true, false) => {
                self.problem(format!("{AUTH}.username"), "missing: expected the user of password");
            }
            _ => {}
        }
        let health = &config.gateway.health_check;
        if health.details == HealthDetails::Authenticated && config.gateway.metrics().auth.is_open() {
            let message = format!("authenticated needs something to show: set {AUTH}.token");
            self.problem("gateway.health_check.details", message);
        }
    }

    fn log_output(&mut self, config: &Config) {
        if let Some(logging) = &config.logging
            && logging.output.ends_with('/')
        {
            self.problem(
                "logging.output",
                format!("\"{}\" is a directory: expected a file, stdout or stderr", logging.output),
            );
        }
    }
}
