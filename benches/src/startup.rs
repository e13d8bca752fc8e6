//! From nothing to the first answer, and memory at rest.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::gateway::{Gateway, Variant, four_sinks};
use crate::process::Core;
use crate::report::{Report, median};

const STARTS: usize = 20;

/// How long a gateway rests before its memory is read, while monitors look at it once a second.
const REST: Duration = Duration::from_secs(10);

pub(crate) fn run(binary: &Path, report: &mut Report) -> anyhow::Result<()> {
    // Nothing listens on the discard port; nobody asks a model here.
    let mut variant = Variant { sinks: four_sinks()?, persistence: "durable", tools: true, upstream: 9 };
    let mut times = Vec::new();
    for _ in 0..STARTS {
        let gateway = Gateway::start(binary, &variant, Core::Any)?;
        times.push(gateway.start.as_secs_f64() * 1e3);
    }
    let slowest = times.iter().copied().fold(0.0, f64::max);
    report.table(
        &format!("{STARTS} starts in an empty home, all four sinks, from spawn to the first 200 on /health:"),
        &["", "median ms", "slowest ms"],
        &[("start", vec![median(times.iter().copied()), slowest])],
    );
    report.at_most("start to first 200, ms (median)", median(times), 10.0, 3.0);

    let all = Gateway::start(binary, &variant, Core::Any)?;
    variant.sinks = json!([]);
    let none = Gateway::start(binary, &variant, Core::Any)?;
    let rested = Instant::now();
    while rested.elapsed() < REST {
        std::thread::sleep(Duration::from_secs(1));
        all.look()?;
        none.look()?;
    }
    let (all, none) = (all.running.memory()?, none.running.memory()?);
    report.table(
        &format!(
            "Memory after {} s without messages, /health and /metrics asked once a second:",
            REST.as_secs()
        ),
        &["", "RSS MiB", "peak MiB"],
        &[("no sinks", vec![none.now, none.peak]), ("all four sinks", vec![all.now, all.peak])],
    );
    report.at_most("idle RSS, all four sinks, MiB", all.now, 8.0, 5.0);
    Ok(())
}
