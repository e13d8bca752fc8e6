//! What begins also ends: dropped, cancelled or panicking, no guard leaves a gauge too high.

use std::panic::{AssertUnwindSafe, catch_unwind};

use picoclaw_telemetry::event::AttemptOutcome;
use picoclaw_telemetry::guard::{Attempt, AttemptFacts, AttemptOf, ToolRun, Turn, Waiting};
use picoclaw_telemetry::words::{FailureReason, Origin, ToolStatus, TurnStatus};
use picoclaw_telemetry::{Bus, Detail, Dimension, Label, Metric};

struct World {
    bus: Bus,
    agent: Label,
    channel: Label,
    provider: Label,
    model: Label,
    tool: Label,
}

impl World {
    fn new() -> Self {
        let bus = Bus::new(64);
        let declare = |dimension, name| bus.vocabulary().declare(dimension, name);
        Self {
            agent: declare(Dimension::Agent, "main"),
            channel: declare(Dimension::Channel, "cli"),
            provider: declare(Dimension::Provider, "openai"),
            model: declare(Dimension::Model, "gpt"),
            tool: declare(Dimension::Tool, "read_file"),
            bus,
        }
    }

    fn session() -> Detail {
        Detail::from("s")
    }

    /// All that a message goes through, up to the middle of a tool call.
    fn begin(&self) -> (Waiting, Turn, Attempt, ToolRun) {
        let waiting = Waiting::start(&self.bus, self.channel, Self::session());
        let turn = Turn::start(&self.bus, Origin::User, self.agent, self.channel, Self::session());
        let attempt = self.attempt(turn.number());
        let tool = ToolRun::start(&self.bus, turn.number(), self.tool, Self::session());
        (waiting, turn, attempt, tool)
    }

    fn attempt(&self, turn: u64) -> Attempt {
        let of = AttemptOf {
            turn,
            provider: self.provider,
            model: self.model,
            attempt: 1,
            session: Self::session(),
        };
        Attempt::start(&self.bus, of)
    }

    fn gauges(&self) -> [f64; 3] {
        self.bus.inspect(|ledger| {
            [
                ledger.gauge(Metric::QueueDepth, &[]),
                ledger.gauge(Metric::MessagesActive, &[]),
                ledger.gauge(Metric::ProviderRequestsActive, &["openai"]),
            ]
        })
    }

    fn counter(&self, metric: Metric, labels: &[&str]) -> u64 {
        self.bus.inspect(|ledger| ledger.counter(metric, labels))
    }

    fn assert_all_cancelled(&self) {
        assert_eq!(self.gauges(), [0.0; 3]);
        assert_eq!(self.counter(Metric::TurnsTotal, &["user", "cancelled"]), 1);
        assert_eq!(self.counter(Metric::ToolResultsTotal, &["read_file", "cancelled"]), 1);
        assert_eq!(self.counter(Metric::ProviderErrorsTotal, &["openai"]), 0);
        assert_eq!(self.counter(Metric::ProviderRequestsTotal, &["openai"]), 1);
    }
}

#[test]
fn what_runs_is_counted_while_it_runs() {
    let world = World::new();
    let running = world.begin();
    assert_eq!(world.gauges(), [1.0; 3]);
    drop(running);
    world.assert_all_cancelled();
}

#[test]
fn a_panic_ends_what_had_begun() {
    let world = World::new();
    let result = catch_unwind(AssertUnwindSafe(|| {
        let _running = world.begin();
        panic!("in the middle of a turn");
    }));
    assert!(result.is_err());
    world.assert_all_cancelled();
}

#[tokio::test]
async fn a_cancelled_task_ends_what_had_begun() {
    let world = std::sync::Arc::new(World::new());
    let inner = std::sync::Arc::clone(&world);
    let (begun, has_begun) = tokio::sync::oneshot::channel();
    let task = tokio::spawn(async move {
        let _running = inner.begin();
        begun.send(()).unwrap();
        std::future::pending::<()>().await;
    });
    has_begun.await.unwrap();
    assert_eq!(world.gauges(), [1.0; 3]);
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    world.assert_all_cancelled();
}

#[test]
fn what_is_finished_counts_once_with_its_outcome() {
    let world = World::new();
    let (waiting, turn, attempt, tool) = world.begin();
    drop(waiting);
    tool.finish(ToolStatus::Denied, None);
    attempt.finish(AttemptOutcome::Failed(FailureReason::Timeout), AttemptFacts::default());
    world.attempt(turn.number()).finish(AttemptOutcome::Success, AttemptFacts::default());
    turn.finish(TurnStatus::Completed, None);
    assert_eq!(world.gauges(), [0.0; 3]);
    assert_eq!(world.counter(Metric::TurnsTotal, &["user", "completed"]), 1);
    assert_eq!(world.bus.inspect(|ledger| ledger.total(Metric::TurnsTotal)), 1);
    assert_eq!(world.counter(Metric::ToolResultsTotal, &["read_file", "denied"]), 1);
    assert_eq!(world.counter(Metric::ToolCallsTotal, &["read_file"]), 1);
    assert_eq!(world.counter(Metric::ProviderErrorsTotal, &["openai"]), 1);
    assert_eq!(world.counter(Metric::ProviderFailuresTotal, &["openai", "gpt", "timeout"]), 1);
    assert_eq!(world.counter(Metric::ProviderRequestsTotal, &["openai"]), 2);
}
