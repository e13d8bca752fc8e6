//! Who answers at which path.

use std::sync::Arc;

use async_trait::async_trait;
use picoclaw_sinks::health_document;
use picoclaw_telemetry::health::HealthSource;
use picoclaw_telemetry::sink::{Endpoint, EndpointRequest, EndpointResponse, Route};

use crate::config::{Config, HealthCheckConfig};
use crate::health::Judge;
use crate::http::endpoints::{EndpointTable, PathTaken};
use crate::http::readiness::{LiveEndpoint, ReadyEndpoint};

/// The table for this configuration. Health and probes are left out where they are switched off or have a port of
/// their own; a sink's answer at the health path goes before the plain one.
pub(super) fn table(
    config: &Config,
    judge: &Arc<Judge>,
    sinks: Vec<Route>,
) -> Result<EndpointTable, PathTaken> {
    let health = &config.gateway.health_check;
    let mut table = EndpointTable::new();
    let served_by_sink = sinks.iter().any(|route| route.path == health.path);
    for route in sinks {
        table.add(&route.path, route.endpoint)?;
    }
    if health.enabled {
        if !served_by_sink {
            table.add(&health.path, Arc::new(BasicHealth(Arc::clone(judge))))?;
        }
        table.add("/ready", Arc::new(ReadyEndpoint::new(Arc::clone(judge) as _)))?;
        table.add("/live", Arc::new(LiveEndpoint))?;
    }
    Ok(table)
}

/// The paths that the separate port for health checks serves.
pub(super) fn probe_paths(health: &HealthCheckConfig) -> Vec<String> {
    vec![health.path.clone(), "/ready".to_owned(), "/live".to_owned()]
}

/// `/health` when no sink elaborates it.
struct BasicHealth(Arc<Judge>);

#[async_trait]
impl Endpoint for BasicHealth {
    async fn ask(&self, _: EndpointRequest) -> EndpointResponse {
        let report = HealthSource::report(self.0.as_ref());
        let body = health_document::basic(&report, self.0.uptime(), std::process::id());
        EndpointResponse::json(report.http_status(), body)
    }
}
