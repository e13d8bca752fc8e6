//! The gateway's judgement of itself, as sinks see it.

use crate::words::HealthStatus;

/// How long the list of issues may be, but for its last word. New Relic cuts a text at 4095 bytes, perhaps in the middle
/// of a code.
pub const LONGEST_ISSUES: usize = 4000;

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
    /// The codes of the issues, separated by commas; empty when there are none. Of very many the last ones are left out,
    /// and the last word says how many: see [`LONGEST_ISSUES`].
    pub fn issues(&self) -> String {
        let mut text = String::new();
        let mut left = self.issues_count();
        for code in self.checks.iter().filter_map(|check| check.issue.as_deref()) {
            if text.len() + code.len() >= LONGEST_ISSUES {
                break;
            }
            text.extend([if text.is_empty() { "" } else { "," }, code]);
            left -= 1;
        }
        match left {
            0 => text,
            more if text.is_empty() => format!("{more}_issues"),
            more => format!("{text},{more}_more"),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn report(codes: &[String]) -> HealthReport {
        let check = |code: &String| Check {
            name: code.clone(),
            ok: false,
            issue: Some(code.clone()),
            message: String::new(),
        };
        HealthReport { status: HealthStatus::Degraded, checks: codes.iter().map(check).collect() }
    }

    #[test]
    fn issues_are_a_list_of_bounded_length() {
        assert_eq!(report(&[]).issues(), "");
        assert_eq!(report(&["a".into(), "b".into()]).issues(), "a,b");
        let many: Vec<String> = (0..300).map(|n| format!("provider_{n:0>40}_failing")).collect();
        let issues = report(&many).issues();
        assert!(issues.len() <= LONGEST_ISSUES + 10, "{}", issues.len());
        let (listed, more) = issues.rsplit_once(',').unwrap();
        let named = listed.split(',').count();
        assert_eq!(more, format!("{}_more", 300 - named));
        assert!(listed.split(',').eq(many[..named].iter()));
        assert_eq!(report(&["x".repeat(5000)]).issues(), "1_issues");
    }
}
