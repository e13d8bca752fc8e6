//! What one agent works with.

use std::sync::Arc;
use std::time::Duration;

use picoclaw_telemetry::event::Declaration;
use picoclaw_telemetry::{Bus, Dimension, Label};

use super::budget::{ContextLimits, Correction};
use super::crew::{CrewLimits, CrewTools};
use super::hooks::Hooks;
use super::inbound::ToolFeedback;
use super::models::{Candidate, ModelChoice, ModelTable, Models};
use super::pictures::Pictures;
use super::prompt::Prompt;
use super::routing::Routing;
use super::tool_calls::{Redact, Tools};
use crate::sessions::SessionStore;
use crate::tools::Toolbox;

/// What bounds a turn.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Rounds of completions in one turn.
    pub tool_iterations: u32,
    /// How often a failed request to one provider is repeated.
    pub llm_retries: u32,
    /// The n-th pause before a retry is n times this long.
    pub llm_backoff: Duration,
    /// How long a turn may take, waiting not included; `None` for no limit.
    pub turn_timeout: Option<Duration>,
    /// How long a tool call may take.
    pub tool_timeout: Duration,
    /// The longest answer in tokens, unless the caller says.
    pub max_tokens: u64,
    /// The randomness, unless the caller says.
    pub temperature: f64,
    /// How long a conversation may be.
    pub context: ContextLimits,
    /// The bounds of sub-agents.
    pub crew: CrewLimits,
    /// Which messages are for a lighter model; `None` when none are.
    pub routing: Option<Routing>,
    /// How people in chats are told of tool calls, if they are.
    pub tool_feedback: Option<ToolFeedback>,
    /// Whether answers for chats are split at marks.
    pub split_answers: bool,
    /// For how many turns a conversation is shown a tool that it has found, from its last use on.
    pub found_tools_turns: u32,
    /// Whether all messages that wait join a turn at once, rather than one after each answer of the model.
    pub steer_all: bool,
}

/// One agent of a configuration, before it works.
pub struct Member {
    /// Its id.
    pub id: String,
    /// Its model.
    pub model: ModelChoice,
    /// The model of its sub-agents, if it is not its own.
    pub subagent_model: Option<ModelChoice>,
    /// Its tools but for those by which it has others work.
    pub toolbox: Toolbox,
    /// The tools by which it has others work.
    pub crew: CrewTools,
    /// What bounds its turns.
    pub limits: Limits,
    /// What tools return goes through this.
    pub redact: Redact,
    /// What opens its conversations.
    pub prompt: Prompt,
    /// How models see the images of its conversations.
    pub pictures: Option<Pictures>,
    /// Where its conversations are.
    pub store: SessionStore,
}

/// What one agent works with. A reload makes a new one.
pub(super) struct Setup {
    pub(super) id: Arc<str>,
    pub(super) label: Label,
    pub(super) models: Models,
    pub(super) subagent_model: Option<ModelChoice>,
    pub(super) tools: Tools,
    pub(super) crew: CrewTools,
    pub(super) limits: Limits,
    pub(super) prompt: Prompt,
    /// How models see the images of a conversation.
    pub(super) pictures: Option<Pictures>,
    pub(super) store: SessionStore,
    /// Who may watch and change turns.
    pub(super) hooks: Option<Arc<dyn Hooks>>,
}

impl Setup {
    pub(super) fn new(
        bus: &Bus,
        member: Member,
        table: &Arc<ModelTable>,
        hooks: Option<Arc<dyn Hooks>>,
    ) -> Self {
        let Member { id, model, subagent_model, toolbox, crew, limits, redact, prompt, pictures, store } =
            member;
        Self {
            label: bus.vocabulary().declare(Dimension::Agent, &id),
            id: id.into(),
            models: Models::new(Arc::clone(table), model),
            subagent_model,
            tools: Tools::new(&toolbox, crew.specs(), limits.tool_timeout, redact, bus),
            crew,
            limits,
            prompt,
            pictures,
            store,
            hooks,
        }
    }

    /// How a model's count of tokens differs from the general rule.
    pub(super) fn correction(&self, candidate: &Candidate) -> &Correction {
        self.models.correction(candidate)
    }

    /// The agent and its tools, for declaring their series.
    pub(super) fn declarations(&self) -> impl Iterator<Item = Declaration> {
        let tools = self.tools.labels().chain(self.crew.labels());
        tools.map(Declaration::Tool).chain([Declaration::Agent(self.label)])
    }
}
