//! The tools by which a model has sub-agents.

use picoclaw_telemetry::guard::ToolRun;
use picoclaw_telemetry::words::ToolStatus;
use picoclaw_telemetry::{Bus, Detail, Dimension, Label};
use serde::Deserialize;
use serde_json::json;

use super::super::assistant::Agent;
use super::super::turn::Work;
use super::SubTurn;
use crate::chat::{Message, Role, ToolCall, ToolSpec};
use crate::tools::ToolOutput;

/// Longest result that a model is told, in bytes.
const MAX_RESULT: usize = 32 << 10;
/// Longest label, in characters.
const MAX_LABEL: usize = 60;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Subagent,
    Spawn,
    Status,
}

/// The tools that are on.
#[derive(Clone, Debug, Default)]
pub struct CrewTools(Vec<(Kind, Label)>);

impl CrewTools {
    /// Those of `subagent`, `spawn` and `spawn_status` that are wanted.
    pub fn new(bus: &Bus, subagent: bool, spawn: bool, spawn_status: bool) -> Self {
        let wanted = [(Kind::Spawn, spawn), (Kind::Status, spawn_status), (Kind::Subagent, subagent)];
        let on = wanted.into_iter().filter(|(_, wanted)| *wanted).map(|(kind, _)| kind);
        Self(on.map(|kind| (kind, bus.vocabulary().declare(Dimension::Tool, kind.name()))).collect())
    }

    /// What is offered to models.
    pub(in super::super) fn specs(&self) -> impl Iterator<Item = ToolSpec> {
        self.0.iter().map(|(kind, _)| kind.spec())
    }

    /// The labels, for declaring their series.
    pub(in super::super) fn labels(&self) -> impl Iterator<Item = Label> {
        self.0.iter().map(|(_, label)| *label)
    }

    fn get(&self, name: &str) -> Option<(Kind, Label)> {
        self.0.iter().copied().find(|(kind, _)| kind.name() == name)
    }
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Subagent => "subagent",
            Self::Spawn => "spawn",
            Self::Status => "spawn_status",
        }
    }

    fn spec(self) -> ToolSpec {
        let task = json!({ "type": "string", "description": "What is to be done, with all that must be known for it" });
        let label =
            json!({ "type": "string", "description": "A few words by which the task is told from others" });
        let of_task =
            json!({ "type": "object", "properties": { "task": task, "label": label }, "required": ["task"] });
        let (description, parameters) = match self {
            Self::Subagent => ("Has a sub-agent do a task and waits for its result.", of_task),
            Self::Spawn => (
                "Has a sub-agent do a task beside the conversation. Its result is told to you when it is done.",
                of_task,
            ),
            Self::Status => (
                "Tells how spawned tasks go.",
                json!({ "type": "object", "required": [], "properties": {
                    "task_id": { "type": "string", "description": "Which task, such as task-3; all without it" },
                } }),
            ),
        };
        ToolSpec { name: self.name().to_owned(), description: description.to_owned(), parameters }
    }
}

#[derive(Deserialize)]
struct Order {
    task: String,
    #[serde(default)]
    label: Option<String>,
    #[serde(default)]
    agent_id: Option<String>,
}

#[derive(Deserialize)]
struct Which {
    #[serde(default)]
    task_id: Option<String>,
}

/// Does what a call asks for, if it is one of these tools, and returns the text for the model.
pub(in super::super) async fn call(work: &Work<'_>, turn: u64, call: &ToolCall) -> Option<String> {
    let (kind, label) = work.setup.crew.get(&call.function.name)?;
    let run = ToolRun::start(work.bus, turn, label, work.session.clone());
    let arguments = call.function.arguments.trim();
    let arguments = if arguments.is_empty() { "{}" } else { arguments };
    let output = match kind {
        Kind::Subagent => subagent(work, arguments).await,
        Kind::Spawn => spawn(work, arguments),
        Kind::Status => status(work, arguments),
    };
    let ToolOutput { status, text } = output.into();
    let error = (status != ToolStatus::Success).then(|| Detail::new(&text));
    run.finish(status, error);
    Some(text)
}

/// What sub-agents have brought to a conversation meanwhile, as its model is told.
pub(in super::super) fn news(agent: &Agent, session: &str) -> impl Iterator<Item = Message> {
    agent.0.roster.take_news(session).into_iter().map(|(name, result)| {
        let text = format!("[The sub-agent {name} is done. Nobody but you has seen its result:]\n{result}");
        Message::new(Role::User, text)
    })
}

