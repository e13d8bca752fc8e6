//! Events as a plugin sees them: borrowed for one call, so keeping one is a compile error.
//!
//! ```compile_fail
//! use picoclaw_plugin::{Batch, Event};
//! fn keep(batch: &Batch<'_>) -> Vec<Event<'static>> {
//!     batch.events().collect()
//! }
//! ```

use std::marker::PhantomData;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::abi;

/// How much something matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum Level {
    /// For developers.
    Debug = abi::PICOCLAW_DEBUG,
    /// What an operator wants to see.
    Info = abi::PICOCLAW_INFO,
    /// Something went wrong and was dealt with.
    Warn = abi::PICOCLAW_WARN,
    /// Something was lost.
    Error = abi::PICOCLAW_ERROR,
}

impl Level {
    /// The level with this number; what is higher than all of them is an error.
    pub fn from_number(number: u32) -> Self {
        match number {
            abi::PICOCLAW_DEBUG => Self::Debug,
            abi::PICOCLAW_INFO => Self::Info,
            abi::PICOCLAW_WARN => Self::Warn,
            _ => Self::Error,
        }
    }

    /// The word for logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// The value of an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// Text.
    Text(&'a str),
    /// A number of things.
    Count(u64),
    /// A length of time.
    Duration(Duration),
}

/// Events in their order.
#[derive(Clone, Copy)]
pub struct Batch<'a>(&'a abi::Batch);

impl<'a> Batch<'a> {
    /// A batch of the host. `None` when it is none: NULL, or smaller than version 1.
    ///
    /// # Safety
    /// `raw` is NULL or points to a batch of at least its size, whose events, attributes and UTF-8 texts are as the ABI
    /// says and live during `'a`.
    pub(crate) unsafe fn new(raw: *const abi::Batch) -> Option<Self> {
        // SAFETY: the caller promises that it is NULL or a batch.
        let batch = unsafe { raw.as_ref() }?;
        let whole = batch.size as usize >= abi::least::BATCH
            && batch.event_stride as usize >= abi::least::EVENT
            && batch.attribute_stride as usize >= abi::least::ATTRIBUTE;
        whole.then_some(Self(batch))
    }

    /// How many events.
    pub fn len(&self) -> usize {
        self.0.count as usize
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many events were lost between the last batch and this one.
    pub fn dropped_before(&self) -> u64 {
        self.0.dropped_before
    }

    /// The events.
    pub fn events(&self) -> Events<'a> {
        Events { batch: self.0, next: 0 }
    }
}

impl std::fmt::Debug for Batch<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.events()).finish()
    }
}

/// Walks over the events of a batch.
#[derive(Clone, Debug)]
pub struct Events<'a> {
    batch: &'a abi::Batch,
    next: u32,
}

impl<'a> Iterator for Events<'a> {
    type Item = Event<'a>;

    fn next(&mut self) -> Option<Event<'a>> {
        if self.next >= self.batch.count {
            return None;
        }
        let at = self.next as usize * self.batch.event_stride as usize;
        self.next += 1;
        // SAFETY: the batch has `count` events, `event_stride` bytes apart (promised to `Batch::new`), and each is at
        // least as large as ours (checked there).
        let raw = unsafe { &*self.batch.events.byte_add(at) };
        Some(Event { raw, attribute_stride: self.batch.attribute_stride as usize })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = (self.batch.count - self.next) as usize;
        (left, Some(left))
    }
}

impl ExactSizeIterator for Events<'_> {}

/// A happening.
#[derive(Clone, Copy)]
pub struct Event<'a> {
    raw: &'a abi::Event,
    attribute_stride: usize,
}

impl<'a> Event<'a> {
    /// Its number in the stream of the gateway: from 1, without holes but for what was lost or filtered.
    pub fn seq(&self) -> u64 {
        self.raw.seq
    }

    /// When it happened, in nanoseconds since 1970.
    pub fn unix_nanos(&self) -> u64 {
        self.raw.time_unix_ns
    }

    /// When it happened.
    pub fn time(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_nanos(self.raw.time_unix_ns)
    }

    /// How much it matters.
    pub fn level(&self) -> Level {
        Level::from_number(self.raw.level)
    }

    /// Its dotted kind, such as `agent.llm.response`.
    pub fn kind(&self) -> &'a str {
        text(self.raw.kind, PhantomData::<&'a ()>)
    }

    /// Which part of the gateway it concerns.
    pub fn component(&self) -> &'a str {
        text(self.raw.component, PhantomData::<&'a ()>)
    }

    /// A sentence for people.
    pub fn message(&self) -> &'a str {
        text(self.raw.message, PhantomData::<&'a ()>)
    }

    /// Its facts, in their order. Kinds of values that this version does not know are left out.
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes { event: *self, next: 0 }
    }

    /// The fact of this name.
    pub fn attribute(&self, key: &str) -> Option<Value<'a>> {
        self.attributes().find(|(name, _)| *name == key).map(|(_, value)| value)
    }

    /// The fact of this name, if it is a text.
    pub fn text(&self, key: &str) -> Option<&'a str> {
        match self.attribute(key) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }
}

impl std::fmt::Debug for Event<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = f.debug_struct("Event");
        out.field("seq", &self.seq()).field("kind", &self.kind()).field("message", &self.message());
        out.finish_non_exhaustive()
    }
}

/// Walks over the facts of an event.
#[derive(Clone, Debug)]
pub struct Attributes<'a> {
    event: Event<'a>,
    next: u32,
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (&'a str, Value<'a>);

    fn next(&mut self) -> Option<(&'a str, Value<'a>)> {
        while self.next < self.event.raw.attribute_count {
            let at = self.next as usize * self.event.attribute_stride;
            self.next += 1;
            // SAFETY: the event has `attribute_count` attributes, `attribute_stride` bytes apart (promised to
            // `Batch::new`), and each is at least as large as ours (checked there).
            let raw: &'a abi::Attribute = unsafe { &*self.event.raw.attributes.byte_add(at) };
            let value = match raw.kind {
                abi::PICOCLAW_TEXT => Value::Text(text(raw.text, PhantomData::<&'a ()>)),
                abi::PICOCLAW_COUNT => Value::Count(raw.number),
                abi::PICOCLAW_DURATION => Value::Duration(Duration::from_nanos(raw.number)),
                _ => continue,
            };
            return Some((text(raw.key, PhantomData::<&'a ()>), value));
        }
        None
    }
}

/// A text of a batch.
fn text<'a>(raw: abi::Text, _lives: PhantomData<&'a ()>) -> &'a str {
    // SAFETY: private, and called with texts of a batch only, which live during 'a (promised to `Batch::new`).
    let bytes = unsafe { raw.bytes::<'a>() };
    // The host checks its texts; a host that did not must not make a plugin unsound.
    std::str::from_utf8(bytes).unwrap_or("\u{fffd}")
}

// References to these structs reach no further than version 1.0: see `abi::least`.
const _: () = {
    assert!(size_of::<abi::Batch>() == abi::least::BATCH);
    assert!(size_of::<abi::Event>() == abi::least::EVENT);
    assert!(size_of::<abi::Attribute>() == abi::least::ATTRIBUTE);
};
