//! What the tools by which a model has others work do.

use std::sync::Arc;

use picoclaw_telemetry::Detail;
use picoclaw_telemetry::guard::ToolRun;
use picoclaw_telemetry::words::ToolStatus;
use serde::Deserialize;
use tokio::time::timeout;

use super::super::assistant::Agent;
use super::super::setup::Setup;
use super::super::turn::Work;
use super::report::Report;
use super::tools::{Kind, list};
use super::{CrewLimits, SubTurn};
use crate::chat::{Message, Role, ToolCall};
use crate::config::agent_id;
use crate::sessions::SessionId;
use crate::tools::ToolOutput;

/// Longest result that a model is told, in bytes.
const MAX_RESULT: usize = 32 << 10;
/// Longest label, in characters.
const MAX_LABEL: usize = 60;

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
        Kind::Delegate => delegate(work, arguments).await,
        Kind::Spawn => spawn(work, arguments).await,
        Kind::Status => status(work, arguments),
    };
    let ToolOutput { status, text, .. } = output.into();
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
    match wait_for(work, SubTurn::new(work, None, order.task)).await {
        Ok(text) => Ok(ToolOutput::success(text)),
        Err(error) => Err(ToolOutput::error(format!("The sub-agent failed: {error}"))),
    }
}

async fn delegate(work: &Work<'_>, arguments: &str) -> Result<ToolOutput, ToolOutput> {
    let order = order(work, arguments)?;
    let Some(other) = other(work, order.agent_id.as_deref())? else {
        let fellows = list(work.setup.crew.fellows());
        let text = format!("argument `agent_id` must name another agent: {fellows}");
        return Err(ToolOutput::error(text));
    };
    match wait_for(work, SubTurn::new(work, Some(&other), order.task)).await {
        Ok(text) => Ok(ToolOutput::success(format!("[The agent {} answers:]\n{text}", other.id))),
        Err(error) => Err(ToolOutput::error(format!("The agent {} failed: {error}", other.id))),
    }
}

async fn wait_for(work: &Work<'_>, sub_turn: SubTurn) -> Result<String, String> {
    // It ends with the turn that waits for it.
    let cancel = work.post.agent.0.cancel_all.child_token();
    sub_turn.run(cancel).await.map(bounded).map_err(|error| error.message)
}

async fn spawn(work: &Work<'_>, arguments: &str) -> Result<ToolOutput, ToolOutput> {
    let order = order(work, arguments)?;
    let other = other(work, order.agent_id.as_deref())?;
    let Some(session) = work.post.session else {
        return Err(ToolOutput::error(
            "This conversation is not remembered, so no result could come back to it: use subagent instead.",
        ));
    };
    let label: String = order.label.unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
    let label: String = label.chars().take(MAX_LABEL).collect();
    let agent = work.post.agent.clone();
    let cancel = agent.0.cancel_unawaited.child_token();
    let CrewLimits { concurrent: most, patience, .. } = work.setup.limits.crew;
    let enlist = async {
        loop {
            let freed = agent.0.roster.freed.notified();
            if let Some(number) = agent.0.roster.enlist(session.key(), &label, most, &cancel) {
                return number;
            }
            freed.await;
        }
    };
    let Ok(number) = timeout(patience, enlist).await else {
        return Err(ToolOutput::error(format!(
            "{most} sub-agents work for this conversation already: wait until one is done, or use subagent."
        )));
    };
    let sub_turn = SubTurn::new(work, other.as_ref(), order.task);
    let report = Report::to(work);
    let turns = agent.0.turns.clone();
    turns.spawn(async move {
        let mut enlisted = Enlisted { agent, number, result: "It failed: it vanished.".to_owned() };
        enlisted.result = match sub_turn.run(cancel.clone()).await {
            Ok(text) => bounded(text),
            Err(error) => format!("It failed: {}", error.message),
        };
        drop(enlisted);
        // Who has stopped it knows.
        if let Some(report) = report.filter(|_| !cancel.is_cancelled()) {
            report.tell().await;
        }
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
    let tasks = work.post.agent.0.roster.status(work.post.session.map_or("", SessionId::key), only);
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
    Ok(order)
}

/// The other agent that is to work; `None` for a sub-agent of the one that works now.
fn other(work: &Work<'_>, id: Option<&str>) -> Result<Option<Arc<Setup>>, ToolOutput> {
    let Some(text) = id.filter(|id| !id.trim().is_empty()) else { return Ok(None) };
    let id = agent_id(text);
    if id == *work.setup.id {
        return Ok(None);
    }
    let fellows = work.setup.crew.fellows();
    if fellows.is_empty() {
        return Err(ToolOutput::denied("There is no other agent for you: leave `agent_id` out."));
    }
    let agents = work.post.agent.0.agents.load();
    match agents.get(&id).filter(|_| fellows.iter().any(|fellow| fellow.id == id)) {
        Some(setup) => Ok(Some(Arc::clone(setup))),
        None => Err(ToolOutput::denied(format!(
            "You may not give tasks to the agent \"{id}\". You may to: {}.",
            list(fellows)
        ))),
    }
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
