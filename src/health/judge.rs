//! The judgement.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use picoclaw_telemetry::health::{Check, HealthReport, HealthSource};
use picoclaw_telemetry::words::HealthStatus;
use picoclaw_telemetry::{Bus, Ledger, Metric, PluginRegistry, SinkRegistry};
use tokio::sync::Notify;

use super::channels::{self, Channels};
use super::checks::{self, check, check_part, hook, mcp_server, provider};
use super::recent::{Recent, Totals};
use crate::agent::Agent;
use crate::http::readiness::{Readiness, ReadinessReport};
use crate::sessions::Stores;

/// How long the disk may owe the sessions an answer.
const SLOW_DISK: Duration = Duration::from_secs(5);
/// Lateness of a timer that a person would notice.
const SLOW_LOOP: Duration = Duration::from_secs(1);

/// Where the gateway is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// Not all parts run yet.
    Starting,
    /// Messages are accepted.
    Serving,
    /// The gateway is stopping.
    Draining,
}

/// What is configured and therefore watched.
#[derive(Clone, Debug, Default)]
pub struct Watched {
    /// Labels of the providers.
    pub providers: Vec<&'static str>,
    /// Names of the MCP servers.
    pub mcp_servers: Vec<String>,
    /// Names of the hooks.
    pub hooks: Vec<String>,
    /// Labels of the channels.
    pub channels: Vec<&'static str>,
    /// Names of the sinks that run, and whether the gateway is unwell without them.
    pub sinks: Vec<(String, bool)>,
    /// How long something of ours must be broken before the gateway is `failing`.
    pub failing_after: Duration,
}

/// Knows how the gateway is.
#[derive(Debug)]
pub struct Judge {
    bus: Bus,
    sinks: SinkRegistry,
    phase: AtomicU8,
    moved: Notify,
    started: Instant,
    watched: ArcSwap<Watched>,
    stores: OnceLock<Stores>,
    agent: OnceLock<Agent>,
    plugins: OnceLock<PluginRegistry>,
    memory: Mutex<Memory>,
}

/// What must be remembered between judgements.
#[derive(Debug, Default)]
struct Memory {
    recent: Recent,
    channels: Channels,
    /// Since when an issue of the gateway's own stands.
    since: HashMap<String, Instant>,
    /// How many session writes had failed when a test write last worked: older failures are over.
    forgiven_failures: u64,
    /// When the test write began that is under way.
    trial: Option<Instant>,
}

impl Judge {
    /// A judge of a gateway that is starting.
    pub fn new(bus: Bus, sinks: SinkRegistry) -> Self {
        Self {
            bus,
            sinks,
            phase: AtomicU8::new(Phase::Starting as u8),
            moved: Notify::new(),
            started: Instant::now(),
            watched: ArcSwap::default(),
            stores: OnceLock::new(),
            agent: OnceLock::new(),
            plugins: OnceLock::new(),
            memory: Mutex::default(),
        }
    }

    /// Watches other things from now on.
    pub fn set_watched(&self, watched: Watched) {
        let now = Instant::now();
        // The memory's lock before the bus's, as everywhere here.
        let mut memory = self.lock();
        self.bus.inspect(|ledger| memory.channels.watch(ledger, &watched.channels, now));
        drop(memory);
        self.watched.store(watched.into());
    }

    /// Asks these stores from now on how long a disk has owed them an answer; the first ones stay.
    pub fn watch_sessions(&self, stores: Stores) {
        let _ = self.stores.set(stores);
    }

    /// Asks this agent from now on which providers rest; the first one stays.
    pub fn watch_providers(&self, agent: Agent) {
        let _ = self.agent.set(agent);
    }

    /// Looks from now on how these plugins are; the first ones stay.
    pub fn watch_plugins(&self, plugins: PluginRegistry) {
        let _ = self.plugins.set(plugins);
    }

