//! Accepts messages and runs their turns, each as a task of its own.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use picoclaw_telemetry::event::Declaration;
use picoclaw_telemetry::words::{Command, Origin, Rejection};
use picoclaw_telemetry::{Bus, Detail, Dimension, Event, Label};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::budget::{ContextLimits, Correction};
use super::commands::{self, Desk, Errand, Meant};
use super::crew::{CrewLimits, CrewTools, Roster};
use super::gate::{Gates, QUEUE_LIMIT};
use super::hooks::Hooks;
use super::inbound::{
    Assistant, Conversation, Inbound, ModelInfo, Pieces, Refusal, ToolFeedback, TurnHandle,
};
use super::models::{Candidate, ModelTable};
use super::pictures::Pictures;
use super::prompt::Prompt;
use super::routing::Routing;
use super::standing::Resting;
use super::summary::Summaries;
use super::task::Task;
use super::tool_calls::{Redact, Tools};
use crate::quote::quote;
use crate::sessions::{Activity, SessionId, SessionStore};
use crate::tools::Toolbox;

/// Pieces of an answer that wait for a slow reader, per turn.
const PROGRESS_ROOM: usize = 64;

/// How long cancelled turns may take to end.
const CANCEL_PATIENCE: Duration = Duration::from_secs(3);
/// Most events about sessions that follow each other without a pause.
const MAX_PORTION: usize = 256;

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
    /// Whether all messages that wait join a turn at once, rather than one after each answer of the model.
    pub steer_all: bool,
}

/// What a reload can change.
pub struct Setup {
    pub(super) models: ModelTable,
    pub(super) tools: Tools,
    pub(super) crew: CrewTools,
    pub(super) limits: Limits,
    pub(super) prompt: Prompt,
    corrections: HashMap<String, Correction>,
    /// How models see the images of a conversation.
    pub(super) pictures: Option<Pictures>,
    /// Who may watch and change turns.
    pub(super) hooks: Option<Arc<dyn Hooks>>,
}

impl Setup {
    /// Puts models, tools and limits together. What tools return goes through `redact`; `prompt` opens every session's
    /// conversation.
    pub fn new(
        bus: &Bus,
        models: ModelTable,
        toolbox: &Toolbox,
        crew: CrewTools,
        limits: Limits,
        redact: Redact,
        prompt: Prompt,
    ) -> Self {
        let corrections = models.all().map(|candidate| (candidate.model_name.clone(), Correction::default()));
        Self {
            corrections: corrections.collect(),
            tools: Tools::new(toolbox, crew.specs(), limits.tool_timeout, redact, bus),
            models,
            limits,
            prompt,
            crew,
            pictures: None,
            hooks: None,
        }
    }

    /// The same with somebody who may watch and change turns.
    #[must_use]
    pub fn with_hooks(self, hooks: Option<Arc<dyn Hooks>>) -> Self {
        Self { hooks, ..self }
    }

    /// The same with images that models see.
    #[must_use]
    pub fn with_pictures(self, pictures: Pictures) -> Self {
        Self { pictures: Some(pictures), ..self }
    }

    /// How a model's count of tokens differs from the general rule.
    pub(super) fn correction(&self, candidate: &Candidate) -> &Correction {
        self.corrections.get(&candidate.model_name).expect("it has one for every model of its table")
    }

    fn declarations(&self) -> Vec<Declaration> {
        let providers = self.models.all().flat_map(|candidate| {
            let (provider, model) = (candidate.provider_label, candidate.model_label);
            let priced = candidate.price.map(|_| Declaration::Priced(provider, model));
            [Declaration::Provider(provider), Declaration::Model(provider, model)].into_iter().chain(priced)
        });
        let tools = self.tools.labels().chain(self.crew.labels());
        providers.chain(tools.map(Declaration::Tool)).collect()
    }
}

/// The agent. Cloning it is cheap.
#[derive(Clone)]
pub struct Agent(pub(super) Arc<Inner>);

impl std::fmt::Debug for Agent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Agent").finish_non_exhaustive()
    }
}

