use std::sync::Arc;

use picoclaw_plugin::loader::BatchMemory;
use picoclaw_telemetry::event::LogLine;
use picoclaw_telemetry::words::{Component, Level as TelemetryLevel};
use picoclaw_telemetry::{Detail, Event};
use proptest::prelude::*;

use super::*;
use crate::testing::SECRET;

fn record() -> Record {
    let line = LogLine {
        level: TelemetryLevel::Warn,
        component: Component::Bus,
        message: Detail::new(&format!("the key is {SECRET}")),
        fields: vec![("sink", Detail::new("ünd")), ("error", Detail::new(SECRET))],
    };
    Record { seq: 7, time: UNIX_EPOCH + Duration::from_nanos(9), event: Event::Log(Arc::new(line)) }
}

fn encoded() -> Vec<u8> {
    let mut out = Vec::new();
    push(&record(), &Masker::new(&[SECRET.to_owned()]), &mut out);
    out
}

#[test]
fn events_come_out_as_they_went_in_but_for_secrets() {
    let bytes = [encoded(), encoded()].concat();
    let mut memory = BatchMemory::default();
    let mut batch = EventBatch::new(&mut memory, 0);
    read(&bytes, 2, &mut batch).unwrap();
    assert_eq!(batch.len(), 2);
    let shown = format!("{batch:?}");
    assert!(shown.contains("seq: 7") && shown.contains("time_unix_ns: 9") && shown.contains("level: 2"));
    let text = String::from_utf8_lossy(&bytes);
    assert!(!text.contains(SECRET) && text.contains("ünd"), "{text}");
}

#[test]
fn cut_or_surplus_bytes_are_refused() {
    let bytes = encoded();
    let outcome = |bytes: &[u8], count| {
        let mut memory = BatchMemory::default();
        let mut batch = EventBatch::new(&mut memory, 0);
        // The batch borrows for as long as the bytes live.
        read(bytes, count, &mut batch)
    };
    assert_eq!(outcome(&bytes, 1), Ok(()));
    assert_eq!(outcome(&bytes, 2), Err(FrameError::Content("end")));
    assert_eq!(outcome(&bytes, 0), Err(FrameError::Content("end")));
    for cut in 0..bytes.len() {
        assert!(outcome(&bytes[..cut], 1).is_err(), "{cut}");
    }
}

proptest! {
    #[test]
    fn noise_is_never_trouble(at in 0usize..100, byte: u8, count in 0u32..3, tail in prop::collection::vec(any::<u8>(), 0..40)) {
        let mut bytes = encoded();
        let at = at % bytes.len();
        bytes[at] = byte;
        bytes.extend_from_slice(&tail);
        let mut memory = BatchMemory::default();
        let mut batch = EventBatch::new(&mut memory, 0);
        let _ = read(&bytes, count, &mut batch);
        prop_assert!(batch.len() <= 3);
    }
}
