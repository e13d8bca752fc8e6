//! The lines that wait to be written.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use picoclaw_telemetry::sink::{Batch, Cadence, Sink, Verdict};
use picoclaw_telemetry::stats::DropReason;
use picoclaw_telemetry::words::Level;
use picoclaw_telemetry::{Checkpoint, Record};

use super::block::{self, Meaning, Progress};
use super::clock::Clock;
use super::options::{Format, Options};
use super::{line, text};
use crate::buffer::{Buffer, Pushed};
use crate::config::BufferConfig;
use crate::mask::Masker;

/// The most that is written at once.
const BATCH_BYTES: usize = 1024 * 1024;

/// Encodes events as lines.
pub(super) struct JsonLog {
    level: Level,
    encoder: Encoder,
    buffer: Buffer,
    /// Missing before the oldest line that waits.
    before: Missing,
    /// Missing after the newest line that waits.
    after: Missing,
    /// Evicted records of which the runner has not heard yet.
    evicted: u64,
    /// How many batches were sealed.
    batches: u64,
    /// How many records the sealed batch tells of, gap lines between events included.
    sealed: u64,
    /// Missing before the oldest line of the sealed batch.
    sealed_before: Missing,
    progress: Arc<Progress>,
}

struct Encoder {
    format: Format,
    clock: Clock,
    masker: Arc<Masker>,
}

/// Records that are missing at one place of the log, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Missing {
    lagged: u64,
    buffer_full: u64,
    too_large: u64,
    gave_up: u64,
    crashed: u64,
}

impl Missing {
    fn total(self) -> u64 {
        let Self { lagged, buffer_full, too_large, gave_up, crashed } = self;
        lagged + buffer_full + too_large + gave_up + crashed
    }

    fn add(&mut self, other: Self) {
        let Self { lagged, buffer_full, too_large, gave_up, crashed } = other;
        self.lagged += lagged;
        self.buffer_full += buffer_full;
        self.too_large += too_large;
        self.gave_up += gave_up;
        self.crashed += crashed;
    }

    fn by_reason(self) -> impl Iterator<Item = (Meaning, &'static str)> {
        [
            (Meaning::unseen(self.lagged), "lagged"),
            (Meaning::lost(self.buffer_full), DropReason::BufferFull.as_str()),
            (Meaning::lost(self.too_large), DropReason::TooLarge.as_str()),
            (Meaning::lost(self.gave_up), DropReason::GaveUp.as_str()),
            (Meaning::lost(self.crashed), DropReason::Crashed.as_str()),
        ]
        .into_iter()
        .filter(|(meaning, _)| meaning.missing > 0)
    }
}

impl JsonLog {
    pub(super) fn new(
        options: &Options,
        buffer: BufferConfig,
        masker: Arc<Masker>,
        progress: Arc<Progress>,
    ) -> Self {
        Self {
            level: options.level,
            encoder: Encoder { format: options.format, clock: Clock::default(), masker },
            buffer: Buffer::new(buffer),
            before: Missing::default(),
            after: Missing::default(),
            evicted: 0,
            batches: 0,
            sealed: 0,
            sealed_before: Missing::default(),
            progress,
        }
    }

    /// What made room for others is missing before all that waits.
    fn note_evicted(&mut self) {
        let evicted = self.buffer.take_evicted();
        self.evicted += evicted.entries;
        self.before.buffer_full += evicted.records;
    }

    /// Gap lines as a frame of their own.
    fn gap_frame(&mut self, missing: Missing, frames: &mut Vec<Bytes>) {
        if missing.total() > 0 {
            self.sealed += missing.total();
            let mut out = Vec::new();
            self.encoder.gaps(SystemTime::now(), missing, &mut out);
            frames.push(Bytes::from(out));
        }
    }
}

impl Encoder {
    fn event(&mut self, record: &Record, out: &mut Vec<u8>) {
        block::push(Meaning::EVENT, out, |out| match self.format {
            Format::Json => line::push(record, &mut self.clock, &self.masker, out),
            Format::Text => text::push(record, &mut self.clock, &self.masker, out),
        });
    }

    fn gaps(&mut self, time: SystemTime, missing: Missing, out: &mut Vec<u8>) {
        for (meaning, reason) in missing.by_reason() {
            let n = meaning.missing;
            block::push(meaning, out, |out| match self.format {
                Format::Json => line::push_gap(time, n, reason, &mut self.clock, &self.masker, out),
                Format::Text => text::push_gap(time, n, reason, &mut self.clock, out),
            });
        }
    }
}

impl Sink for JsonLog {
    fn record(&mut self, record: &Record) -> Verdict {
        if record.event.level() < self.level {
            return Verdict::Filtered;
        }
        let missing = self.after;
        let total = missing.total();
        let encoder = &mut self.encoder;
        let pushed = self.buffer.push(1 + total, |out| {
            if total > 0 {
                encoder.gaps(record.time, missing, out);
            }
            encoder.event(record, out);
        });
        match pushed {
            Pushed::Stored => {
                // They were told on the way; else they wait for the next line.
                self.after = Missing::default();
                Verdict::Buffered
            }
            Pushed::Full => {
                self.after.buffer_full += 1;
                Verdict::Dropped(DropReason::BufferFull)
            }
            Pushed::TooLarge => {
                self.after.too_large += 1;
                Verdict::Dropped(DropReason::TooLarge)
            }
        }
    }

    fn gap(&mut self, missed: u64, _checkpoint: &Checkpoint) {
        self.after.lagged += missed;
    }

    fn crashed(&mut self, lost: u64) {
        self.after.crashed += lost;
    }

    fn carries_records(&self) -> bool {
        true
    }

    fn cadence(&self) -> Cadence {
        Cadence::EachDrain
    }

    fn seal(&mut self, _last: bool) -> Option<Batch> {
        self.note_evicted();
        self.sealed = 0;
        let mut frames = vec![block::first_frame(self.batches + 1)];
        let mut events = 0;
        let before = std::mem::take(&mut self.before);
        self.sealed_before = before;
        self.gap_frame(before, &mut frames);
        if let Some(taken) = self.buffer.take(BATCH_BYTES) {
            events = taken.entries;
            self.sealed += taken.records;
            frames.push(taken.bytes);
        }
        if self.buffer.entries() == 0 {
            let after = std::mem::take(&mut self.after);
            self.gap_frame(after, &mut frames);
        }
        if frames.len() == 1 {
            return None;
        }
        self.batches += 1;
        Some(Batch::new(frames, events))
    }

    fn refused(&mut self, batch: Batch) -> u64 {
        let done = self.progress.of(&batch.frames);
        let mut untold = self.sealed.saturating_sub(done.records);
        if done.records == 0 {
            // Not even those before the batch were told of: they are missing for the reason that they had.
            self.before.add(self.sealed_before);
            untold -= self.sealed_before.total();
        }
        self.before.gave_up += untold;
        batch.events.saturating_sub(done.events)
    }

    fn evicted(&mut self) -> u64 {
        self.note_evicted();
        std::mem::take(&mut self.evicted)
    }

    fn buffered(&self) -> u64 {
        self.buffer.entries()
    }
}

#[cfg(test)]
mod tests;
