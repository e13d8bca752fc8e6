//! Sub-agents: turns that work on a task for another turn, with the same model and tools and a history of their own.
//!
//! | Tool | What it does |
//! |---|---|
//! | `subagent(task, label)` | has the task done and waits for the result |
//! | `spawn(task, label)` | has it done beside the conversation; the result is told to the model before its next request |
//! | `spawn_status(task_id)` | tells how that goes |
//!
//! They may have sub-agents of their own, down to a bounded depth; a conversation has so many at work at a time; each has
//! so much time; nothing of what they say among themselves is kept. They act on behalf of the person who is at the other
//! end of the conversation, and `/stop` stops them too.

mod roster;
mod tools;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use picoclaw_telemetry::guard::Turn;
use picoclaw_telemetry::words::{Origin, TurnStatus};
use picoclaw_telemetry::{Detail, Label};
use tokio_util::sync::CancellationToken;

pub(super) use roster::Roster;
pub use tools::CrewTools;
pub(super) use tools::{call, news};

use super::assistant::{Agent, Setup};
use super::failures::{cancelled, sub_agent_timeout};
use super::inbound::TurnError;
use super::models::Candidate;
use super::transcript::Transcript;
use super::turn::{self, Work};
use crate::chat::{Message, Role, Sampling};
use crate::sessions::History;
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
}

/// Where a turn stands among those that it works for.
#[derive(Clone, Copy)]
pub(super) struct Post<'a> {
    pub(super) agent: &'a Agent,
    /// 0 for a conversation's own turn.
    pub(super) depth: u32,
    /// The conversation's key; `None` when it is not remembered.
    pub(super) session: Option<&'a str>,
    pub(super) label: Label,
}

/// A sub-agent with its task.
struct SubTurn {
    agent: Agent,
    setup: Arc<Setup>,
    candidates: Vec<Arc<Candidate>>,
    label: Label,
    detail: Detail,
    channel: String,
    chat: String,
    session: Option<String>,
    depth: u32,
    task: String,
}

impl SubTurn {
    fn new(work: &Work<'_>, task: String) -> Self {
        Self {
            agent: work.post.agent.clone(),
            setup: Arc::clone(work.setup),
            candidates: work.candidates.to_vec(),
            label: work.post.label,
            detail: work.session.clone(),
            channel: work.caller.channel.to_owned(),
            chat: work.caller.chat.to_owned(),
            session: work.post.session.map(str::to_owned),
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
            let mut guard = Turn::start(&self.agent.0.bus, Origin::Subturn, self.label, self.detail.clone());
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
            post: Post {
                agent: &self.agent,
                depth: self.depth,
                session: self.session.as_deref(),
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
