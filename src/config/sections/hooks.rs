//! `hooks`: programs that watch and change what the agent does.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::secret::SecretString;

/// Programs that watch and change what the agent does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct HooksConfig {
    /// Whether there are any.
    pub enabled: bool,
    /// How long they may take.
    pub defaults: HookDefaults,
    /// The programs, by name.
    pub processes: BTreeMap<String, HookProcess>,
}

impl Default for HooksConfig {
    fn default() -> Self {
        Self { enabled: true, defaults: HookDefaults::default(), processes: BTreeMap::new() }
    }
}

impl HooksConfig {
    /// Those that run, by priority and name.
    pub fn active(&self) -> Vec<(&str, &HookProcess)> {
        let enabled = self.processes.iter().filter(|(_, process)| self.enabled && process.enabled);
        let mut active: Vec<_> = enabled.map(|(name, process)| (name.as_str(), process)).collect();
        active.sort_by_key(|(name, process)| (process.priority, *name));
        active
    }
}

/// How long hooks may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct HookDefaults {
    /// To take in an event, in milliseconds; after that it is dropped.
    #[schemars(range(min = 1, max = 600_000))]
    pub observer_timeout_ms: u64,
    /// To answer before or after a request to a model or a tool call, in milliseconds; after that the agent goes on.
    #[schemars(range(min = 1, max = 600_000))]
    pub interceptor_timeout_ms: u64,
    /// To approve a tool call, in milliseconds; after that it is denied.
    #[schemars(range(min = 1, max = 3_600_000))]
    pub approval_timeout_ms: u64,
}

impl Default for HookDefaults {
    fn default() -> Self {
        Self { observer_timeout_ms: 500, interceptor_timeout_ms: 5_000, approval_timeout_ms: 60_000 }
    }
}

/// A program that speaks JSON-RPC on its standard input and output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct HookProcess {
    /// Whether it runs.
    pub enabled: bool,
    /// Those with lower numbers come first.
    pub priority: i64,
    /// How it is spoken to: `stdio`.
    pub transport: Transport,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// The directory in which it starts. Empty: the workspace.
    pub dir: String,
    /// Further variables of its environment.
    pub env: BTreeMap<String, SecretString>,
    /// The kinds of events that it hears of, such as `agent.tool.exec_end`, `agent.*` or `*`.
    pub observe: Vec<String>,
    /// Where it is asked: `before_llm`, `after_llm`, `before_tool`, `after_tool`, `approve_tool`.
    pub intercept: Vec<Intercept>,
}

impl Default for HookProcess {
    fn default() -> Self {
        Self {
            enabled: false,
            priority: 0,
            transport: Transport::Stdio,
            command: Vec::new(),
            dir: String::new(),
            env: BTreeMap::new(),
            observe: Vec::new(),
            intercept: Vec::new(),
        }
    }
}

/// How a hook is spoken to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// Standard input and output.
    #[default]
    #[serde(alias = "")]
    Stdio,
}

/// Where a hook is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Intercept {
    /// Before a request to a model.
    BeforeLlm,
    /// After its answer.
    AfterLlm,
    /// Before a tool call.
    BeforeTool,
    /// After its end.
    AfterTool,
    /// Whether a tool may be called.
    ApproveTool,
}
