//! An accepted message on its way to its reply: waits, runs the turn, makes it durable, and hands the reply over.

mod entry;
mod keep;

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use picoclaw_telemetry::guard::Turn;
use picoclaw_telemetry::words::{Origin, Route, TurnStatus};
use picoclaw_telemetry::{Detail, Event, Label};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use self::entry::Start;
use super::assistant::Agent;
use super::crew::{self, Post};
use super::failures::{CALLER_GONE, STOPPED, STOPPING, cancelled, store_error, turn_timeout};
use super::gate::{Entered, Place};
use super::inbound::{Conversation, Inbound, Progress, Reply, TurnError};
use super::models::Candidate;
use super::setup::Setup;
use super::summary;
use super::transcript::Transcript;
use super::turn::{self, Work};
use crate::chat::Message;
use crate::sessions::{History, SessionId};
use crate::tools::Caller;

/// An accepted message on its way to its reply.
pub(super) struct Task {
    pub(super) agent: Agent,
    pub(super) origin: Origin,
    pub(super) setup: Arc<Setup>,
    pub(super) candidates: Vec<Arc<Candidate>>,
    pub(super) label: Label,
    pub(super) detail: Detail,
    pub(super) session: Option<SessionId>,
    pub(super) progress: Option<mpsc::Sender<Progress>>,
    pub(super) answer: Answer,
    pub(super) cancel: CancellationToken,
    /// The conversation hears and does not remember.
    pub(super) aside: bool,
    /// Nobody has said which model should answer.
    pub(super) routed: bool,
    /// Whether the model is to see images.
    pub(super) sees: bool,
    pub(super) inbound: Inbound,
}

/// Where the end of a turn is told.
pub(super) type Answer = oneshot::Sender<Result<Reply, TurnError>>;

impl Task {
    pub(super) async fn run(mut self, place: Option<Place>) {
        let inner = Arc::clone(&self.agent.0);
        let cancel = self.cancel.clone();
        let start = tokio::select! {
            biased;
            () = cancel.cancelled() => None,
            start = self.enter(place) => Some(start),
        };
        let entered = match start {
            Some(Start::Joined(result)) => return self.reply(result),
            Some(Start::Turn(entered, worker)) => Some((entered, worker)),
            None => None,
        };
        if self.origin == Origin::Report && !self.has_news() {
            return;
        }
        let gate = entered.as_ref().and_then(|(entered, _)| entered.as_ref());
        let is_stopped = || gate.is_some_and(Entered::is_stopped);
        let mut guard =
            Turn::start(&inner.bus, self.origin, self.setup.label, self.label, self.detail.clone());
        let mut joined = Vec::new();
        let result = match &entered {
            Some(_) if !is_stopped() => self.take_turn(&mut guard, gate, &mut joined).await,
            _ => None,
        };
        let result = result.unwrap_or_else(|| {
            Err(cancelled(match () {
                () if inner.cancel_all.is_cancelled() => STOPPING,
                () if is_stopped() => STOPPED,
                () => CALLER_GONE,
            }))
        });
        let (status, error) = match &result {
            Ok((_, status)) => (*status, None),
            Err(error) => (error.status, Some(Detail::new(&error.message))),
        };
        guard.finish(status, error);
        let result = result.map(|(reply, _)| reply);
        for answer in joined {
            // Whoever went away has said so itself.
            let _ = answer.send(result.clone().map(|reply| Reply { joined: true, ..reply }));
        }
        self.reply(result);
    }

    /// Counts the reply and hands it over.
    fn reply(self, result: Result<Reply, TurnError>) {
        // Counted before it is handed over: whoever has the reply finds it in the numbers.
        let bus = &self.agent.0.bus;
        if self.origin != Origin::User {
            // Nobody waits for a response whose time could be measured.
            let _ = self.answer.send(result);
            return;
        }
        let (channel, session) = (self.label, self.detail);
        if self.answer.is_closed() {
            bus.emit(Event::ReplyFailed { channel, session, error: Detail::new(CALLER_GONE) });
            return;
        }
        bus.emit(match &result {
            Err(TurnError { status: TurnStatus::Cancelled, message, .. }) => {
                Event::ReplyFailed { channel, session, error: Detail::new(message) }
            }
            _ => Event::ReplySent { channel, session, duration: self.inbound.received.elapsed() },
        });
        // The caller may go away in this very moment; the reply was handed over all the same.
        let _ = self.answer.send(result);
    }

    /// `None` when the turn was cancelled.
    async fn take_turn(
        &mut self,
        guard: &mut Turn,
        gate: Option<&Entered>,
        joined: &mut Vec<Answer>,
    ) -> Option<Result<(Reply, TurnStatus), TurnError>> {
        let inbound = std::mem::take(&mut self.inbound.messages);
        let transcript = tokio::select! {
            biased;
            opened = self.open_transcript(inbound) => opened,
            () = self.cancel.cancelled() => return None,
        };
        match transcript {
            Ok(transcript) => {
                self.route(&transcript);
                self.converse(guard, transcript, gate, joined).await
            }
            Err(error) => Some(Err(error)),
        }
    }

