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
    let resting = rests(resting.iter().filter(|resting| resting.provider == name));
    if in_a_row >= CONSECUTIVE_FAILURES || often {
        let rests = resting.iter().map(|rest| format!("; {rest}"));
        return check_part("provider", name, true, "failing", &rests.fold(message, |all, rest| all + &rest));
    }
    check_part("provider", name, !resting.is_empty(), "cooldown", &resting.join("; "))
}

/// A model's keys and entries rest one by one, and it is asked as long as one of them does not.
fn rests<'a>(resting: impl Iterator<Item = &'a Resting>) -> Vec<String> {
    let mut models: Vec<Vec<&Resting>> = Vec::new();
    for one in resting {
        match models.iter_mut().find(|model| model[0].model == one.model) {
            Some(model) => model.push(one),
            None => models.push(vec![one]),
        }
    }
    models.iter().filter_map(|model| in_words(model)).collect()
}

fn in_words(model: &[&Resting]) -> Option<String> {
    let Resting { model: name, reason, remaining, of, .. } =
        model.iter().min_by_key(|resting| resting.remaining)?;
    let part = match (model.len(), *of) {
        (resting, of) if resting >= of => format!("{name} is"),
        (1, of) => format!("one of {of} keys and entries of {name} is"),
        (resting, of) => format!("{resting} of {of} keys and entries of {name} are"),
    };
    Some(format!("{part} not asked for {} s more ({reason})", remaining.as_secs()))
}

/// Why nothing goes out by a sink.
pub(super) fn sends(error: &str) -> String {
    if error.is_empty() { "its sends fail".to_owned() } else { format!("its sends fail: {error}") }
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
