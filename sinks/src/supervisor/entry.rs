//! A sink that runs, as its supervisor sees it.

use std::sync::Arc;
use std::time::Duration;

use picoclaw_telemetry::{Bus, SinkStats, Subscription};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use super::gate::Gate;
use super::keeper::Keeper;
use super::plan::Planned;
use super::{BuildSink, SinkState};
use crate::config::SinkConfig;
use crate::context::Context;
use crate::filter::EventFilter;
use crate::gather::Drains;
use crate::runner::{Account, Address, Command, Fence, Gauges, Intake, Status};

/// How long a runner may take beyond its deadline to say that it has stopped.
const GRACE: Duration = Duration::from_millis(500);

/// A sink that runs.
pub(super) struct Entry {
    pub(super) config: SinkConfig,
    pub(super) address: Address,
    pub(super) endpoints: Vec<String>,
    pub(super) claims: Vec<String>,
    pub(super) version: Option<String>,
    status: Arc<Status>,
    stats: Arc<SinkStats>,
    gauges: Arc<Gauges>,
    fence: Fence,
    task: JoinHandle<()>,
}

impl Entry {
    /// Starts a sink that was built, where `subscription` begins. It sends once `gate` is open, and goes on in the place
    /// of `predecessor`, if any.
    pub(super) fn start(
        planned: Planned,
        context: &Context,
        build: &BuildSink,
        (subscription, drains): (Subscription, Drains),
        gate: Gate,
        predecessor: Option<&Predecessor>,
    ) -> Self {
        let name = planned.config.name();
        let stats = context.sinks.entry(name);
        stats.reached(subscription.start().ledger.seq());
        let gauges = predecessor.map_or_else(Arc::default, |old| Arc::clone(&old.gauges));
        let status = Arc::new(Status::new(name, Arc::clone(&context.masker)));
        let (address, commands) = Address::new();
        let keeper = Keeper {
            config: planned.config.clone(),
            index: planned.index,
            context: context.clone(),
            build: Arc::clone(build),
            commands,
            gate,
            account: Account::new(Arc::clone(&stats), Arc::clone(&gauges)),
            status: Arc::clone(&status),
        };
        let filter = EventFilter::new(&planned.config.filter);
        let fence = Fence::default();
        let intake = Intake::new(subscription, drains, filter, fence.clone());
        let task = tokio::spawn(keeper.keep(planned.built, intake));
        let address = match predecessor {
            Some(old) => {
                old.address.become_as(&address);
                old.address.clone()
            }
            None => address,
        };
        Self {
            config: planned.config,
            address,
            endpoints: planned.endpoints,
            claims: planned.claims,
            version: planned.version,
            status,
            stats,
            gauges,
            fence,
            task,
        }
    }

    pub(super) fn name(&self) -> &str {
        self.config.name()
    }

    /// What a successor of the same name takes over.
    pub(super) fn predecessor(&self) -> Predecessor {
        Predecessor { address: self.address.clone(), gauges: Arc::clone(&self.gauges) }
    }

    pub(super) fn state(&self) -> SinkState {
        SinkState {
            name: self.name().to_owned(),
            kind: self.config.kind.clone(),
            critical: self.config.critical,
            up: self.stats.up(),
            down_since: self.stats.down_since(),
            last_error: self.status.last_error(),
        }
    }

    /// A subscription for a successor: it begins where this sink ends.
    pub(super) fn hand_over(&self, bus: &Bus) -> Subscription {
        bus.subscribe_after(|checkpoint| self.fence.set(checkpoint))
    }

    /// Asks the sink to stop, with what it is to see up to now, or up to where a successor begins.
    pub(super) fn stop(self, deadline: Instant) -> Stopping {
        let commands = self.address.sender();
        self.stop_via(commands, deadline)
    }

    /// The same, when a successor already has the sink's address.
    pub(super) fn stop_via(self, commands: mpsc::Sender<Command>, deadline: Instant) -> Stopping {
        let (reply, answer) = oneshot::channel();
        let drain = Command::Drain { deadline, reply };
        tokio::spawn(async move { commands.send(drain).await });
        Stopping { name: self.name().to_owned(), answer, deadline, task: self.task }
    }
}

/// What a sink leaves to the one of the same name that comes after it.
pub(super) struct Predecessor {
    address: Address,
    gauges: Arc<Gauges>,
}

/// A sink that stops.
pub(super) struct Stopping {
    name: String,
    answer: oneshot::Receiver<u64>,
    deadline: Instant,
    task: JoinHandle<()>,
}

impl Stopping {
    /// Waits for the end. The sink's name, when it has lost something or did not finish.
    pub(super) async fn finished(self) -> Result<(), String> {
        match timeout_at(self.deadline + GRACE, self.answer).await {
            Ok(Ok(0)) => Ok(()),
            Ok(Ok(_)) => Err(self.name),
            // No word, because of a panic or because it hangs.
            Ok(Err(_)) | Err(_) => {
                self.task.abort();
                Err(self.name)
            }
        }
    }
}
