//! What has to be told: the numbers now against the numbers as they last went out.
//!
//! Each line that is written leaves a [`Step`]: what the Agent will know when the line's datagram has gone out. The
//! steps of datagrams that went out are taken, the others are not, so a flush of which only a part arrived is told
//! to the end by the next one, or by the sink's successor, once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use picoclaw_telemetry::metric::Source;
use picoclaw_telemetry::{Ledger, Metric, MetricKind, Record, SeriesValue, SinkStats};
use rustc_hash::FxHashMap;

use super::encode::Packer;
use super::observations::Observations;
use super::teller::{Line, Step, Teller, key_of};
use super::told::{self, Found, Told};
use crate::context::Context;
use crate::{own, process};

/// How many frames of the batch under way went out: the transport counts, the sink reads.
pub(super) type Progress = Arc<AtomicUsize>;

/// The ledger, and what of it was told.
#[derive(Debug)]
pub(super) struct Deltas {
    context: Context,
    /// Who the table belongs to; known from the start on, for a sink that is only checked leaves no trace.
    owner: Option<Arc<SinkStats>>,
    name: String,
    ledger: Ledger,
    observations: Observations,
    /// `None` while a predecessor still uses it.
    told: Option<Told>,
    steps: Vec<Step>,
    progress: Progress,
    /// By metric, then by position in the ledger.
    lines: Vec<Vec<Line>>,
    /// Of all that is not in the ledger, by name and labels.
    other_lines: FxHashMap<Box<str>, Line>,
    owes: bool,
}

impl Deltas {
    /// Of the sink with this name.
    pub(super) fn new(context: Context, name: &str, progress: Progress) -> Self {
        Self {
            context,
            owner: None,
            name: name.to_owned(),
            ledger: Ledger::new(),
            observations: Observations::default(),
            told: None,
            steps: Vec::new(),
            progress,
            lines: Metric::ALL.iter().map(|_| Vec::new()).collect(),
            other_lines: FxHashMap::default(),
            owes: false,
        }
    }

    /// Begins where a predecessor ended. Without one, a sink that starts with the gateway tells everything from the
    /// very first event on, and one that is configured later what happens from now on: all that came before would be
    /// a peak that never was.
    pub(super) fn start(&mut self, ledger: &Ledger, packer: &mut Packer) {
        self.ledger = ledger.clone();
        let owner = self.owner.insert(self.context.sinks.entry(&self.name));
        match told::take(owner, told::INHERITANCE) {
            Found::Inherited(told) => self.told = Some(told),
            Found::InUse => {}
            Found::Nothing => {
                self.told = Some(Told::default());
                // The first configuration is taken when the gateway starts, and the sinks start just before.
                let with_the_gateway = ledger.gauge(Metric::ConfigReloadTime, &[]) == 0.0;
                if !with_the_gateway {
                    self.skip(packer);
                }
            }
        }
    }

    /// Takes everything as told.
    fn skip(&mut self, packer: &mut Packer) {
        loop {
            self.seal(packer);
            packer.discard();
            self.acknowledged();
            if !self.owes {
                return;
            }
        }
    }

    pub(super) fn record(&mut self, record: &Record) {
        if record.seq > self.ledger.seq() {
            self.observations.record(&record.event);
        }
        self.ledger.apply(record);
    }

    /// The exact numbers replace ours; observations that were missed are made up from the buckets.
    pub(super) fn heal(&mut self, ledger: &Ledger) {
        self.ledger = ledger.clone();
    }

    /// Whether the last flush left observations for the next one.
    pub(super) fn owes_observations(&self) -> bool {
        self.owes
    }

    /// The batch is out.
    pub(super) fn acknowledged(&mut self) {
        self.settle(usize::MAX);
    }

    /// The rest of the batch will never be out: the next one tells it.
    pub(super) fn refused(&mut self) {
        self.settle(self.progress.load(Relaxed));
    }

    fn settle(&mut self, frames: usize) {
        if let Some(told) = &mut self.told {
            let out = self.steps.iter().take_while(|step| step.frame < frames);
            out.for_each(|step| told.set(step.place, step.number));
        }
        self.steps.clear();
    }

    /// Writes everything that is to be told now. Returns whether it could: a predecessor may still be sending.
    pub(super) fn seal(&mut self, packer: &mut Packer) -> bool {
        if self.told.is_none()
            && let Some(owner) = &self.owner
            && let Found::Inherited(told) = told::take(owner, Duration::MAX)
        {
            self.told = Some(told);
        }
        let Some(told) = &mut self.told else { return false };
        self.steps.clear();
        self.progress.store(0, Relaxed);
        let mut teller = Teller::new(packer, told, &mut self.steps);
        for metric in Metric::ALL.iter().filter(|metric| metric.info().source == Source::Ledger) {
            let lines = &mut self.lines[*metric as usize];
            let observed = matches!(metric.info().kind, MetricKind::Histogram(_));
            for (at, series) in self.ledger.series(*metric).enumerate() {
                if at == lines.len() {
                    lines.push(teller.line(*metric, series.labels));
                }
                let remembered =
                    if observed { self.observations.take(*metric, series.labels) } else { Vec::new() };
                teller.tell(*metric, &lines[at], series.value, remembered);
            }
        }
        let mut key = String::new();
        let lines = &mut self.other_lines;
        let mut other = |metric: Metric, labels: &[&str], value: SeriesValue<'_>| {
            key_of(metric, labels, &mut key);
            if !lines.contains_key(key.as_str()) {
                lines.insert(key.as_str().into(), teller.line(metric, labels));
            }
            teller.tell(metric, &lines[key.as_str()], value, Vec::new());
        };
        own::visit(&self.context, &mut other);
        process::facts().visit(|metric, value| other(metric, &[], value));
        self.owes = teller.owes();
        true
    }
}

/// Whoever ends leaves behind what was told.
impl Drop for Deltas {
    fn drop(&mut self) {
        self.refused();
        if let (Some(owner), Some(told)) = (&self.owner, self.told.take()) {
            told::leave(owner, told);
        }
    }
}
