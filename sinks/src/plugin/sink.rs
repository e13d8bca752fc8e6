//! The events that wait to be handed to a plugin.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use bytes::Bytes;
use picoclaw_telemetry::sink::{Batch, Cadence, Sink, Verdict};
use picoclaw_telemetry::stats::DropReason;
use picoclaw_telemetry::{Checkpoint, Event, Record};

use super::frame::{events_header, read_events_header};
use super::{output, wire};
use crate::buffer::{Buffer, Pushed};
use crate::config::BufferConfig;
use crate::mask::Masker;

/// The size from which on a batch is full.
const BATCH_BYTES: usize = 64 * 1024;

/// How many batches are handed over at once.
const BATCHES: usize = 8;

/// What the transport tells the sink of a batch that did not go out whole.
#[derive(Debug, Default)]
pub(super) struct Losses(AtomicU64);

impl Losses {
    /// Notes events that the plugin will never take.
    pub(super) fn add(&self, events: u64) {
        self.0.fetch_add(events, Relaxed);
    }

    /// How many were noted since the last call.
    pub(super) fn take(&self) -> u64 {
        self.0.swap(0, Relaxed)
    }

    /// Whether any were noted.
    pub(super) fn any(&self) -> bool {
        self.0.load(Relaxed) > 0
    }
}

/// Encodes events for a plugin.
pub(super) struct PluginSink {
    name: String,
    masker: Arc<Masker>,
    buffer: Buffer,
    losses: Arc<Losses>,
    /// Evicted events of which the runner has not heard yet.
    evicted: u64,
    /// Events lost since the last batch.
    lost: u64,
    batches: u64,
    /// Whether the plugin was told to stop.
    stopped: bool,
}

impl PluginSink {
    pub(super) fn new(name: &str, buffer: BufferConfig, masker: Arc<Masker>, losses: Arc<Losses>) -> Self {
        Self {
            name: name.to_owned(),
            masker,
            buffer: Buffer::new(buffer),
            losses,
            evicted: 0,
            lost: 0,
            batches: 0,
            stopped: false,
        }
    }

    fn note_evicted(&mut self) {
        let evicted = self.buffer.take_evicted().entries;
        self.evicted += evicted;
        self.lost += evicted;
    }

    /// A line about this very plugin: handing it over could make it speak again, without end.
    fn is_own(&self, event: &Event) -> bool {
        let Event::Log(line) = event else { return false };
        line.fields.iter().any(|(name, value)| *name == output::NAME_FIELD && value.as_str() == self.name)
    }
}

impl Sink for PluginSink {
    fn record(&mut self, record: &Record) -> Verdict {
        if self.is_own(&record.event) {
            return Verdict::Filtered;
        }
        let reason = match self.buffer.push(1, |out| wire::push(record, &self.masker, out)) {
            Pushed::Stored => return Verdict::Buffered,
            Pushed::Full => DropReason::BufferFull,
            Pushed::TooLarge => DropReason::TooLarge,
        };
        self.lost += 1;
        Verdict::Dropped(reason)
    }

    fn gap(&mut self, missed: u64, _checkpoint: &Checkpoint) {
        self.lost += missed;
    }

    fn carries_records(&self) -> bool {
        true
    }

    fn cadence(&self) -> Cadence {
        Cadence::EachDrain
    }

    fn seal(&mut self, last: bool) -> Option<Batch> {
        self.note_evicted();
        let (mut frames, mut events) = (Vec::new(), 0);
        while frames.len() < 2 * BATCHES
            && let Some(taken) = self.buffer.take(BATCH_BYTES)
        {
            self.batches += 1;
            let count = u32::try_from(taken.entries).expect("a batch is small");
            let lost = std::mem::take(&mut self.lost);
            let header = events_header(self.batches, lost, count, taken.bytes.len());
            frames.extend([Bytes::copy_from_slice(&header), taken.bytes]);
            events += taken.entries;
        }
        if frames.is_empty() {
            // A batch without frames tells the plugin to stop.
            let stop = last && !std::mem::replace(&mut self.stopped, last);
            return stop.then(Batch::default);
        }
        Some(Batch::new(frames, events))
    }

    fn refused(&mut self, batch: Batch) -> u64 {
        let left = batch.frames.iter().step_by(2).filter_map(|frame| read_events_header(frame));
        let lost = self.losses.take() + left.map(|(_, count)| u64::from(count)).sum::<u64>();
        self.lost += lost;
        lost
    }

    fn evicted(&mut self) -> u64 {
        self.note_evicted();
        std::mem::take(&mut self.evicted)
    }

    fn buffered(&self) -> u64 {
        self.buffer.entries()
    }
}
