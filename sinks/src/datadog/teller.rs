//! Writes a series' line and notes what the Agent will know by it.

use picoclaw_telemetry::{Metric, MetricKind, SeriesValue};

use super::encode::Packer;
use super::observations::made_up;
use super::told::Told;

/// Observations in one flush. More wait for the next one, as counts in buckets, which cost nothing.
const MOST_OBSERVATIONS: u64 = 50_000;

/// What the Agent knows once a frame has gone out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) frame: usize,
    pub(super) place: usize,
    pub(super) number: u64,
}

/// How a series is told.
#[derive(Debug)]
pub(super) struct Line {
    /// Where its numbers stand in the table; meaningless for a gauge.
    place: usize,
    /// Type, tags and origin.
    ending: String,
}

/// Writes lines and notes the steps that they are.
pub(super) struct Teller<'a> {
    packer: &'a mut Packer,
    told: &'a mut Told,
    steps: &'a mut Vec<Step>,
    room: u64,
    owes: bool,
}

impl<'a> Teller<'a> {
    pub(super) fn new(packer: &'a mut Packer, told: &'a mut Told, steps: &'a mut Vec<Step>) -> Self {
        Self { packer, told, steps, room: MOST_OBSERVATIONS, owes: false }
    }

    /// Whether observations had no room.
    pub(super) fn owes(&self) -> bool {
        self.owes
    }

    /// How a series will be told.
    pub(super) fn line(&mut self, metric: Metric, labels: &[&str]) -> Line {
        let info = metric.info();
        let (letter, width) = match info.kind {
            MetricKind::Counter => ("c", 1),
            MetricKind::Gauge => ("g", 0),
            MetricKind::Histogram(bounds) => ("d", bounds.len() + 1),
        };
        let mut key = String::new();
        key_of(metric, labels, &mut key);
        Line { place: self.told.place(&key, width), ending: self.packer.ending(letter, info, labels) }
    }

    /// Tells what is new of a series. `remembered` are observations that a histogram counts.
    pub(super) fn tell(&mut self, metric: Metric, line: &Line, value: SeriesValue<'_>, remembered: Vec<f64>) {
        let info = metric.info();
        match (info.kind, value) {
            (MetricKind::Counter, SeriesValue::Counter(n)) => {
                if let Some(grown) = self.growth(line.place, n, info.labels.len() <= 1) {
                    self.packer.count(info.statsd, grown, &line.ending);
                    self.step(line.place, n);
                }
            }
            // CPU time is a counter that is not whole; it is told in whole microseconds.
            (MetricKind::Counter, SeriesValue::Gauge(x)) => {
                let micros = (x * 1e6).round() as u64;
                if let Some(grown) = self.growth(line.place, micros, true) {
                    self.packer.number(info.statsd, grown as f64 / 1e6, &line.ending);
                    self.step(line.place, micros);
                }
            }
            (_, SeriesValue::Gauge(x)) => self.packer.number(info.statsd, x, &line.ending),
            (MetricKind::Histogram(bounds), SeriesValue::Histogram(buckets, _)) => {
                self.observations(info.statsd, line, bounds, buckets, remembered);
            }
            _ => {}
        }
    }

    /// What a counter grew by, if that is worth a line. A new series is announced with 0, so that monitors see it
    /// before anything happens; not so series of many labels, most of which will never be anything but 0.
    fn growth(&self, place: usize, n: u64, announce: bool) -> Option<u64> {
        // A predecessor may have told more than we have taken in yet.
        let grown = n.saturating_sub(self.told.number(place));
        (grown > 0 || (announce && !self.told.knows(place))).then_some(grown)
    }

    /// As many values as the buckets grew by: the remembered ones, and made up ones for those that are not known.
    fn observations(
        &mut self,
        name: &str,
        line: &Line,
        bounds: &[f64],
        buckets: &[u64],
        mut remembered: Vec<f64>,
    ) {
        let Line { place, ending } = line;
        remembered.sort_unstable_by(f64::total_cmp);
        let mut remembered = remembered.as_slice();
        for (bucket, n) in buckets.iter().enumerate() {
            let place = place + bucket;
            let split =
                bounds.get(bucket).map_or(remembered.len(), |b| remembered.partition_point(|x| x <= b));
            let (mut known, rest) = remembered.split_at(split);
            remembered = rest;
            let before = self.told.number(place);
            let grown = n.saturating_sub(before);
            let taken = grown.min(self.room);
            self.room -= taken;
            self.owes |= taken < grown;
            let made_up = [made_up(bounds, bucket); 16];
            let mut done = 0;
            while done < taken {
                let most = usize::try_from(taken - done).unwrap_or(usize::MAX);
                let source = if known.is_empty() { made_up.as_slice() } else { known };
                let values = &source[..source.len().min(most)];
                let written = self.packer.observations(name, values, ending);
                known = known.get(written..).unwrap_or_default();
                done += written as u64;
                self.step(place, before + done);
            }
        }
    }

    fn step(&mut self, place: usize, number: u64) {
        let frame = self.packer.frame();
        match self.steps.last_mut() {
            Some(last) if last.frame == frame && last.place == place => last.number = number,
            _ => self.steps.push(Step { frame, place, number }),
        }
    }
}

/// A series' name in the table.
pub(super) fn key_of(metric: Metric, labels: &[&str], key: &mut String) {
    key.clear();
    key.push_str(metric.info().statsd);
    for label in labels {
        key.push('\n');
        key.push_str(label);
    }
}
