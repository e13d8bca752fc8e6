//! Who answers at which path.

use std::sync::Arc;

use async_trait::async_trait;
use picoclaw_sinks::health_document;
use picoclaw_telemetry::Bus;
use picoclaw_telemetry::health::HealthSource;
use picoclaw_telemetry::sink::{Endpoint, EndpointRequest, EndpointResponse, Route};

use super::parts::OnBus;
use picoclaw::config::{Config, HEALTH_SINK, HealthDetails, SecretString};
use picoclaw::health::Judge;
use picoclaw::http::admin::Token;
use picoclaw::http::endpoints::{EndpointTable, PathTaken};
use picoclaw::http::guard::{Guarded, ScrapeAccess};
use picoclaw::http::readiness::{LiveEndpoint, ReadyEndpoint};

/// The table for this configuration. The main port serves all of it; a port of their own only the probes, which are left
/// out where they are switched off. A health sink's answer at their path goes before the plain one. What sinks answer
/// elsewhere is for who may scrape.
pub(super) fn table(
    config: &Config,
    judge: &Arc<Judge>,
    sinks: Vec<Route>,
    guards: &Guards,
) -> Result<EndpointTable, PathTaken> {
    let health = &config.gateway.health_check;
    let access = guards.access(config);
    let mut table = EndpointTable::new();
    let mut full_health = None;
    for route in sinks {
        let may_stand_in = health.enabled && route.kind == HEALTH_SINK && route.path == health.path;
        if may_stand_in && full_health.is_none() {
            full_health = Some(route.endpoint);
        } else if access.is_open() {
            table.add(&route.path, route.endpoint)?;
        } else {
            table.add(&route.path, Arc::new(guards.guard(route.endpoint, &access)))?;
        }
    }
    if health.enabled {
        let veil = |full: Arc<dyn Endpoint>, basic: Arc<dyn Endpoint>| match health.details {
            HealthDetails::Everyone => full,
            HealthDetails::Authenticated => Arc::new(guards.guard(full, &access).or_else(basic)),
        };
        let basic: Arc<dyn Endpoint> = Arc::new(BasicHealth(Arc::clone(judge)));
        let full: Arc<dyn Endpoint> = match full_health {
            Some(full) => Arc::new(FullHealth { full, basic: Arc::clone(&basic) }),
            None => Arc::clone(&basic),
        };
        table.add_probe(&health.path, veil(full, basic))?;
        let ready = ReadyEndpoint::new(Arc::clone(judge) as _);
        let without_checks = ReadyEndpoint::without_checks(Arc::clone(judge) as _);
        table.add_probe("/ready", veil(Arc::new(ready), Arc::new(without_checks)))?;
        table.add_probe("/live", Arc::new(LiveEndpoint))?;
    }
    Ok(table)
}

/// What guards need beside the configuration.
pub(super) struct Guards {
    /// The token of the pid file, which lets its reader see everything.
    pub(super) operator: Option<Token>,
    /// Who is turned away is counted there.
    pub(super) bus: Bus,
}

impl Guards {
    fn access(&self, config: &Config) -> ScrapeAccess {
        let auth = config.gateway.metrics().auth;
        let token = auth.token.as_ref().map(SecretString::expose).and_then(Token::new);
        let user = auth.user().map(|(name, password)| (name, password.expose()));
        ScrapeAccess::new(token, user, self.operator.clone())
    }

    fn guard(&self, endpoint: Arc<dyn Endpoint>, access: &ScrapeAccess) -> Guarded {
        Guarded::new(endpoint, access.clone(), Arc::new(OnBus(self.bus.clone())))
    }
}

/// `/health` with what a sink says. While that sink is started again, or does not answer, the gateway speaks for itself: it
/// is not down because a sink is.
struct FullHealth {
    full: Arc<dyn Endpoint>,
    basic: Arc<dyn Endpoint>,
}

#[async_trait]
impl Endpoint for FullHealth {
    async fn ask(&self, request: EndpointRequest) -> EndpointResponse {
        let answer = self.full.ask(request).await;
        if answer.content_type == EndpointResponse::JSON {
            return answer;
        }
        self.basic.ask(EndpointRequest::default()).await
    }
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

#[cfg(test)]
mod tests {
    use picoclaw_telemetry::SinkRegistry;
    use serde_json::json;

    use super::*;

    struct Says(&'static str);

    #[async_trait]
    impl Endpoint for Says {
        async fn ask(&self, _: EndpointRequest) -> EndpointResponse {
            EndpointResponse::text(200, self.0)
        }
    }

    fn route(path: &str, kind: &str, says: &'static str) -> Route {
        Route { path: path.to_owned(), kind: kind.to_owned(), endpoint: Arc::new(Says(says)) }
    }

    fn config(gateway: &serde_json::Value) -> Config {
        serde_json::from_value(json!({ "gateway": gateway })).unwrap()
    }

    fn table_of(gateway: &serde_json::Value, sinks: Vec<Route>) -> Result<EndpointTable, PathTaken> {
        let bus = Bus::default();
        let judge = Arc::new(Judge::new(bus.clone(), SinkRegistry::default()));
        table(&config(gateway), &judge, sinks, &Guards { operator: None, bus })
    }

    #[tokio::test]
    async fn health_is_told_also_when_its_sink_cannot() {
        let table =
            table_of(&json!({}), vec![route("/health", "newrelic", "sink newrelic is being restarted")]);
        let endpoints = picoclaw::http::endpoints::Endpoints::new(table.unwrap());
        let answer = endpoints.find("/health").unwrap().ask(EndpointRequest::default()).await;
        assert_eq!((answer.status, answer.content_type), (503, "application/json"));
        let document: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(document["status"], "starting");
    }

    #[test]
    fn only_a_health_sink_stands_in_for_health() {
        let taken = table_of(&json!({}), vec![route("/health", "prometheus", "metrics")]).unwrap_err();
        assert_eq!(taken, PathTaken("/health".into()));
        table_of(&json!({}), vec![route("/health", "newrelic", "health")]).unwrap();
        let off = json!({ "health_check": { "enabled": false } });
        table_of(&off, vec![route("/health", "prometheus", "metrics")]).unwrap();
    }
}
