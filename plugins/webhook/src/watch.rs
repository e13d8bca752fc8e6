//! Who fails, by the ends of requests.

use std::collections::BTreeMap;

use picoclaw_plugin::Event;
use serde_json::json;

/// Counts failures in a row, per provider.
#[derive(Debug)]
pub(crate) struct Watch {
    after: u32,
    failures: BTreeMap<String, u32>,
}

/// A provider that started failing, or recovered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    provider: String,
    failing: bool,
    failures: u32,
    reason: String,
    unix_ms: u64,
}

impl Watch {
    /// A provider fails after so many failures in a row.
    pub(crate) fn new(after: u32) -> Self {
        Self { after, failures: BTreeMap::new() }
    }

    /// What an event changes.
    pub(crate) fn see(&mut self, event: &Event<'_>) -> Option<Change> {
        if event.kind() != "agent.llm.response" {
            return None;
        }
        let unix_ms = event.unix_nanos() / 1_000_000;
        let reason = event.text("reason").unwrap_or_default();
        self.end(event.text("provider")?, event.text("outcome")?, reason, unix_ms)
    }

    /// A request to a provider ended.
    fn end(&mut self, provider: &str, outcome: &str, reason: &str, unix_ms: u64) -> Option<Change> {
        let change = |failing, failures| Change {
            provider: provider.to_owned(),
            failing,
            failures,
            reason: reason.to_owned(),
            unix_ms,
        };
        match outcome {
            "failure" => {
                let failures = self.failures.entry(provider.to_owned()).or_default();
                *failures = failures.saturating_add(1);
                (*failures == self.after).then(|| change(true, self.after))
            }
            "success" => {
                let failures = self.failures.remove(provider).unwrap_or(0);
                (failures >= self.after).then(|| change(false, failures))
            }
            // A cancelled request says nothing of the provider.
            _ => None,
        }
    }
}

impl Change {
    /// The JSON that is posted.
    pub(crate) fn body(&self) -> String {
        let state = if self.failing { "failing" } else { "recovered" };
        json!({
            "provider": self.provider,
            "state": state,
            "failures": self.failures,
            "reason": self.reason,
            "time_unix_ms": self.unix_ms,
        })
        .to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_third_failure_and_the_first_success_are_told() {
        let mut watch = Watch::new(3);
        let mut ends = |outcomes: &[&str]| -> Vec<String> {
            let ends = outcomes.iter().filter_map(|outcome| watch.end("p", outcome, "server", 5));
            ends.map(|change| change.body()).collect()
        };
        assert!(ends(&["failure", "cancelled", "failure", "success", "failure", "failure"]).is_empty());
        let told = ends(&["failure", "failure", "success", "success"]);
        assert_eq!(
            told,
            [
                r#"{"failures":3,"provider":"p","reason":"server","state":"failing","time_unix_ms":5}"#,
                r#"{"failures":4,"provider":"p","reason":"server","state":"recovered","time_unix_ms":5}"#,
            ]
        );
    }
}