pub(super) struct Inner {
    pub(super) bus: Bus,
    pub(super) setup: ArcSwap<Setup>,
    pub(super) store: SessionStore,
    pub(super) gates: Arc<Gates>,
    pub(super) workers: Arc<Semaphore>,
    pub(super) channels: Vec<(&'static str, Label)>,
    activity: Mutex<Activity>,
    pub(super) turns: TaskTracker,
    pub(super) cancel_all: CancellationToken,
    /// Ends what nobody waits for: its results would be lost when the gateway stops.
    pub(super) cancel_unawaited: CancellationToken,
    draining: AtomicBool,
    stateless: AtomicU64,
    pub(super) summaries: Summaries,
    pub(super) desk: Desk,
    pub(super) roster: Roster,
}

impl Agent {
    /// An agent for these channels that runs at most `parallel_turns` turns at once.
    pub fn new(
        bus: Bus,
        setup: Setup,
        store: SessionStore,
        channels: &[&'static str],
        parallel_turns: usize,
        session_window: Duration,
    ) -> Self {
        let channels: Vec<_> =
            channels.iter().map(|name| (*name, bus.vocabulary().declare(Dimension::Channel, name))).collect();
        let known = setup.declarations().into_iter();
        let declared = known.chain(channels.iter().map(|(_, label)| Declaration::Channel(*label)));
        bus.emit(Event::Declared(declared.collect()));
        let cancel_all = CancellationToken::new();
        Self(Arc::new(Inner {
            bus,
            setup: ArcSwap::from_pointee(setup),
            store,
            gates: Arc::default(),
            workers: Arc::new(Semaphore::new(parallel_turns.clamp(1, Semaphore::MAX_PERMITS))),
            channels,
            activity: Mutex::new(Activity::new(session_window)),
            turns: TaskTracker::new(),
            cancel_unawaited: cancel_all.child_token(),
            cancel_all,
            draining: AtomicBool::new(false),
            stateless: AtomicU64::new(0),
            summaries: Summaries::default(),
            desk: Desk::default(),
            roster: Roster::default(),
        }))
    }

    /// Works with other models, tools and limits from the next turn on.
    pub fn reconfigure(&self, mut setup: Setup) {
        self.0.bus.emit(Event::Declared(setup.declarations().into()));
        setup.models.inherit(&self.0.bus, &self.0.setup.load().models);
        self.0.setup.store(Arc::new(setup));
    }

    /// Lets providers be asked again whose time to cool down is over.
    pub fn end_cooldowns(&self) {
        self.0.setup.load().models.tick(&self.0.bus);
    }

    /// The providers' entries that are not asked for now, because they failed.
    pub fn resting(&self) -> Vec<Resting> {
        self.0.setup.load().models.resting()
    }

    /// The label of a channel.
    pub fn channel_label(&self, channel: &str) -> Label {
        let known = self.0.channels.iter().find(|(name, _)| *name == channel);
        known
            .map_or_else(|| self.0.bus.vocabulary().resolve(Dimension::Channel, channel), |(_, label)| *label)
    }

    /// Notes that a session was used, for example before a restart.
    pub fn touch(&self, key: &str, at: Instant) {
        let mut activity = self.0.activity.lock().unwrap_or_else(PoisonError::into_inner);
        // Under the lock, so that the gauge never sees an expiry before its activation.
        if activity.touch(key, at) {
            self.0.bus.emit(Event::SessionActivated { session: Detail::new(key) });
        }
    }

    /// Notes that sessions were used before a restart, so many at a time that the sinks keep up.
    pub async fn remember_sessions(&self, sessions: impl IntoIterator<Item = (String, Instant)>) {
        for (n, (key, at)) in sessions.into_iter().enumerate() {
            if n > 0 && n % self.portion() == 0 {
                tokio::task::yield_now().await;
            }
            self.touch(&key, at);
        }
    }

    /// Forgets sessions that were not used for a while, so many at a time that the sinks keep up.
    pub async fn expire_sessions(&self, now: Instant) {
        let most = self.portion();
        while self.expire_some(now, most) == most {
            tokio::task::yield_now().await;
        }
    }

    fn expire_some(&self, now: Instant, most: usize) -> usize {
        let mut activity = self.0.activity.lock().unwrap_or_else(PoisonError::into_inner);
        let expired = activity.expire(now, most);
        for session in &expired {
            self.0.bus.emit(Event::SessionExpired { session: Detail::from(session.to_string()) });
        }
        expired.len()
    }

    /// How many events may follow each other before the sinks have a turn: they are woken when the ring is half full.
    fn portion(&self) -> usize {
        usize::try_from(self.0.bus.capacity() / 16).map_or(MAX_PORTION, |n| n.clamp(1, MAX_PORTION))
    }

    /// Accepts no more messages, waits up to `patience` for turns in flight, then cancels the rest and waits a moment
    /// for them to notice. Returns how many were cancelled.
    pub async fn drain(&self, patience: Duration) -> usize {
        self.0.draining.store(true, Ordering::Release);
        self.0.turns.close();
        self.0.cancel_unawaited.cancel();
        if tokio::time::timeout(patience, self.0.turns.wait()).await.is_ok() {
            return 0;
        }
        let cancelled = self.0.turns.len();
        self.0.cancel_all.cancel();
        if tokio::time::timeout(CANCEL_PATIENCE, self.0.turns.wait()).await.is_err() {
            tracing::error!(
                turns = self.0.turns.len(),
                "Cancelled turns do not end; the gateway stops without them."
            );
        }
        cancelled
    }
}

impl Agent {
    /// Accepts a message and starts its turn. What no person sent is not counted as a message, and is no command.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn begin(&self, mut inbound: Inbound, origin: Origin) -> Result<TurnHandle, Refusal> {
        let inner = &self.0;
        let setup = inner.setup.load_full();
        let refuse = |reason, message: String| {
            self.refused(inbound.channel, reason);
            Err(Refusal { reason, message })
        };
        if inner.draining.load(Ordering::Acquire) {
            return refuse(Rejection::Draining, "the gateway is stopping; try again in a moment".into());
        }
        let session = match &inbound.conversation {
            Conversation::Session(name) => {
                Some((SessionId::derive(inbound.channel, name), Detail::new(name)))
            }
            Conversation::Chat(chat) => {
                Some((SessionId::of_chat(inbound.channel, chat.kind, &chat.id), Detail::new(&chat.id)))
            }
            Conversation::Key(key) => Some((SessionId::exact(key), Detail::new(key))),
            Conversation::Single(_) | Conversation::Stateless => None,
        };
        let meant = match &session {
            Some(_) if origin == Origin::User => commands::meant(&mut inbound.messages),
            _ => Meant::Turn,
        };
        let chosen = session
            .as_ref()
            .filter(|_| inbound.model.is_none())
            .and_then(|(id, _)| inner.desk.chosen(id.key()).filter(|model| setup.models.is_known(model)));
        let Some(candidates) = setup.models.candidates(inbound.model.as_deref().or(chosen.as_deref())) else {
            let name = inbound.model.as_deref().unwrap_or("default");
            return refuse(
                Rejection::UnknownModel,
                format!(
                    "the model {} is not configured: use a name of model_list, or leave it out",
                    quote(name)
                ),
            );
        };
        let place = match &session {
            Some((id, _)) if waits(&meant) => match inner.gates.queue(id.key()) {
                Some(place) => Some(place),
                None => {
                    let text =
                        format!("{QUEUE_LIMIT} messages already wait in this session; try again later");
                    return refuse(Rejection::Busy, text);
                }
            },
            _ => None,
        };
        let label = self.channel_label(inbound.channel);
        let detail = match (&session, &inbound.conversation) {
            (Some((_, detail)), _) => detail.clone(),
            (None, Conversation::Single(name)) => Detail::new(name),
            (None, _) => {
                Detail::from(format!("stateless-{}", inner.stateless.fetch_add(1, Ordering::Relaxed) + 1))
            }
        };
        if origin == Origin::User {
            inner.bus.emit(Event::MessageReceived { channel: label, session: detail.clone() });
        }
        if let Some((id, _)) = &session {
            self.touch(id.key(), Instant::now());
        }

