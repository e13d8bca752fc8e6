//! `picoclaw metrics`: the live numbers, for people.
//!
//! `exposition` reads what the gateway serves, `distribution` makes sense of buckets, `units` of numbers, and `view`
//! puts them in order; `--json` prints the same as a document.

mod distribution;
mod document;
mod exposition;
mod subject;
mod units;
mod view;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context;
use picoclaw_sinks::registry::known_types;

use self::exposition::Family;
use self::view::Look;
use super::target::Target;
use super::{ask, complain, seconds, small_runtime};
use picoclaw::config::{self, Environment};

/// How long the gateway may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Clears the terminal and goes to its first line.
const CLEAR: &str = "\x1b[2J\x1b[H";

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Means are exact. Quantiles (p50, p95, p99) are estimated: they lie somewhere between the bounds of a bucket. The exit code is 1 when no gateway answers."
)]
pub(super) struct Arguments {
    /// Only metrics and series whose name or labels contain this text.
    filter: Option<String>,
    /// Look again and again, and show rates since the look before.
    #[arg(short, long, value_name = "SECONDS", num_args = 0..=1, require_equals = true, default_missing_value = "2",
          value_parser = seconds)]
    watch: Option<Duration>,
    /// Show every series, also those of large metrics where nothing has happened yet.
    #[arg(short, long)]
    all: bool,
    /// Print a JSON document; with --watch one per line.
    #[arg(long)]
    json: bool,
    /// Ask this address instead of the gateway of this home directory.
    #[arg(long)]
    url: Option<String>,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let environment = Environment::process();
    let loaded = config::load(&environment, &known_types());
    let target = match &arguments.url {
        Some(url) => Target::at(url, loaded.as_ref().ok())?,
        None => Target::of_either(loaded.as_ref(), &environment, complain)?,
    };
    let url = target.metrics_url()?;
    let runtime = small_runtime()?;
    let mut before: Option<Scrape> = None;
    loop {
        match runtime.block_on(scrape(&url, target.authorization())) {
            Ok(now) => {
                let text = show(arguments, &now, before.as_ref());
                if std::io::stdout().lock().write_all(text.as_bytes()).is_err() {
                    // The reader has seen enough.
                    return Ok(ExitCode::SUCCESS);
                }
                before = Some(now);
            }
            Err(error) => {
                complain(&format!("{url}: {error:#}"));
                // A gateway that was there may come back.
                if before.is_none() {
                    return Ok(ExitCode::FAILURE);
                }
            }
        }
        match arguments.watch {
            Some(pause) => std::thread::sleep(pause),
            None => return Ok(ExitCode::SUCCESS),
        }
    }
}

/// What one scrape brought.
struct Scrape {
    families: Vec<Family>,
    at: Instant,
}

async fn scrape(url: &str, authorization: Option<&str>) -> anyhow::Result<Scrape> {
    let answer = ask::get(url, authorization, PATIENCE).await.context("no gateway answers")?;
    let at = Instant::now();
    match answer.status {
        200 => {}
        401 => {
            anyhow::bail!("the gateway asks for a secret that is not the one of gateway.metrics.auth here")
        }
        status => anyhow::bail!("HTTP {status}"),
    }
    let text = std::str::from_utf8(&answer.body)?;
    Ok(Scrape { families: exposition::parse(text)?, at })
}

fn show(arguments: &Arguments, now: &Scrape, before: Option<&Scrape>) -> String {
    let look = Look {
        now: &now.families,
        before: before.map(|before| (before.families.as_slice(), now.at.duration_since(before.at))),
        filter: arguments.filter.as_deref().unwrap_or_default(),
        all: arguments.all,
        time: SystemTime::now(),
    };
    if arguments.json {
        return format!("{}\n", document::render(&look));
    }
    let watching = arguments.watch.is_some();
    let clear = if watching && std::io::stdout().is_terminal() { CLEAR } else { "" };
    format!("{clear}{}", view::render(&look))
}
