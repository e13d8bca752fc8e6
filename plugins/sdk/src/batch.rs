//! Events in the layout of the ABI.

use std::marker::PhantomData;

use crate::abi::{self, Attribute, Batch, Event, Text};
use crate::event::{Level, Value};

/// Memory for batches, to be used again and again.
#[derive(Debug, Default)]
pub struct BatchMemory {
    events: Vec<Event>,
    attributes: Vec<Attribute>,
}

// SAFETY: the pointers are meaningful only while an `EventBatch` borrows the memory; between two of them nobody reads
// them, and a new batch begins by throwing them away.
unsafe impl Send for BatchMemory {}

/// What is the same in every event.
#[derive(Clone, Copy, Debug)]
pub struct EventFacts<'a> {
    /// Its number.
    pub seq: u64,
    /// When it happened, in nanoseconds since 1970.
    pub time_unix_ns: u64,
    /// How much it matters.
    pub level: Level,
    /// Its dotted kind.
    pub kind: &'a str,
    /// Which part of the gateway it concerns.
    pub component: &'a str,
    /// A sentence for people.
    pub message: &'a str,
}

/// A batch that is put together. All texts live as long as `'a`.
#[derive(Debug)]
pub struct EventBatch<'m, 'a> {
    memory: &'m mut BatchMemory,
    dropped_before: u64,
    texts: PhantomData<&'a str>,
}

impl<'m, 'a> EventBatch<'m, 'a> {
    /// An empty batch, before which so many events were lost.
    pub fn new(memory: &'m mut BatchMemory, dropped_before: u64) -> Self {
        memory.events.clear();
        memory.attributes.clear();
        Self { memory, dropped_before, texts: PhantomData }
    }

    /// Adds an event.
    pub fn push(&mut self, facts: EventFacts<'a>) {
        self.memory.events.push(Event {
            seq: facts.seq,
            time_unix_ns: facts.time_unix_ns,
            kind: Text::of(facts.kind),
            component: Text::of(facts.component),
            message: Text::of(facts.message),
            level: facts.level as u32,
            attribute_count: 0,
            attributes: std::ptr::null(),
        });
    }

    /// Adds an attribute to the event that was added last; without an event, nothing.
    pub fn attribute(&mut self, key: &'a str, value: Value<'a>) {
        let Some(event) = self.memory.events.last_mut() else { return };
        let (kind, text, number) = match value {
            Value::Text(text) => (abi::PICOCLAW_TEXT, Text::of(text), 0),
            Value::Count(count) => (abi::PICOCLAW_COUNT, Text::new(""), count),
            Value::Duration(time) => {
                let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
                (abi::PICOCLAW_DURATION, Text::new(""), nanos)
            }
        };
        event.attribute_count += 1;
        self.memory.attributes.push(Attribute { key: Text::of(key), kind, reserved: 0, text, number });
    }

    /// How many events.
    pub fn len(&self) -> usize {
        self.memory.events.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.memory.events.is_empty()
    }

    /// The batch as the ABI wants it, valid as long as this is borrowed.
    pub(crate) fn raw(&mut self) -> Batch {
        // The attributes stand one after the other; only now they no longer move.
        let mut next = 0;
        for event in &mut self.memory.events {
            let count = event.attribute_count as usize;
            event.attributes = self.memory.attributes[next..next + count].as_ptr();
            next += count;
        }
        Batch {
            size: size_of::<Batch>() as u32,
            event_stride: size_of::<Event>() as u32,
            attribute_stride: size_of::<Attribute>() as u32,
            count: u32::try_from(self.memory.events.len()).unwrap_or(u32::MAX),
            dropped_before: self.dropped_before,
            events: self.memory.events.as_ptr(),
        }
    }
}
