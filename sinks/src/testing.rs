//! What the tests of several sinks need.

use std::sync::Arc;
use std::time::Instant;

use picoclaw_telemetry::health::{Check, HealthReport, HealthSource};
use picoclaw_telemetry::words::HealthStatus;
use picoclaw_telemetry::{Bus, PluginRegistry, SinkRegistry};

use crate::context::Context;
use crate::mask::Masker;

/// What the configuration of these contexts keeps secret.
pub(crate) const SECRET: &str = "hunter2hunter2";

/// A judgement that stands. It has an issue of this code unless all is well.
pub(crate) struct Judged(pub(crate) HealthStatus, pub(crate) String);

impl HealthSource for Judged {
    fn report(&self) -> HealthReport {
        let issue = (self.0 != HealthStatus::Healthy).then(|| self.1.clone());
        let check = Check { name: "provider_x".into(), ok: issue.is_none(), issue, message: String::new() };
        HealthReport { status: self.0, checks: vec![check] }
    }
}

/// The context of a gateway that is well and has no sink yet.
pub(crate) fn context(bus: &Bus) -> Context {
    context_of(bus, Judged(HealthStatus::Healthy, String::new()))
}

/// The context of a gateway that is judged so.
pub(crate) fn context_of(bus: &Bus, health: Judged) -> Context {
    Context {
        bus: bus.clone(),
        sinks: SinkRegistry::default(),
        plugins: PluginRegistry::default(),
        health: Arc::new(health),
        masker: Arc::new(Masker::new(&[SECRET.to_owned()])),
        started: Instant::now(),
    }
}