    /// Has a model for images answer a message with some, and a lighter model what is easy.
    fn route(&mut self, transcript: &Transcript) {
        if let Some(pictures) = self.setup.pictures.as_ref().filter(|_| self.routed)
            && let Some(candidates) = pictures.candidates(&self.setup.models)
        {
            self.sees = transcript.shows_images();
            if self.sees {
                self.candidates = candidates;
                let session = self.detail.clone();
                self.agent.0.bus.emit(Event::TurnRouted { route: Route::Image, session });
                return;
            }
        }
        // How hard a message is, is judged by its conversation, which a caller who keeps it may have cut.
        let judged = self.routed && self.session.is_some();
        let Some(routing) = self.setup.limits.routing.as_ref().filter(|_| judged) else { return };
        let light = || self.setup.models.candidates(Some(&routing.light_model));
        let light = if routing.is_easy(transcript) { light() } else { None };
        let route = if light.is_some() { Route::Light } else { Route::Main };
        self.agent.0.bus.emit(Event::TurnRouted { route, session: self.detail.clone() });
        if let Some(mut light) = light {
            // What the light model cannot answer the others may.
            let others = std::mem::take(&mut self.candidates).into_iter();
            let new: Vec<_> =
                others.filter(|one| light.iter().all(|other| !Arc::ptr_eq(one, other))).collect();
            light.extend(new);
            self.candidates = light;
        }
    }

    async fn open_transcript(&self, inbound: Vec<Message>) -> Result<Transcript, TurnError> {
        let Some(id) = &self.session else {
            let single = matches!(self.inbound.conversation, Conversation::Single(_));
            let prompt = if single { Some(self.setup.prompt.message().await) } else { None };
            return Ok(Transcript::new(prompt, History::default(), inbound));
        };
        let history = self.setup.store.history(id).await.map_err(|error| {
            let (session, text) = (self.detail.clone(), Detail::from(error.to_string()));
            self.agent.0.bus.emit(Event::SessionReadFailed { session, error: text });
            store_error(&error)
        })?;
        let prompt = match self.inbound.conversation {
            Conversation::Chat(_) => self.setup.prompt.message_in_chats().await,
            _ => self.setup.prompt.message().await,
        };
        // Before what the person says, which is what the model should answer.
        let news = self.remembers().into_iter().flat_map(|id| crew::news(&self.agent, id.key()));
        Ok(Transcript::new(Some(prompt), history, news.chain(inbound)))
    }

    /// On whose behalf tools are called.
    fn caller(&self) -> Caller<'_> {
        let chat = match &self.inbound.conversation {
            Conversation::Session(name) | Conversation::Key(name) | Conversation::Single(name) => name,
            Conversation::Chat(chat) => &chat.id,
            Conversation::Stateless => "",
        };
        Caller { channel: self.inbound.channel, chat }
    }

    /// Runs the turn and makes its messages durable. `None` when it was cancelled.
    async fn converse(
        &self,
        guard: &mut Turn,
        mut transcript: Transcript,
        gate: Option<&Entered>,
        joined: &mut Vec<Answer>,
    ) -> Option<Result<(Reply, TurnStatus), TurnError>> {
        let limits = &self.setup.limits;
        let mut sampling = self.inbound.sampling.clone();
        sampling.max_tokens.get_or_insert(limits.max_tokens);
        sampling.temperature.get_or_insert(limits.temperature);
        let limit = limits.turn_timeout.unwrap_or(Duration::MAX);
        let began = Instant::now();
        let work = Work {
            deadline: tokio::time::Instant::now().checked_add(limit),
            bus: &self.agent.0.bus,
            setup: &self.setup,
            session: &self.detail,
            caller: self.caller(),
            candidates: &self.candidates,
            sees: self.sees,
            sampling: &sampling,
            progress: self.progress.as_ref().filter(|_| self.inbound.stream),
            told: self.progress.as_ref(),
            gate: gate.filter(|_| self.inbound.steer),
            rounds: limits.tool_iterations,
            token_budget: None,
            post: Post {
                agent: &self.agent,
                id: &self.setup.id,
                depth: 0,
                session: self.remembers(),
                label: self.label,
            },
        };
        let result = {
            let turn = pin!(turn::run(&work, guard, &mut transcript, joined));
            tokio::select! {
                biased;
                result = tokio::time::timeout(limit, turn) => Some(result),
                () = self.cancel.cancelled() => None,
            }
        };
        let result = result.map(|result| result.unwrap_or_else(|_| Err(turn_timeout(limit))));
        let forgotten = transcript.forgotten();
        let is_long = self.is_long(&transcript);
        let new = match &result {
            Some(Ok(_)) => transcript.into_new(),
            Some(Err(_)) | None => transcript.into_completed(),
        };
        let stored = self.store(new).await;
        if let Some(id) = self.remembers() {
            self.agent.0.roster.settle(id.key(), stored.is_ok() && matches!(result, Some(Ok(_))));
        }
        if let (Some(id), Some((cut, forgotten))) = (self.remembers(), forgotten) {
            summary::forget(&self.agent, &self.setup.store, id, &self.detail, cut.trigger, began, forgotten)
                .await;
        }
        if let (Some(id), true, true, Some(Ok(_))) = (self.remembers(), is_long, stored.is_ok(), &result) {
            self.agent.summarize_later(self.summary_of(id));
        }
        match (result?, stored) {
            (Ok(_), Err(error)) => Some(Err(error)),
            (result, _) => Some(result),
        }
    }

    /// Whether sub-agents have brought something that the conversation has not heard of.
    fn has_news(&self) -> bool {
        self.remembers().is_some_and(|id| self.agent.0.roster.has_news(id.key()))
    }

    /// The session that remembers the turn.
    fn remembers(&self) -> Option<&SessionId> {
        self.session.as_ref().filter(|_| !self.aside)
    }
}
