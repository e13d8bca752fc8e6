//! The contest in answers that come in pieces.

use std::time::Duration;

use anyhow::Context;

use crate::contest::Contestant;
use crate::pieces::{Streams, round};
use crate::report::{Report, median};

/// Callers at a low rate.
const FEW: usize = 2;

/// One contestant's rounds.
#[derive(Default)]
struct Measured {
    cpu: Vec<f64>,
    rounds: Vec<Streams>,
}

impl Measured {
    fn median(&self, of: impl Fn(&Streams) -> f64) -> f64 {
        median(self.rounds.iter().map(of))
    }

    fn frames(&self) -> f64 {
        self.rounds.iter().map(|round| round.frames).sum::<u64>() as f64
    }
}

/// Compares the first contestant, the relay, with the second.
pub(crate) fn run(
    contestants: &[&Contestant],
    rounds: usize,
    time: Duration,
    connections: usize,
    report: &mut Report,
) -> anyhow::Result<()> {
    let paced = measure(contestants, rounds, time, FEW, "paced")?;
    let unpaced = measure(contestants, rounds, time, connections, "unpaced")?;
    let names = contestants.iter().map(|contestant| contestant.name);
    let rows: Vec<_> = names
        .clone()
        .zip(&paced)
        .map(|(name, m)| {
            let first = m.median(|round| round.first.micros(0.5));
            let worst = m.median(|round| round.first.micros(0.99));
            (name, vec![first, worst, m.median(|round| round.whole.micros(0.5)), m.frames()])
        })
        .collect();
    report.table(
        &format!("Streams whose pieces come every 2 ms, {FEW} connections, every piece checked:"),
        &["Contestant", "first token p50 us", "p99 us", "whole p50 us", "pieces, none lost"],
        &rows,
    );
    let first = |measured: &[Measured], at: usize| measured[at].median(|round| round.first.micros(0.5));
    report.at_most(
        "time to first token, paced, against relay",
        first(&paced, 1) / first(&paced, 0),
        1.3,
        1.1,
    );
    let rows: Vec<_> = names
        .zip(&unpaced)
        .map(|(name, m)| {
            let rate = m.median(|round| round.whole.per_second());
            let cpu = median(m.cpu.iter().copied());
            (name, vec![rate, cpu, m.median(|round| round.first.micros(0.5)), m.frames()])
        })
        .collect();
    report.table(
        &format!("Streams without pauses, {connections} connections, every piece checked:"),
        &["Contestant", "streams/s", "CPU us/stream", "first token p50 us", "pieces, none lost"],
        &rows,
    );
    Ok(())
}

fn measure(
    contestants: &[&Contestant],
    rounds: usize,
    time: Duration,
    connections: usize,
    model: &'static str,
) -> anyhow::Result<Vec<Measured>> {
    let mut measured: Vec<Measured> = contestants.iter().map(|_| Measured::default()).collect();
    for _ in 0..rounds {
        for (contestant, measured) in contestants.iter().zip(&mut measured) {
            let before = contestant.running().cpu()?;
            let streams = round(contestant.port(), connections, model, time)
                .with_context(|| format!("{}, {model}", contestant.name))?;
            let used = contestant.running().cpu()? - before;
            measured.cpu.push(used * 1e6 / streams.whole.answers as f64);
            measured.rounds.push(streams);
        }
    }
    Ok(measured)
}