    /// Notes where the gateway is in its life.
    pub fn set_phase(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Release);
        self.moved.notify_one();
    }

    /// Completes when the gateway's place in its life has changed since the last call.
    pub(super) async fn moved(&self) {
        self.moved.notified().await;
    }

    /// Where the gateway is in its life.
    pub fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Starting,
            1 => Phase::Serving,
            _ => Phase::Draining,
        }
    }

    /// How long the gateway runs.
    pub fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// Remembers the totals of this moment, for the rates of the last minute.
    pub(super) fn sample(&self, now: Instant) {
        let watched = self.watched.load();
        let totals: Vec<_> = self
            .bus
            .inspect(|ledger| watched.providers.iter().map(|name| (*name, totals(ledger, name))).collect());
        let mut memory = self.lock();
        for (name, totals) in totals {
            memory.recent.sample(name, now, totals);
        }
    }

    /// Begins a test write if turns could not be made durable, and no other test write is under way.
    pub(super) fn begin_trial(&self, now: Instant) -> bool {
        let mut memory = self.lock();
        let begin = memory.trial.is_none() && self.bus.inspect(|ledger| unwritable(ledger, &memory));
        if begin {
            memory.trial = Some(now);
        }
        begin
    }

    /// The test write ended. If it worked, what failed before is over.
    pub(super) fn end_trial(&self, worked: bool) {
        let failures = self.bus.inspect(store_failures);
        let mut memory = self.lock();
        memory.trial = None;
        if worked {
            memory.forgiven_failures = failures;
        }
    }

    fn sessions(&self, ledger: &Ledger, memory: &Memory, now: Instant) -> Check {
        let waited = self.stores.get().and_then(Stores::oldest_request);
        let trial = memory.trial.map(|began| now.duration_since(began));
        let owed = waited.max(trial).filter(|owed| *owed >= SLOW_DISK);
        let text = match owed {
            Some(owed) => format!("the disk has not answered for {} s", owed.as_secs()),
            None => "conversations cannot be made durable".to_owned(),
        };
        check("sessions", owed.is_some() || unwritable(ledger, memory), "sessions_unwritable", &text)
    }

    fn lock(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn checks(&self, now: Instant) -> (Vec<Check>, bool) {
        let watched = self.watched.load();
        let resting = self.agent.get().map(Agent::resting).unwrap_or_default();
        let mut memory = self.lock();
        let mut checks = Vec::new();
        // What is the gateway's own and broken: it cannot do its work if that lasts.
        let mut broken = Vec::new();
        self.bus.inspect(|ledger| {
            let sessions = self.sessions(ledger, &memory, now);
            let late = self.bus.vitals().event_loop_lag() > SLOW_LOOP;
            let event_loop =
                check("event_loop", late, "event_loop_slow", "timers fire more than a second late");
            broken.extend([&sessions, &event_loop].into_iter().filter_map(|check| check.issue.clone()));
            checks.extend([sessions, event_loop]);
            for name in &watched.providers {
                let recent = memory.recent.since(name, totals(ledger, name));
                checks.push(provider(ledger, name, recent, &resting));
            }
            checks.extend(watched.mcp_servers.iter().map(|name| mcp_server(ledger, name)));
            checks.extend(watched.hooks.iter().map(|name| hook(ledger, name)));
            for (name, up) in channels::states(ledger, &watched.channels) {
                let mut channel =
                    check_part("channel", name, !up, "down", "the channel receives no messages");
                let connects = memory.channels.connects(ledger, name, up, now);
                // Before and after that it is no issue but how a gateway starts and stops.
                channel.issue = channel.issue.filter(|_| self.phase() == Phase::Serving && !connects);
                checks.push(channel);
            }
        });
        let plugins = self.plugins.get().map(PluginRegistry::all).unwrap_or_default();
        checks.extend(plugins.iter().filter_map(|plugin| Some(checks::plugin(&plugin.name, plugin.up?))));
        for stats in self.sinks.all() {
            let Some((name, critical)) = watched.sinks.iter().find(|(name, _)| *name == stats.name) else {
                continue;
            };
            let sink = check_part("sink", name, !stats.up(), "down", &checks::sends(&stats.error()));
            broken.extend(sink.issue.clone().filter(|_| *critical));
            checks.push(sink);
        }
        let failing = memory.sustained(broken, now, watched.failing_after);
        (checks, failing)
    }
}

impl Memory {
    /// Whether one of the issues has stood for long.
    fn sustained(&mut self, broken: Vec<String>, now: Instant, long: Duration) -> bool {
        self.since.retain(|issue, _| broken.contains(issue));
        for issue in broken {
            self.since.entry(issue).or_insert(now);
        }
        self.since.values().any(|since| now.duration_since(*since) >= long)
    }
}

impl HealthSource for Judge {
    fn report(&self) -> HealthReport {
        let (checks, failing) = self.checks(Instant::now());
        let issues = checks.iter().any(|check| check.issue.is_some());
        let status = match self.phase() {
            Phase::Starting => HealthStatus::Starting,
            Phase::Draining => HealthStatus::Draining,
            Phase::Serving if failing => HealthStatus::Failing,
            Phase::Serving if issues => HealthStatus::Degraded,
            Phase::Serving => HealthStatus::Healthy,
        };
        HealthReport { status, checks }
    }
}

impl Readiness for Judge {
    fn report(&self) -> ReadinessReport {
        let report = HealthSource::report(self);
        let serving = self.phase() == Phase::Serving;
        let watched = self.watched.load();
        let up = self.bus.inspect(|ledger| channels::states(ledger, &watched.channels).all(|(_, up)| up));
        ReadinessReport {
            ready: report.http_status() == 200,
            uptime: picoclaw_sinks::health_document::go_duration(self.uptime()),
            conditions: vec![
                ("config_loaded", true),
                ("providers_initialized", serving),
                ("channels_connected", serving && up),
            ],
            checks: report.checks,
            timestamp: jiff::Timestamp::now().to_string(),
        }
    }
}

fn totals(ledger: &Ledger, provider: &str) -> Totals {
    Totals {
        requests: ledger.counter(Metric::ProviderRequestsTotal, &[provider]),
        errors: ledger.counter(Metric::ProviderErrorsTotal, &[provider]),
    }
}

fn store_failures(ledger: &Ledger) -> u64 {
    ledger.counter(Metric::SessionWritesTotal, &["failure"]) + ledger.total(Metric::SessionReadFailuresTotal)
}

fn unwritable(ledger: &Ledger, memory: &Memory) -> bool {
    ledger.gauge(Metric::SessionConsecutiveFailures, &[]) > 0.0
        && store_failures(ledger) > memory.forgiven_failures
}
