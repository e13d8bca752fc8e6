//! What the gateway costs, side by side with a bare relay in one run.
//!
//! `picoclaw-bench gateway PATH` drives the real binary; `picoclaw-bench emit` measures the bus. The other modes are
//! the contestants and helpers that it starts as processes of their own: `upstream`, `relay`.

mod contest;
mod emit;
mod load;
mod relay;
mod upstream;

use std::path::PathBuf;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["upstream"] => runtime()?.block_on(upstream::serve()),
        ["relay", upstream] => runtime()?.block_on(relay::serve(upstream.parse()?)),
        ["gateway", binary] => contest::run(&PathBuf::from(binary)),
        ["emit"] => {
            emit::run();
            Ok(())
        }
        _ => anyhow::bail!("usage: picoclaw-bench gateway PATH | emit"),
    }
}

/// One thread: every contestant gets one core.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

/// A line of the report.
#[allow(clippy::print_stdout)]
fn say(line: &str) {
    println!("{line}");
}
