//! What the settings of several agents say about one another.

use std::collections::BTreeMap;

use super::sections::{
    AgentModel, Config, DM_SCOPES, DispatchRule, SESSION_DIMENSIONS, agent_id, known_dimensions,
};
use super::spelling::closest;
use super::validate::Checked;

impl Checked {
    /// Checks agents, the rules that choose one, and by what conversations differ.
    pub(super) fn agents(&mut self, config: &Config) {
        let mut ids: BTreeMap<String, usize> = BTreeMap::new();
        let mut default = None;
        for (index, agent) in config.agents.list.iter().enumerate() {
            let at = |key: &str| format!("agents.list[{index}].{key}");
            if agent.id.trim().is_empty() && config.agents.list.len() > 1 {
                self.problem(at("id"), "missing: expected a name such as \"support\"");
                continue;
            }
            if let Some(first) = ids.insert(agent.id(), index) {
                let id = agent.id();
                let message = format!(
                    "the id \"{id}\" is that of agents.list[{first}] already: give each agent its own"
                );
                self.problem(at("id"), message);
            }
            if agent.default
                && let Some(first) = default.replace(index)
            {
                let message = format!("agents.list[{first}] is the default already, ignored");
                self.warn(at("default"), message);
            }
            self.agent_model(config, &at("model"), &agent.model);
            self.agent_model(config, &at("subagents.model"), &agent.subagents.model);
        }
        let known: Vec<String> = config.agents().iter().map(super::AgentConfig::id).collect();
        for (index, agent) in config.agents.list.iter().enumerate() {
            let allowed = agent.subagents.allow_agents.iter().enumerate();
            for (n, other) in allowed.filter(|(_, other)| other.trim() != "*") {
                if !known.contains(&agent_id(other)) {
                    let message = format!("there is no agent \"{other}\" in agents.list, ignored");
                    self.warn(format!("agents.list[{index}].subagents.allow_agents[{n}]"), message);
                }
            }
        }
        for (index, rule) in config.agents.dispatch.rules.iter().enumerate() {
            self.rule(&format!("agents.dispatch.rules[{index}]"), rule, &known);
        }
        self.dimensions("session.dimensions", &config.session.dimensions);
        let scope = config.session.dm_scope.as_str();
        if !scope.is_empty() && !DM_SCOPES.contains(&scope) {
            let message = format!("\"{scope}\" is none of {}, ignored", DM_SCOPES.join(", "));
            self.warn("session.dm_scope", message);
        }
    }

    fn rule(&mut self, at: &str, rule: &DispatchRule, known: &[String]) {
        if !known.contains(&agent_id(&rule.agent)) {
            let hint = match closest(&rule.agent, known.iter().map(String::as_str)) {
                Some(id) => format!("did you mean \"{id}\"?"),
                None => format!("there are {}", known.join(", ")),
            };
            self.problem(format!("{at}.agent"), format!("there is no agent \"{}\": {hint}", rule.agent));
        }
        if rule.when.is_empty() {
            self.warn(format!("{at}.when"), "asks for nothing, so the rule fits nothing".to_owned());
        }
        self.dimensions(&format!("{at}.session_dimensions"), &rule.session_dimensions);
    }

    fn agent_model(&mut self, config: &Config, at: &str, model: &AgentModel) {
        if !model.primary.is_empty() && config.model_meant(&model.primary).is_none() {
            let name = &model.primary;
            let names: Vec<&str> = config.models().map(|model| model.model_name.as_str()).collect();
            let hint = match closest(name, names.iter().copied()) {
                Some(name) => format!("did you mean \"{name}\"?"),
                None => format!("there are {}", names.join(", ")),
            };
            let message = format!("there is no enabled model \"{name}\" in model_list: {hint}");
            self.problem(format!("{at}.primary"), message);
        }
        for (n, name) in model.fallbacks.iter().flatten().enumerate() {
            if config.model_meant(name).is_none() {
                let message = format!("there is no enabled model \"{name}\" in model_list, ignored");
                self.warn(format!("{at}.fallbacks[{n}]"), message);
            }
        }
    }

    fn dimensions(&mut self, at: &str, names: &[String]) {
        for (n, name) in names.iter().enumerate() {
            if known_dimensions(std::slice::from_ref(name)).is_empty() {
                let message = format!("\"{name}\" is none of {}, ignored", SESSION_DIMENSIONS.join(", "));
                self.warn(format!("{at}[{n}]"), message);
            }
        }
    }

    fn warn(&mut self, path: impl Into<String>, message: String) {
        self.warnings.push((path.into(), message));
    }
}
