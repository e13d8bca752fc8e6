//! `picoclaw health`: one line and an exit code, for Docker, cron and people.

use std::process::ExitCode;
use std::time::Duration;

use picoclaw_sinks::registry::known_types;
use serde_json::{Value, json};

use super::target::Target;
use super::{ask, complain, say, seconds, small_runtime};
use picoclaw::config::{self, Environment};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 for healthy and degraded; 1 for failing, starting and draining, and when no gateway answers \
                  (the line then begins with `unreachable`). Docker reserves 2."
)]
pub(super) struct Arguments {
    /// Ask this address instead of the gateway of this home directory.
    #[arg(long)]
    url: Option<String>,
    /// Print the whole document.
    #[arg(long)]
    json: bool,
    /// Print nothing.
    #[arg(short, long, conflicts_with = "json")]
    quiet: bool,
    /// Also `degraded` is a failure (exit code 1).
    #[arg(long)]
    strict: bool,
    /// How long the gateway may take to answer.
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    timeout: Duration,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let verdict = match look(arguments) {
        Ok(verdict) => verdict,
        Err(error) => Verdict::unreachable(&format!("{error:#}")),
    };
    if !arguments.quiet {
        say(if arguments.json { &verdict.document } else { &verdict.line });
    }
    Ok(ExitCode::from(match verdict.status.as_str() {
        "healthy" => 0,
        "degraded" => u8::from(arguments.strict),
        // Also unreachable: Docker reserves 2 in a health check.
        _ => 1,
    }))
}

fn look(arguments: &Arguments) -> anyhow::Result<Verdict> {
    let environment = Environment::process();
    let loaded = config::load(&environment, &known_types());
    let target = match &arguments.url {
        Some(url) => Target::at(url, loaded.as_ref().ok())?,
        None => Target::of_either(loaded.as_ref(), &environment, |wrong| {
            if !arguments.quiet {
                complain(wrong);
            }
        })?,
    };
    let url = target.health_url();
    let answer = small_runtime()?.block_on(ask::get(&url, target.authorization(), arguments.timeout));
    let answer = answer.map_err(|error| error.context(url.clone()))?;
    match serde_json::from_slice::<Value>(&answer.body) {
        Ok(document) if document["status"].is_string() && document["issues"].is_string() => {
            Ok(Verdict::of(&document))
        }
        _ => anyhow::bail!("{url}: HTTP {} without a health document", answer.status),
    }
}

/// What the command says.
#[derive(Debug, PartialEq, Eq)]
struct Verdict {
    status: String,
    line: String,
    document: String,
}

impl Verdict {
    fn of(document: &Value) -> Self {
        let text = |key: &str| document[key].as_str().unwrap_or_default();
        let issues = match text("issues") {
            "" => String::new(),
            issues => format!(" {issues}"),
        };
        let status = text("status").to_owned();
        let colon = if issues.is_empty() { "" } else { ":" };
        let line = format!("{status}{colon}{issues} (up {}, version {})", text("uptime"), text("version"));
        Self { status, line, document: document.to_string() }
    }

    fn unreachable(why: &str) -> Self {
        let status = "unreachable".to_owned();
        let document = json!({ "status": status, "message": why }).to_string();
        Self { line: format!("{status}: {why}"), status, document }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_status_issues_and_age() {
        let line = |status: &str, issues: &str| {
            let document = json!({ "status": status, "issues": issues, "uptime": "3s", "version": "0.1.0" });
            Verdict::of(&document).line
        };
        assert_eq!(line("healthy", ""), "healthy (up 3s, version 0.1.0)");
        assert_eq!(line("degraded", "a,b"), "degraded: a,b (up 3s, version 0.1.0)");
        assert_eq!(Verdict::unreachable("no").line, "unreachable: no");
    }
}
