//! How many events a second the four sinks take in without a gap.

use std::time::{Duration, Instant};

use picoclaw_sinks::supervisor::Supervisor;
use picoclaw_telemetry::{Bus, Detail};
use serde_json::json;

use crate::report::Report;
use crate::scene;

/// Events a second that are tried, in millions.
const RATES: [f64; 9] = [0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0];

/// How long each is tried.
const TIME: Duration = Duration::from_secs(1);

/// Events come in bursts, one each.
const TICK: Duration = Duration::from_micros(200);

/// The longest time whose events come at once.
const LONGEST_BURST: Duration = Duration::from_millis(1);

struct Outcome {
    /// Events a second that were really emitted.
    reached: f64,
    /// Events that sinks missed in the ring.
    lagged: u64,
    /// Events that sinks could not keep until they were written.
    dropped: u64,
}

fn flood(millions: f64) -> anyhow::Result<Outcome> {
    let home = tempfile::tempdir()?;
    let agent = std::net::UdpSocket::bind("127.0.0.1:0")?;
    let sinks = serde_json::from_value::<Vec<_>>(json!([
        { "type": "prometheus" }, { "type": "newrelic" },
        { "type": "jsonlog", "options": { "path": home.path().join("bench.log") } },
        { "type": "datadog", "options": { "address": agent.local_addr()?.to_string() } },
    ]))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let bus = Bus::default();
    let context = scene::context(&bus);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let (start, started) = std::sync::mpsc::channel();
    let of_sinks = context.clone();
    let at_work = std::thread::spawn(move || {
        runtime.block_on(async {
            let mut supervisor = Supervisor::start(&sinks, of_sinks)?;
            start.send(())?;
            stopped.await?;
            supervisor.drain(Duration::from_secs(10)).await;
            anyhow::Ok(())
        })
    });
    // When this fails, the thread says why.
    let _ = started.recv();
    let reached = emit(&bus, millions * 1e6);
    let _ = stop.send(());
    at_work.join().map_err(|_| anyhow::anyhow!("the sinks panicked"))??;
    let all = context.sinks.all();
    let lagged = all.iter().map(|sink| sink.lagged()).sum();
    let dropped = all.iter().map(|sink| sink.dropped_total()).sum();
    Ok(Outcome { reached, lagged, dropped })
}

/// Emits at this rate and returns the one that was reached.
fn emit(bus: &Bus, rate: f64) -> f64 {
    let channel = scene::channel(bus);
    let session: Detail = "session-1".into();
    let began = Instant::now();
    let mut emitted = 0_u64;
    let mut last = began;
    while began.elapsed() < TIME {
        std::thread::sleep(TICK);
        let now = Instant::now();
        // What this thread did not emit while it had to wait for a core is not made up for in one burst: that would be
        // its own fault and not the sinks'.
        let due = (now - last).min(LONGEST_BURST).as_secs_f64() * rate;
        last = now;
        for _ in 0..due as u64 {
            bus.emit(scene::reply(channel, &session));
        }
        emitted += due as u64;
    }
    emitted as f64 / began.elapsed().as_secs_f64()
}

pub(crate) fn report(report: &mut Report) {
    let mut rows = Vec::new();
    let mut best = 0.0;
    for millions in RATES {
        let outcome = match flood(millions) {
            Ok(outcome) => outcome,
            Err(error) => panic!("the sinks start: {error}"),
        };
        if outcome.lagged == 0 {
            best = f64::max(best, outcome.reached);
        }
        let numbers = vec![outcome.reached / 1e6, outcome.lagged as f64, outcome.dropped as f64];
        rows.push((format!("{millions} M"), numbers));
        if outcome.lagged > 0 {
            break;
        }
    }
    let rows: Vec<_> = rows.iter().map(|(name, numbers)| (name.as_str(), numbers.clone())).collect();
    report.table(
        "Four sinks at work, more and more events a second until one misses some:",
        &["wanted", "reached, M/s", "missed in the ring", "dropped by a full buffer"],
        &rows,
    );
    report.at_least("events a second without a gap, four sinks, M", best / 1e6, 1.0, 3.0);
}
