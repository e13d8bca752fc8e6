//! What one event costs in each place where it is handled, against the alternatives.
//!
//! `cargo bench -p picoclaw-bench` prints the ratios with their goals, contestants interleaved. With a filter or
//! options of divan behind `--`, divan runs the same workloads one by one instead.

#[path = "../src/report.rs"]
mod report;

mod dogstatsd;
mod emit;
mod flood;
mod jsonlog;
mod plugin;
mod scene;
mod scrape;

use std::process::ExitCode;
use std::time::Duration;

use divan::Bencher;
use rustix::time::{ClockId, clock_gettime};

use crate::report::{Report, median};

/// The program's own (docs/adr/0022-allocator.md), for all contestants.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Rounds of a comparison.
const ROUNDS: usize = 7;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(ended) = plugin::host(&arguments) {
        return ended;
    }
    measure();
    ExitCode::SUCCESS
}

fn measure() {
    let options: Vec<String> = std::env::args().skip(1).filter(|option| option != "--bench").collect();
    if options.as_slice() != ["--json"] && !options.is_empty() {
        return divan::main();
    }
    let mut report = Report::new(!options.is_empty());
    emit::report(&mut report);
    scrape::report(&mut report);
    jsonlog::report(&mut report);
    dogstatsd::report(&mut report);
    plugin::report(&mut report);
    flood::report(&mut report);
    report.finish();
}

/// A workload: does it once and tells how many units that were and what they cost this thread.
type Workload<'a> = Box<dyn FnMut() -> (usize, Duration) + 'a>;

/// A workload that is measured as a whole.
fn timed<'a>(mut work: impl FnMut() -> usize + 'a) -> Workload<'a> {
    Box::new(move || {
        let began = cpu();
        let units = work();
        (units, cpu() - began)
    })
}

/// CPU time of this thread: what others do meanwhile, and waiting, cost it nothing.
fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Nanoseconds per unit of each workload: medians of interleaved rounds after one that warms up.
fn compare(workloads: &mut [Workload<'_>]) -> Vec<f64> {
    let mut times = vec![Vec::new(); workloads.len()];
    for round in 0..=ROUNDS {
        for (workload, times) in workloads.iter_mut().zip(&mut times) {
            let (units, took) = workload();
            if round > 0 {
                times.push(took.as_nanos() as f64 / units.max(1) as f64);
            }
        }
    }
    times.into_iter().map(median).collect()
}

#[divan::bench(args = [0, 1, 4])]
fn emit_with_subscribers(bencher: Bencher<'_, '_>, subscribers: usize) {
    let mut crowd = emit::Crowd::new(subscribers);
    bencher.counter(divan::counter::ItemsCount::new(emit::BURST)).bench_local(|| crowd.burst());
}

#[divan::bench(args = scrape::SIZES)]
fn scrape_picoclaw(bencher: Bencher<'_, '_>, series: usize) {
    let mut subject = scrape::Scrape::new(series);
    bencher.bench_local(|| subject.ours());
}

#[divan::bench(args = scrape::SIZES)]
fn scrape_prometheus_crate(bencher: Bencher<'_, '_>, series: usize) {
    let mut subject = scrape::Scrape::new(series);
    bencher.bench_local(|| subject.theirs());
}

#[divan::bench]
fn json_line_picoclaw(bencher: Bencher<'_, '_>) {
    let mut log = jsonlog::Ours::new();
    bencher.counter(divan::counter::ItemsCount::new(jsonlog::LINES)).bench_local(|| log.lines());
}

#[divan::bench]
fn datagrams_picoclaw(bencher: Bencher<'_, '_>) {
    let mut agent = dogstatsd::Ours::new();
    bencher.bench_local(|| agent.flush());
}
