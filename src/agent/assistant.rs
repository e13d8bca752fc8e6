//! The agents at work, from the start of the gateway to its end.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use picoclaw_telemetry::event::Declaration;
use picoclaw_telemetry::{Bus, Dimension, Event, Label};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::commands::Desk;
use super::crew::Roster;
use super::gate::Gates;
use super::offer::Discoveries;
use super::standing::Resting;
use super::summary::Summaries;
use super::team::{Agents, Team};
use crate::chat::courier::Courier;
use crate::sessions::Activity;

/// How long cancelled turns may take to end.
const CANCEL_PATIENCE: Duration = Duration::from_secs(3);

/// The agents that answer messages. Cloning it is cheap.
#[derive(Clone)]
pub struct Agent(pub(super) Arc<Inner>);

impl std::fmt::Debug for Agent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Agent").finish_non_exhaustive()
    }
}

pub(super) struct Inner {
    pub(super) bus: Bus,
    pub(super) agents: ArcSwap<Agents>,
    pub(super) gates: Arc<Gates>,
    pub(super) workers: Arc<Semaphore>,
    pub(super) channels: Vec<(&'static str, Label)>,
    pub(super) activity: Mutex<Activity>,
    pub(super) turns: TaskTracker,
    pub(super) cancel_all: CancellationToken,
    /// Ends what nobody waits for: its results would be lost when the gateway stops.
    pub(super) cancel_unawaited: CancellationToken,
    pub(super) draining: AtomicBool,
    pub(super) stateless: AtomicU64,
    pub(super) summaries: Summaries,
    pub(super) desk: Desk,
    pub(super) roster: Roster,
    pub(super) discoveries: Discoveries,
    /// Who takes to chats what no message has asked for.
    pub(super) courier: OnceLock<Arc<dyn Courier>>,
}

impl Agent {
    /// Agents for these channels that run at most `parallel_turns` turns at once.
    pub fn new(
        bus: Bus,
        team: Team,
        channels: &[&'static str],
        parallel_turns: usize,
        session_window: Duration,
    ) -> Self {
        let channels: Vec<_> =
            channels.iter().map(|name| (*name, bus.vocabulary().declare(Dimension::Channel, name))).collect();
        let agents = team.begin(&bus, None);
        let known = agents.declarations().into_iter();
        let declared = known.chain(channels.iter().map(|(_, label)| Declaration::Channel(*label)));
        bus.emit(Event::Declared(declared.collect()));
        let cancel_all = CancellationToken::new();
        Self(Arc::new(Inner {
            bus,
            agents: ArcSwap::from_pointee(agents),
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
            discoveries: Discoveries::default(),
            courier: OnceLock::new(),
        }))
    }

    /// Works with other agents, models, tools and limits from the next turn on.
    pub fn reconfigure(&self, team: Team) {
        let agents = team.begin(&self.0.bus, Some(&self.0.agents.load()));
        self.0.bus.emit(Event::Declared(agents.declarations().into()));
        self.0.agents.store(Arc::new(agents));
    }

    /// Whether no turn runs or waits.
    pub fn is_idle(&self) -> bool {
        self.0.turns.is_empty()
    }

    /// Lets providers be asked again whose time to cool down is over.
    pub fn end_cooldowns(&self) {
        self.0.agents.load().models.tick(&self.0.bus);
    }

    /// The providers' entries that are not asked for now, because they failed.
    pub fn resting(&self) -> Vec<Resting> {
        self.0.agents.load().models.resting()
    }

    /// The label of a channel.
    pub fn channel_label(&self, channel: &str) -> Label {
        let known = self.0.channels.iter().find(|(name, _)| *name == channel);
        known
            .map_or_else(|| self.0.bus.vocabulary().resolve(Dimension::Channel, channel), |(_, label)| *label)
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
