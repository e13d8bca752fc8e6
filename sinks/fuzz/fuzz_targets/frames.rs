//! Whatever a plugin's host sends or receives: it is a frame, an error, or waited for.
//!
//! `scripts/fuzz 60`, or `cargo +nightly fuzz run frames` in `sinks`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use picoclaw_plugin::loader::{BatchMemory, EventBatch};
use picoclaw_sinks::plugin::frame::Frame;
use picoclaw_sinks::plugin::wire;

fuzz_target!(|bytes: &[u8]| {
    let mut rest = bytes;
    while let Ok(Some((frame, length))) = Frame::first(rest) {
        let mut again = Vec::new();
        frame.push(&mut again);
        assert_eq!(again, rest[..length], "a frame that was read is written as it was");
        if let Frame::Events { lost_before, count, events, .. } = frame {
            let mut memory = BatchMemory::default();
            let mut batch = EventBatch::new(&mut memory, lost_before);
            let whole = wire::read(events, count, &mut batch);
            assert!(whole.is_err() || batch.len() == count as usize);
        }
        rest = &rest[length..];
    }
});