async fn subagent(work: &Work<'_>, arguments: &str) -> Result<ToolOutput, ToolOutput> {
    let order = order(work, arguments)?;
    // It ends with the turn that waits for it.
    let cancel = work.post.agent.0.cancel_all.child_token();
    match SubTurn::new(work, order.task).run(cancel).await {
        Ok(text) => Ok(ToolOutput::success(bounded(text))),
        Err(error) => Err(ToolOutput::error(format!("The sub-agent failed: {}", error.message))),
    }
}

fn spawn(work: &Work<'_>, arguments: &str) -> Result<ToolOutput, ToolOutput> {
    let order = order(work, arguments)?;
    let Some(session) = work.post.session else {
        return Err(ToolOutput::error(
            "This conversation is not remembered, so no result could come back to it: use subagent instead.",
        ));
    };
    let label: String = order.label.unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
    let label: String = label.chars().take(MAX_LABEL).collect();
    let agent = work.post.agent.clone();
    let cancel = agent.0.cancel_unawaited.child_token();
    let most = work.setup.limits.crew.concurrent;
    let Some(number) = agent.0.roster.enlist(session, &label, most, &cancel) else {
        return Err(ToolOutput::error(format!(
            "{most} sub-agents work for this conversation already: wait until one is done, or use subagent."
        )));
    };
    let sub_turn = SubTurn::new(work, order.task);
    let turns = agent.0.turns.clone();
    turns.spawn(async move {
        let mut enlisted = Enlisted { agent, number, result: "It failed: it vanished.".to_owned() };
        enlisted.result = match sub_turn.run(cancel).await {
            Ok(text) => bounded(text),
            Err(error) => format!("It failed: {}", error.message),
        };
    });
    Ok(ToolOutput::success(format!(
        "task-{number} is under way. Go on; its result will be told to you when it is done."
    )))
}

/// A sub-agent at work. Dropping it, also by a panic, says that it is done.
struct Enlisted {
    agent: Agent,
    number: u64,
    result: String,
}

impl Drop for Enlisted {
    fn drop(&mut self) {
        self.agent.0.roster.done(self.number, std::mem::take(&mut self.result));
    }
}

fn status(work: &Work<'_>, arguments: &str) -> Result<ToolOutput, ToolOutput> {
    let Which { task_id } = parse(arguments)?;
    let only = match task_id.as_deref().map(str::trim).filter(|id| !id.is_empty()) {
        Some(id) => Some(
            id.trim_start_matches("task-")
                .parse()
                .map_err(|_| ToolOutput::error("argument `task_id` is no task: give one such as task-3"))?,
        ),
        None => None,
    };
    let tasks = work.post.agent.0.roster.status(work.post.session.unwrap_or_default(), only);
    let text = if tasks.is_empty() { "There is no such task.".to_owned() } else { tasks.join("\n") };
    Ok(ToolOutput::success(text))
}

fn order(work: &Work<'_>, arguments: &str) -> Result<Order, ToolOutput> {
    let order: Order = parse(arguments)?;
    let deepest = work.setup.limits.crew.depth;
    if work.post.depth >= deepest {
        return Err(ToolOutput::denied(format!(
            "Sub-agents may be nested {deepest} deep, and you are at that depth: do it yourself."
        )));
    }
    if order.task.trim().is_empty() {
        return Err(ToolOutput::error("argument `task` is empty: say what is to be done"));
    }
    if order.agent_id.as_deref().is_some_and(|agent| !matches!(agent.trim(), "" | "main")) {
        return Err(ToolOutput::error("there is no agent but main: leave `agent_id` out"));
    }
    Ok(order)
}

fn parse<'a, T: Deserialize<'a>>(arguments: &'a str) -> Result<T, ToolOutput> {
    serde_json::from_str(arguments)
        .map_err(|error| ToolOutput::error(format!("The arguments are not valid: {error}.")))
}

fn bounded(mut text: String) -> String {
    if text.len() > MAX_RESULT {
        text.truncate(text.floor_char_boundary(MAX_RESULT));
        text.push_str("\n[cut here: the result was longer]");
    }
    text
}
