//! One hook: its process, kept alive, and calls to it.

use std::sync::Arc;
use std::time::Duration;

use picoclaw_telemetry::words::{HookOutcome, HookStage};
use picoclaw_telemetry::{Bus, Detail, Event, Label};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::process::{CallError, Peer, Program, Running};

/// How long a hook may take to say hello.
const HELLO: Duration = Duration::from_secs(5);
/// The pause after a first failure; it doubles with each one that follows.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest of them.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How long a hook must live for its earlier failures to be forgotten.
const STABLE: Duration = Duration::from_secs(60);

/// How a hook is.
#[derive(Clone)]
enum Condition {
    Starting,
    Up(Peer),
    Down,
}

/// A hook. Dropping it ends its process.
pub(super) struct Hook {
    pub(super) name: Arc<str>,
    pub(super) label: Label,
    bus: Bus,
    condition: watch::Receiver<Condition>,
    _stop: DropGuard,
}

impl Hook {
    /// Starts a hook and keeps it running. Must be called within a runtime.
    pub(super) fn start(
        name: &str,
        label: Label,
        program: Program,
        modes: Vec<&'static str>,
        bus: &Bus,
    ) -> Self {
        let (told, condition) = watch::channel(Condition::Starting);
        let stop = CancellationToken::new();
        let keeper = Keeper { name: name.into(), label, program, modes, bus: bus.clone(), told };
        tokio::spawn(keeper.keep(stop.clone()));
        Self { name: name.into(), label, bus: bus.clone(), condition, _stop: stop.drop_guard() }
    }

    /// Asks, and says on the bus how that went.
    pub(super) async fn call(
        &self,
        stage: HookStage,
        params: &Value,
        limit: Duration,
    ) -> Result<Value, CallError> {
        let began = Instant::now();
        let result = match self.peer(limit).await {
            Some(peer) => {
                let method = format!("hook.{}", stage.as_str());
                peer.call(&method, params, limit.saturating_sub(began.elapsed())).await
            }
            None => Err(CallError::Down),
        };
        let (outcome, error) = match &result {
            Ok(_) => (HookOutcome::Ok, None),
            Err(error) => (outcome_of(error), Some(Detail::from(error.to_string()))),
        };
        let duration = began.elapsed();
        self.bus.emit(Event::HookCall { hook: self.label, stage, outcome, duration, error });
        result
    }

    /// Tells it of an event. Says whether it could be told.
    pub(super) async fn tell(&self, event: &Value, limit: Duration) -> bool {
        match self.peer(limit).await {
            Some(peer) => peer.tell("hook.runtime_event", event, limit).await,
            None => false,
        }
    }

    /// The way to it. Who only starts is waited for, who has failed is not.
    async fn peer(&self, limit: Duration) -> Option<Peer> {
        let mut condition = self.condition.clone();
        let settled = condition.wait_for(|condition| !matches!(condition, Condition::Starting));
        match tokio::time::timeout(limit, settled).await {
            Ok(Ok(settled)) => match &*settled {
                Condition::Up(peer) => Some(peer.clone()),
                Condition::Starting | Condition::Down => None,
            },
            _ => None,
        }
    }
}

fn outcome_of(error: &CallError) -> HookOutcome {
    match error {
        CallError::Refused(_) => HookOutcome::Error,
        CallError::Late(_) => HookOutcome::Timeout,
        CallError::Down => HookOutcome::Unavailable,
    }
}

struct Keeper {
    name: Arc<str>,
    label: Label,
    program: Program,
    modes: Vec<&'static str>,
    bus: Bus,
    told: watch::Sender<Condition>,
}

impl Keeper {
    /// Starts the process again and again until told to stop.
    async fn keep(self, stop: CancellationToken) {
        let mut pause = FIRST_PAUSE;
        loop {
            let began = Instant::now();
            let Some(error) = self.live(&stop).await else { return };
            self.told.send_replace(Condition::Down);
            self.bus.emit(Event::HookFailed { hook: self.label, error: Detail::from(error) });
            if began.elapsed() >= STABLE {
                pause = FIRST_PAUSE;
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => return,
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// One life. `None` when it was told to stop; then the process has ended too.
    async fn live(&self, stop: &CancellationToken) -> Option<String> {
        let mut running = match Running::start(&self.name, &self.program) {
            Ok(running) => running,
            Err(error) => return Some(format!("{}: {error}", self.program.command.join(" "))),
        };
        let hello = json!({ "name": &*self.name, "version": 1, "modes": self.modes });
        let greeted = tokio::select! {
            greeted = running.peer.call("hook.hello", &hello, HELLO) => greeted,
            () = stop.cancelled() => return None,
        };
        if let Err(error) = greeted {
            return Some(format!("hook.hello: {error}"));
        }
        self.bus.emit(Event::HookStarted { hook: self.label });
        self.told.send_replace(Condition::Up(running.peer.clone()));
        tokio::select! {
            end = running.ended() => Some(end),
            () = stop.cancelled() => {
                self.told.send_replace(Condition::Down);
                running.stop().await;
                None
            }
        }
    }
}
