//! Sub-agents: turns that work on a task for another turn, with the same model and tools and a history of their own.
//!
//! | Tool | What it does |
//! |---|---|
//! | `subagent(task, label)` | has the task done and waits for the result |
//! | `spawn(task, label, agent_id)` | has it done beside the conversation; its result is told when it is there |
//! | `delegate(agent_id, task)` | has another agent do it, with that one's model, tools and workspace |
//! | `spawn_status(task_id)` | tells how that goes |
//!
//! They may have sub-agents of their own, down to a bounded depth; a conversation has so many at work at a time; each has
//! so much time; nothing of what they say among themselves is kept. They act on behalf of the person who is at the other
//! end of the conversation, and `/stop` stops them too.

mod calls;
mod report;
mod roster;
mod tools;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use picoclaw_telemetry::guard::Turn;
use picoclaw_telemetry::words::{Origin, TurnStatus};
use picoclaw_telemetry::{Detail, Label};
use tokio_util::sync::CancellationToken;

pub(super) use calls::{call, news};
pub(super) use roster::Roster;
pub use tools::{CrewTools, CrewWish, Fellow};

use super::assistant::Agent;
use super::failures::{cancelled, sub_agent_timeout};
use super::inbound::TurnError;
use super::models::Candidate;
use super::setup::Setup;
use super::transcript::Transcript;
use super::turn::{self, Work};
use crate::chat::{Message, Role, Sampling};
use crate::sessions::{History, SessionId};
use crate::tools::Caller;

/// Most requests to the model in one sub-turn: with their results about fifty messages.
const MAX_ROUNDS: u32 = 24;

/// The bounds of sub-agents.
#[derive(Clone, Copy, Debug)]
pub struct CrewLimits {
    /// How deep they may be nested.
    pub depth: u32,
    /// How many may work for a conversation at the same time.
    pub concurrent: usize,
    /// How long one may take.
    pub timeout: Duration,
    /// How long a task waits until fewer are at work.
    pub patience: Duration,
    /// Most tokens that one may use.
    pub token_budget: Option<u64>,
}

/// Where a turn stands among those that it works for.
#[derive(Clone, Copy)]
pub(super) struct Post<'a> {
    pub(super) agent: &'a Agent,
    /// The id of the agent whose conversation it is.
    pub(super) id: &'a Arc<str>,
    /// 0 for a conversation's own turn.
    pub(super) depth: u32,
    /// The conversation; `None` when it is not remembered.
    pub(super) session: Option<&'a SessionId>,
    pub(super) label: Label,
}

/// A sub-agent with its task.
struct SubTurn {
    agent: Agent,
    /// Whose conversation it is.
    id: Arc<str>,
    setup: Arc<Setup>,
    candidates: Vec<Arc<Candidate>>,
    label: Label,
    detail: Detail,
    channel: String,
    chat: String,
    session: Option<SessionId>,
    depth: u32,
    task: String,
}

impl SubTurn {
    /// A sub-agent of the agent that works, or another agent when it is given.
    fn new(work: &Work<'_>, other: Option<&Arc<Setup>>, task: String) -> Self {
        let setup = other.unwrap_or(work.setup);
        let candidates = match (other, &work.setup.subagent_model) {
            (Some(other), _) => other.models.candidates(None),
            (None, Some(choice)) => work.setup.models.chosen(choice),
            (None, None) => None,
        };
        Self {
            agent: work.post.agent.clone(),
            id: Arc::clone(work.post.id),
            setup: Arc::clone(setup),
            candidates: candidates.unwrap_or_else(|| work.candidates.to_vec()),
            label: work.post.label,
            detail: work.session.clone(),
            channel: work.caller.channel.to_owned(),
            chat: work.caller.chat.to_owned(),
            session: work.post.session.cloned(),
            depth: work.post.depth + 1,
            task,
        }
    }

    /// Works on the task until `cancel`. A named type ends the recursion of turns in turns.
    fn run(
        self,
        cancel: CancellationToken,
    ) -> Pin<Box<dyn Future<Output = Result<String, TurnError>> + Send>> {
        Box::pin(async move {
            let (bus, detail) = (&self.agent.0.bus, self.detail.clone());
            let mut guard = Turn::start(bus, Origin::Subturn, self.setup.label, self.label, detail);
            let done = tokio::select! {
                biased;
                done = self.work(&mut guard) => done,
                () = cancel.cancelled() => Err(cancelled("the sub-agent was stopped")),
            };
            match done {
                Ok((text, status)) => {
                    guard.finish(status, None);
                    Ok(text)
                }
                Err(error) => {
                    guard.finish(error.status, Some(Detail::new(&error.message)));
                    Err(error)
                }
            }
        })
    }

    async fn work(&self, guard: &mut Turn) -> Result<(String, TurnStatus), TurnError> {
        let prompt = self.setup.prompt.message().await;
        let order = format!(
            "You are a sub-agent: do the task below on your own, ask nobody, and answer with the result.\n\n{}",
            self.task
        );
        let mut transcript =
            Transcript::new(Some(prompt), History::default(), vec![Message::new(Role::User, order)]);
        let limits = &self.setup.limits;
        let sampling = Sampling {
            temperature: Some(limits.temperature),
            max_tokens: Some(limits.max_tokens),
            ..Sampling::default()
        };
        let work = Work {
            bus: &self.agent.0.bus,
            setup: &self.setup,
            session: &self.detail,
            caller: Caller { channel: &self.channel, chat: &self.chat },
            candidates: &self.candidates,
            sees: true,
            sampling: &sampling,
            progress: None,
            told: None,
            gate: None,
            deadline: tokio::time::Instant::now().checked_add(limits.crew.timeout),
            rounds: limits.tool_iterations.min(MAX_ROUNDS),
            token_budget: limits.crew.token_budget,
            post: Post {
                agent: &self.agent,
                id: &self.id,
                depth: self.depth,
                session: self.session.as_ref(),
                label: self.label,
            },
        };
        let mut joined = Vec::new();
        let run = turn::run(&work, guard, &mut transcript, &mut joined);
        let done = tokio::time::timeout(limits.crew.timeout, run).await;
        let (reply, status) = done.unwrap_or_else(|_| Err(sub_agent_timeout(limits.crew.timeout)))?;
        Ok((reply.content, status))
    }
}
