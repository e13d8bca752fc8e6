//! A host and batches for the tests of a plugin, which then needs no gateway.
//!
//! ```
//! use picoclaw_plugin::testing::{Sample, host, with_batch};
//! # use picoclaw_plugin::{Batch, Failure, Host, Plugin};
//! # struct Counter(u64);
//! # impl Plugin for Counter {
//! #     fn create(_: Host, _: &str) -> Result<Self, Failure> { Ok(Self(0)) }
//! #     fn on_events(&mut self, b: &Batch<'_>) -> Result<(), Failure> { self.0 += b.len() as u64; Ok(()) }
//! # }
//!
//! let mut plugin = Counter::create(host(), "{}").unwrap();
//! with_batch(&[Sample::new("agent.turn.end")], |batch| plugin.on_events(batch)).unwrap();
//! assert_eq!(plugin.0, 1);
//! ```

use std::ffi::c_void;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::abi;
use crate::batch::{BatchMemory, EventBatch, EventFacts};
use crate::event::{Batch, Level, Value};
use crate::handle::Host;

/// An event for a test.
#[derive(Clone, Debug)]
pub struct Sample<'a> {
    /// Its dotted kind.
    pub kind: &'a str,
    /// How much it matters.
    pub level: Level,
    /// A sentence for people.
    pub message: &'a str,
    /// Its facts.
    pub attributes: Vec<(&'a str, Value<'a>)>,
}

impl<'a> Sample<'a> {
    /// An event of this kind without facts.
    pub fn new(kind: &'a str) -> Self {
        Self { kind, level: Level::Info, message: "", attributes: Vec::new() }
    }

    /// The same with one fact more.
    #[must_use]
    pub fn with(mut self, key: &'a str, value: Value<'a>) -> Self {
        self.attributes.push((key, value));
        self
    }
}

/// A host whose log goes nowhere.
pub fn host() -> Host {
    unsafe extern "C" fn ignore(_context: *mut c_void, _level: u32, _text: abi::Text) {}
    unsafe extern "C" fn nothing(_context: *mut c_void, _name: abi::Text) -> *const c_void {
        std::ptr::null()
    }
    let host: &'static abi::Host = Box::leak(Box::new(abi::Host {
        size: size_of::<abi::Host>() as u32,
        minor: u32::from(abi::PICOCLAW_ABI_MINOR),
        context: std::ptr::null_mut(),
        log: Some(ignore),
        get_extension: Some(nothing),
    }));
    // SAFETY: the host is leaked, so it lives until the process ends, and it is as large as it says.
    unsafe { Host::new(host) }.expect("it has the size of this version")
}

/// Calls `action` with a batch of these events, numbered from 1.
pub fn with_batch<R>(samples: &[Sample<'_>], action: impl FnOnce(&Batch<'_>) -> R) -> R {
    let mut memory = BatchMemory::default();
    let mut batch = EventBatch::new(&mut memory, 0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let time_unix_ns = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
    for (seq, sample) in (1..).zip(samples) {
        let Sample { kind, level, message, .. } = *sample;
        batch.push(EventFacts { seq, time_unix_ns, level, kind, component: "main", message });
        sample.attributes.iter().for_each(|(key, value)| batch.attribute(key, *value));
    }
    let raw = batch.raw();
    // SAFETY: `raw` is as the ABI says, and everything it points to is borrowed until the end of this function.
    let batch = unsafe { Batch::new(&raw) }.expect("it has the size of this version");
    action(&batch)
}
