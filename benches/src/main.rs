//! What the gateway costs, side by side with a bare relay in one run.
//!
//! `picoclaw-bench gateway [PATH] [--seconds N] [--json]` drives the real binary at PATH. The other modes are the
//! helpers that it starts as processes of their own: `upstream` and `relay PORT`.

mod answer;
mod contest;
mod gateway;
mod load;
mod pieces;
mod process;
mod relay;
mod report;
mod startup;
mod streams;
mod upstream;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;

use crate::report::Report;

const USAGE: &str =
    "usage: picoclaw-bench gateway [PATH, target/release/picoclaw] [--seconds N per contestant, 10] [--json]";

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["upstream"] => runtime()?.block_on(upstream::serve()),
        ["relay", upstream] => runtime()?.block_on(relay::serve(upstream.parse()?)),
        ["gateway", options @ ..] => measure(options),
        _ => anyhow::bail!(USAGE),
    }
}

fn measure(options: &[&str]) -> anyhow::Result<()> {
    let mut binary = PathBuf::from("target/release/picoclaw");
    let mut seconds = 10.0;
    let mut json = false;
    let mut options = options.iter();
    while let Some(option) = options.next() {
        match *option {
            "--json" => json = true,
            "--seconds" => seconds = options.next().context(USAGE)?.parse().context("--seconds")?,
            path if !path.starts_with('-') => binary = PathBuf::from(path),
            other => anyhow::bail!("unknown option {other}; {USAGE}"),
        }
    }
    anyhow::ensure!((0.5..=3600.0).contains(&seconds), "--seconds: between 0.5 and 3600");
    let mut report = Report::new(json);
    let size = fs::metadata(&binary)
        .with_context(|| format!("{}: build it first, with cargo build --release", binary.display()))?;
    report.at_most("binary, MB", size.len() as f64 / 1e6, 15.0, 8.0);
    startup::run(&binary, &mut report)?;
    contest::run(&binary, Duration::from_secs_f64(seconds), &mut report)?;
    report.finish();
    Ok(())
}

/// One thread: every contestant gets one core.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}
