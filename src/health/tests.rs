use std::time::{Duration, Instant};

use picoclaw_telemetry::event::{AttemptOutcome, Declaration};
use picoclaw_telemetry::guard::{Attempt, AttemptFacts, AttemptOf};
use picoclaw_telemetry::health::HealthSource;
use picoclaw_telemetry::words::{FailureReason, HealthStatus, Outcome};
use picoclaw_telemetry::{Bus, Detail, Dimension, Event, SinkRegistry};

use super::{Judge, Phase, Watched};

fn serving(failing_after: Duration) -> (Bus, SinkRegistry, Judge) {
    let bus = Bus::default();
    let label = bus.vocabulary().declare(Dimension::Provider, "openai");
    bus.emit(Event::Declared([Declaration::Provider(label)].into()));
    let sinks = SinkRegistry::default();
    let judge = Judge::new(bus.clone(), sinks.clone());
    judge.set_watched(Watched {
        mcp_servers: Vec::new(),
        hooks: vec!["gate".into()],
        providers: vec!["openai"],
        channels: vec!["http"],
        sinks: vec![("log".into(), true), ("other".into(), false)],
        failing_after,
    });
    judge.set_phase(Phase::Serving);
    (bus, sinks, judge)
}

fn attempt(bus: &Bus, outcome: AttemptOutcome) {
    let of = AttemptOf {
        turn: 1,
        provider: bus.vocabulary().resolve(Dimension::Provider, "openai"),
        model: bus.vocabulary().declare(Dimension::Model, "m"),
        attempt: 1,
        session: Detail::new("s"),
    };
    Attempt::start(bus, of).finish(outcome, AttemptFacts::default());
}

fn write(bus: &Bus, outcome: Outcome) {
    bus.emit(Event::SessionWrite {
        outcome,
        duration: Duration::ZERO,
        bytes: 0,
        error: None,
        session: "s".into(),
    });
}

#[test]
fn a_provider_that_fails_three_times_degrades_until_it_answers() {
    let (bus, _, judge) = serving(Duration::ZERO);
    let failed = AttemptOutcome::Failed(FailureReason::Server);
    attempt(&bus, failed);
    attempt(&bus, failed);
    assert_eq!(HealthSource::report(&judge).status, HealthStatus::Healthy);
    attempt(&bus, failed);
    let report = HealthSource::report(&judge);
    assert_eq!((report.status, report.http_status()), (HealthStatus::Degraded, 200));
    assert_eq!(report.issues(), "provider_openai_failing");
    attempt(&bus, AttemptOutcome::Success);
    assert_eq!(HealthSource::report(&judge).status, HealthStatus::Healthy);
}

#[test]
fn sessions_that_cannot_be_written_fail_the_gateway_only_when_it_lasts() {
    let (bus, _, judge) = serving(Duration::from_secs(3600));
    write(&bus, Outcome::Failure);
    assert_eq!(HealthSource::report(&judge).status, HealthStatus::Degraded);
    let (bus, _, judge) = serving(Duration::ZERO);
    write(&bus, Outcome::Failure);
    let report = HealthSource::report(&judge);
    assert_eq!((report.status, report.http_status()), (HealthStatus::Failing, 503));
    assert!(judge.begin_trial(Instant::now()));
    judge.end_trial(true);
    assert_eq!(HealthSource::report(&judge).status, HealthStatus::Healthy);
    write(&bus, Outcome::Failure);
    assert_eq!(HealthSource::report(&judge).status, HealthStatus::Failing);
    write(&bus, Outcome::Success);
    assert_eq!(HealthSource::report(&judge).status, HealthStatus::Healthy);
}

#[test]
fn a_test_write_that_does_not_end_is_an_issue_and_no_second_one_is_begun() {
    let (bus, _, judge) = serving(Duration::from_secs(3600));
    let now = Instant::now();
    assert!(!judge.begin_trial(now), "nothing is in doubt");
    write(&bus, Outcome::Failure);
    assert!(judge.begin_trial(now.checked_sub(Duration::from_secs(7)).unwrap()));
    assert!(!judge.begin_trial(now));
    let message = |judge: &Judge| {
        let checks = HealthSource::report(judge).checks;
        checks.into_iter().find(|check| check.name == "sessions").map(|check| check.message).unwrap()
    };
    assert_eq!(message(&judge), "the disk has not answered for 7 s");
    write(&bus, Outcome::Success);
    assert_eq!(HealthSource::report(&judge).issues(), "sessions_unwritable", "it still hangs somewhere");
    judge.end_trial(false);
    assert_eq!(
        (HealthSource::report(&judge).status, message(&judge)),
        (HealthStatus::Healthy, String::new())
    );
}

#[test]
fn only_a_critical_sink_fails_the_gateway() {
    let (_, sinks, judge) = serving(Duration::ZERO);
    sinks.entry("other").mark_down();
    let report = HealthSource::report(&judge);
    assert_eq!((report.status, report.issues().as_str()), (HealthStatus::Degraded, "sink_other_down"));
    sinks.entry("log").mark_down();
    assert_eq!(HealthSource::report(&judge).status, HealthStatus::Failing);
}

#[test]
fn starting_and_draining_are_no_good_states() {
    let (bus, _, judge) = serving(Duration::ZERO);
    let channel = bus.vocabulary().declare(Dimension::Channel, "http");
    bus.emit(Event::ChannelStarted { channel });
    bus.emit(Event::ChannelFailed { channel, error: Detail::new("refused") });
    assert_eq!(HealthSource::report(&judge).issues(), "channel_http_down");
    for (phase, status) in
        [(Phase::Starting, HealthStatus::Starting), (Phase::Draining, HealthStatus::Draining)]
    {
        judge.set_phase(phase);
        let report = HealthSource::report(&judge);
        assert_eq!((report.status, report.http_status()), (status, 503));
        assert!(!status.as_str().contains("healthy"));
        assert_eq!(
            report.issues(),
            "",
            "a channel that is down is no issue while the gateway starts or stops"
        );
        assert!(report.checks.iter().any(|check| check.name == "channel_http" && !check.ok));
    }
}

#[test]
fn a_hook_that_failed_degrades_until_it_runs_again() {
    let (bus, _, judge) = serving(Duration::ZERO);
    let hook = bus.vocabulary().declare(Dimension::Hook, "gate");
    bus.emit(Event::Declared([Declaration::Hook(hook)].into()));
    assert_eq!(HealthSource::report(&judge).status, HealthStatus::Healthy, "it is starting");
    bus.emit(Event::HookFailed { hook, error: Detail::new("it ended") });
    let report = HealthSource::report(&judge);
    assert_eq!((report.status, report.issues().as_str()), (HealthStatus::Degraded, "hook_gate_down"));
    bus.emit(Event::HookStarted { hook });
    assert_eq!(HealthSource::report(&judge).status, HealthStatus::Healthy);
}
