//! `agents.list` and `agents.dispatch`: several agents, and which of them is for whom.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Config;

/// The agent that answers when none is configured.
pub const MAIN: &str = "main";
/// Longest id of an agent.
const MAX_ID: usize = 64;

/// One agent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct AgentConfig {
    /// Its id: lower-case letters, digits, `-` and `_`.
    pub id: String,
    /// Whether it answers when no rule says otherwise; without any, the first of the list does.
    pub default: bool,
    /// What it calls itself.
    pub name: String,
    /// The directory in which it works, with files and conversations of its own. Empty means the usual workspace for
    /// the agent that answers by default and for `main`, and `workspace-<id>` beside it for the others.
    pub workspace: String,
    /// Its model, if it is not `agents.defaults.model_name`: a name, or `primary` and `fallbacks`.
    pub model: AgentModel,
    /// The only skills that it has; all of its workspace when empty.
    pub skills: Vec<String>,
    /// How it works with other agents.
    pub subagents: SubagentsConfig,
}

/// A model with those that take its place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct AgentModel {
    /// The model, by `model_name` or `model`.
    pub primary: String,
    /// Models that are tried in this order when that one fails; if not given, `agents.defaults.model_fallbacks`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Vec<String>")]
    pub fallbacks: Option<Vec<String>>,
}

/// How an agent works with others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SubagentsConfig {
    /// The ids of the agents to which it may give tasks; `*` stands for all.
    pub allow_agents: Vec<String>,
    /// The model of its own sub-agents, if it is not its own.
    pub model: AgentModel,
}

/// Which agent is for whom.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct DispatchConfig {
    /// The first rule that fits a message decides.
    pub rules: Vec<DispatchRule>,
}

/// A rule that gives messages to an agent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct DispatchRule {
    /// What it is called, for people.
    pub name: String,
    /// The id of the agent.
    pub agent: String,
    /// Which messages it fits: all that is given must hold.
    pub when: DispatchSelector,
    /// By what the conversations of these messages differ, if it is not `session.dimensions`.
    pub session_dimensions: Vec<String>,
}

/// Which messages a rule fits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct DispatchSelector {
    /// The configured name of the channel.
    pub channel: String,
    /// The account on the channel; channels have one, `default`.
    pub account: String,
    /// The network's space: `guild:123`, `workspace:t001`.
    pub space: String,
    /// The chat with its kind: `direct:42`, `group:-100123`, `channel:c123`.
    pub chat: String,
    /// The topic: `topic:42`.
    pub topic: String,
    /// The network's id of the person, or a name of `session.identity_links`.
    pub sender: String,
    /// Whether the message mentions the agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "bool")]
    pub mentioned: Option<bool>,
}

impl DispatchSelector {
    /// Whether it asks for nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl AgentConfig {
    /// Its id as it stands in names of sessions, workspaces and metrics.
    pub fn id(&self) -> String {
        agent_id(&self.id)
    }
}

/// An id in the form in which ids are compared: in lower case, `-` for what is no letter, digit, `-` or `_`. What says
/// nothing means `main`.
pub fn agent_id(text: &str) -> String {
    let sound = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c.to_ascii_lowercase() } else { '-' };
    let id: String = text.trim().chars().map(sound).take(MAX_ID).collect();
    match id.trim_matches('-') {
        "" => MAIN.to_owned(),
        id => id.to_owned(),
    }
}

impl Config {
    /// The agents in the order of the list, each id once; one that is called `main` when the list is empty.
    pub fn agents(&self) -> Vec<AgentConfig> {
        let mut seen = BTreeSet::new();
        let mut agents = self.agents.list.clone();
        agents.retain(|agent| seen.insert(agent.id()));
        if agents.is_empty() {
            agents.push(AgentConfig { id: MAIN.to_owned(), ..AgentConfig::default() });
        }
        agents
    }

    /// The place in [`Config::agents`] of the agent that answers when no rule says otherwise.
    pub fn default_agent(agents: &[AgentConfig]) -> usize {
        agents.iter().position(|agent| agent.default).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_compared_in_one_form() {
        for (text, id) in [
            ("main", "main"),
            (" Support Desk! ", "support-desk"),
            ("", "main"),
            ("--", "main"),
            ("a_B-1", "a_b-1"),
        ] {
            assert_eq!(agent_id(text), id, "{text}");
        }
    }

    #[test]
    fn every_id_is_there_once() {
        let mut config = Config::default();
        let ids = |config: &Config| config.agents().iter().map(AgentConfig::id).collect::<Vec<_>>();
        assert_eq!(ids(&config), ["main"]);
        let agent = |id: &str, default| AgentConfig { id: id.to_owned(), default, ..AgentConfig::default() };
        config.agents.list = vec![agent("a", false), agent("A ", false), agent("b", true)];
        assert_eq!(ids(&config), ["a", "b"]);
        assert_eq!(Config::default_agent(&config.agents()), 1);
    }
}
