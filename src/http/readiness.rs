//! `/live` and `/ready`.

use std::sync::Arc;

use async_trait::async_trait;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use picoclaw_telemetry::health::Check;
use picoclaw_telemetry::sink::{Endpoint, EndpointRequest, EndpointResponse};

/// Knows whether the gateway can do its work.
pub trait Readiness: Send + Sync {
    /// The judgement of this moment. Called for every request to `/ready`: it looks, it does not try.
    fn report(&self) -> ReadinessReport;
}

/// A judgement with its grounds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadinessReport {
    /// Whether messages are accepted.
    pub ready: bool,
    /// How long the gateway runs, in the form of Go's durations (`1h2m3s`).
    pub uptime: String,
    /// Conditions that stand at the top of the document, for example `config_loaded`.
    pub conditions: Vec<(&'static str, bool)>,
    /// The checks in detail.
    pub checks: Vec<Check>,
    /// When it was judged, RFC 3339.
    pub timestamp: String,
}

impl Serialize for ReadinessReport {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("status", if self.ready { "ready" } else { "not ready" })?;
        map.serialize_entry("ready", &self.ready)?;
        map.serialize_entry("uptime", &self.uptime)?;
        for (name, holds) in &self.conditions {
            map.serialize_entry(name, holds)?;
        }
        map.serialize_entry("checks", &Checks(self))?;
        map.end()
    }
}

struct Checks<'a>(&'a ReadinessReport);

impl Serialize for Checks<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let timestamp = &self.0.timestamp;
        serializer.collect_map(self.0.checks.iter().map(|check| (&check.name, Checked { check, timestamp })))
    }
}

struct Checked<'a> {
    check: &'a Check,
    timestamp: &'a str,
}

impl Serialize for Checked<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { check, timestamp } = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", &check.name)?;
        map.serialize_entry("status", if check.ok { "ok" } else { "fail" })?;
        if !check.ok {
            map.serialize_entry("message", &check.message)?;
        }
        map.serialize_entry("timestamp", timestamp)?;
        map.end()
    }
}

/// `/ready`: 200 or 503.
pub struct ReadyEndpoint {
    readiness: Arc<dyn Readiness>,
    with_checks: bool,
}

impl ReadyEndpoint {
    /// Asks `readiness` for every request.
    pub fn new(readiness: Arc<dyn Readiness>) -> Self {
        Self { readiness, with_checks: true }
    }

    /// The same without the checks, which name what is configured: for strangers.
    pub fn without_checks(readiness: Arc<dyn Readiness>) -> Self {
        Self { readiness, with_checks: false }
    }
}

#[async_trait]
impl Endpoint for ReadyEndpoint {
    async fn ask(&self, _: EndpointRequest) -> EndpointResponse {
        let mut report = self.readiness.report();
        if !self.with_checks {
            report.checks.clear();
        }
        let document = serde_json::to_vec(&report).expect("a report has only text as keys");
        EndpointResponse::json(if report.ready { 200 } else { 503 }, document)
    }
}

/// `/live`: an answer at all is the message.
#[derive(Clone, Copy, Debug, Default)]
pub struct LiveEndpoint;

#[async_trait]
impl Endpoint for LiveEndpoint {
    async fn ask(&self, _: EndpointRequest) -> EndpointResponse {
        EndpointResponse::json(200, &b"{\"alive\":true}"[..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_has_booleans_at_the_top_and_checks_by_name() {
        let report = ReadinessReport {
            ready: false,
            uptime: "3s".to_owned(),
            conditions: vec![("config_loaded", true)],
            checks: vec![Check {
                name: "sessions".to_owned(),
                ok: false,
                issue: Some("sessions_unwritable".to_owned()),
                message: "disk full".to_owned(),
            }],
            timestamp: "2026-01-01T00:00:00Z".to_owned(),
        };
        assert_eq!(
            serde_json::to_string(&report).unwrap(),
            concat!(
                r#"{"status":"not ready","ready":false,"uptime":"3s","config_loaded":true,"checks":{"sessions":"#,
                r#"{"name":"sessions","status":"fail","message":"disk full","timestamp":"2026-01-01T00:00:00Z"}}}"#
            )
        );
    }
}