        let aside = match (meant, session.as_ref()) {
            (Meant::Command(command, arguments), Some((id, _))) => {
                let (agent, session) = (self.clone(), id.clone());
                let errand =
                    Errand { agent, setup, command, arguments, label, detail, session, place, inbound };
                return Ok(errand.begin());
            }
            (meant, _) => matches!(meant, Meant::Aside),
        };
        let routed = session.is_some() && inbound.model.is_none() && chosen.is_none();
        let (progress, pieces) =
            match (inbound.stream || inbound.tool_calls).then(|| mpsc::channel(PROGRESS_ROOM)) {
                Some((progress, pieces)) => (Some(progress), pieces.into()),
                None => (None, Pieces::default()),
            };
        let (answer, reply) = oneshot::channel();
        let cancel = inner.cancel_all.child_token();
        let task = Task {
            agent: self.clone(),
            origin,
            setup,
            candidates,
            label,
            detail,
            session: session.map(|(id, _)| id),
            progress,
            answer,
            cancel: cancel.clone(),
            aside,
            routed,
            sees: true,
            inbound,
        };
        inner.turns.spawn(task.run(place));
        Ok(TurnHandle { progress: pieces, reply, cancel: cancel.drop_guard() })
    }
}

#[async_trait]
impl Assistant for Agent {
    async fn submit(&self, inbound: Inbound) -> Result<TurnHandle, Refusal> {
        self.begin(inbound, Origin::User).await
    }

    fn refused(&self, channel: &'static str, reason: Rejection) {
        self.0.bus.emit(Event::MessageRejected { channel: self.channel_label(channel), reason });
    }

    fn tool_feedback(&self) -> Option<ToolFeedback> {
        self.0.setup.load().limits.tool_feedback
    }

    fn models(&self) -> Vec<ModelInfo> {
        self.0.setup.load().models.list()
    }
}

/// Whether what is meant has to wait for the turn of its session that runs.
fn waits(meant: &Meant) -> bool {
    matches!(meant, Meant::Turn | Meant::Command(Command::Clear, _))
}
