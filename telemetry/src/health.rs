//! The gateway's judgement of itself, as sinks see it.

use crate::words::HealthStatus;

/// One thing that is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// A stable name: `sessions`, `provider_openai`, `sink_jsonlog`, ...
    pub name: String,
    /// Whether it is well.
    pub ok: bool,
    /// The issue's code when it is not, such as `provider_openai_failing`; stable, one word, no user text.
    pub issue: Option<String>,
    /// For a person, one line, free of secrets.
    pub message: String,
}

/// The judgement and what it rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthReport {
    /// The judgement.
    pub status: HealthStatus,
    /// Everything that was looked at, in a stable order.
    pub checks: Vec<Check>,
}

impl HealthReport {
    /// The codes of all issues, separated by commas; empty when there are none.
    pub fn issues(&self) -> String {
        let codes: Vec<&str> = self.checks.iter().filter_map(|check| check.issue.as_deref()).collect();
        codes.join(",")
    }

    /// How many issues there are.
    pub fn issues_count(&self) -> usize {
        self.checks.iter().filter(|check| check.issue.is_some()).count()
    }

    /// The HTTP status that goes with the judgement: a load balancer must send traffic on as long as this gateway
    /// can do its own work, and restarting it does not repair somebody else's outage.
    pub fn http_status(&self) -> u16 {
        match self.status {
            HealthStatus::Healthy | HealthStatus::Degraded => 200,
            HealthStatus::Failing | HealthStatus::Starting | HealthStatus::Draining => 503,
        }
    }
}

/// Whoever can judge.
pub trait HealthSource: Send + Sync {
    /// The judgement now. Cheap: monitors ask every few seconds.
    fn report(&self) -> HealthReport;
}
