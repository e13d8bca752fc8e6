//! What is looked at, and how what was found is said.

use picoclaw_telemetry::health::Check;
use picoclaw_telemetry::{Ledger, Metric};

use super::part::part;
use super::recent::Totals;
use crate::agent::Resting;

/// Failures in a row that make a provider count as failing.
const CONSECUTIVE_FAILURES: f64 = 3.0;
/// Requests in the last minute from which on their error rate says something.
const TELLING_REQUESTS: u64 = 10;

pub(super) fn check(name: &str, bad: bool, issue: &str, message: &str) -> Check {
    Check {
        name: name.to_owned(),
        ok: !bad,
        issue: bad.then(|| issue.to_owned()),
        message: if bad { message.to_owned() } else { String::new() },
    }
}

/// The check of a part that the operator has named; `what` is wrong with it when it is bad.
pub(super) fn check_part(kind: &str, name: &str, bad: bool, what: &str, message: &str) -> Check {
    let part = part(kind, name);
    check(&part, bad, &format!("{part}_{what}"), message)
}

/// Failing tells more than resting, which mostly follows from it.
pub(super) fn provider(ledger: &Ledger, name: &str, recent: Totals, resting: &[Resting]) -> Check {
    let in_a_row = ledger.gauge(Metric::ProviderConsecutiveFailures, &[name]);
    let often = recent.requests >= TELLING_REQUESTS && recent.errors * 2 >= recent.requests;
    let message = if in_a_row >= CONSECUTIVE_FAILURES {
        format!("the last {in_a_row} requests failed")
    } else {
        format!("{} of {} requests failed in the last minute", recent.errors, recent.requests)
    };
    let mut resting = resting.iter().filter(|resting| resting.provider == name).peekable();
    if in_a_row >= CONSECUTIVE_FAILURES || often {
        let rests = resting.map(|rest| format!("; {}", in_words(rest)));
        return check_part("provider", name, true, "failing", &rests.fold(message, |all, rest| all + &rest));
    }
    let rests = resting.peek().is_some();
    let message = resting.map(in_words).collect::<Vec<_>>().join("; ");
    check_part("provider", name, rests, "cooldown", &message)
}

fn in_words(resting: &Resting) -> String {
    let Resting { model, reason, remaining, .. } = resting;
    format!("{model} is not asked for {} s more ({reason})", remaining.as_secs())
}

/// One that is still starting is no issue: the gateway does not wait for it either.
pub(super) fn mcp_server(ledger: &Ledger, name: &str) -> Check {
    let failures = ledger.gauge(Metric::McpServerConsecutiveFailures, &[name]);
    let message = format!("it is not connected, and failed {failures} times; its tools answer with errors");
    check_part("mcp", name, failures > 0.0, "down", &message)
}

/// One that does not run, or is not well by its own account.
pub(super) fn plugin(name: &str, up: bool) -> Check {
    check_part(
        "plugin",
        name,
        !up,
        "down",
        "it does not run or is unwell; its tools answer with errors or are missing",
    )
}

/// One that is still starting is no issue.
pub(super) fn hook(ledger: &Ledger, name: &str) -> Check {
    let up = ledger.gauge(Metric::HookUp, &[name]) > 0.0;
    let failures = ledger.counter(Metric::HookFailuresTotal, &[name]);
    let message =
        format!("it does not run, and failed {failures} times; approvals that it is asked for are refused");
    check_part("hook", name, !up && failures > 0, "down", &message)
}
