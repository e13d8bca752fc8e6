use super::*;
use crate::config::WhenFull;
use picoclaw_telemetry::{Event, Ledger};
use std::time::UNIX_EPOCH;

fn sink(max_events: usize, when_full: WhenFull) -> JsonLog {
    let options: Options =
        serde_json::from_value(serde_json::json!({ "path": "x", "level": "info" })).unwrap();
    let buffer = BufferConfig { max_events, when_full, ..BufferConfig::default() };
    JsonLog::new(&options, buffer, Arc::default(), Arc::default())
}

fn record(seq: u64) -> Record {
    Record {
        seq,
        time: UNIX_EPOCH,
        event: Event::GatewayStart { version: "1", pid: u32::try_from(seq).unwrap() },
    }
}

/// What the writer would write: the pid of each event, or the gap with its reason, and the number.
fn written(batch: &Batch, seq: u64) -> Vec<(String, u64)> {
    let mut piece = block::Piece::default();
    block::lines(&batch.frames).fold(seq, |seq, line| piece.push(&line, Format::Json, seq));
    let lines = std::str::from_utf8(&piece.bytes).unwrap().lines();
    lines
        .map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            let what = match line["missing"].as_u64() {
                Some(missing) => format!("{missing} {}", line["reason"].as_str().unwrap()),
                None => line["pid"].to_string(),
            };
            (what, line["seq"].as_u64().unwrap())
        })
        .collect()
}

fn expected(lines: &[(&str, u64)]) -> Vec<(String, u64)> {
    lines.iter().map(|(what, seq)| ((*what).to_owned(), *seq)).collect()
}

fn gap(sink: &mut JsonLog, missed: u64) {
    sink.gap(missed, &Checkpoint { ledger: Ledger::new() });
}

#[test]
fn records_below_the_level_are_filtered() {
    let mut sink = sink(10, WhenFull::DropOldest);
    let mut debug = record(1);
    debug.event = Event::ReloadStarted;
    assert_eq!(sink.record(&debug), Verdict::Filtered);
    assert_eq!(sink.seal(true).map(|batch| batch.events), None);
}

#[test]
fn a_gap_on_the_bus_stands_where_it_was() {
    let mut sink = sink(10, WhenFull::DropOldest);
    gap(&mut sink, 0);
    sink.record(&record(1));
    gap(&mut sink, 5);
    gap(&mut sink, 2);
    sink.record(&record(9));
    gap(&mut sink, 3);
    assert_eq!(sink.buffered(), 2);
    let batch = sink.seal(false).unwrap();
    assert_eq!((batch.events, sink.buffered()), (2, 0));
    let lines = [("1", 101), ("7 lagged", 102), ("9", 103), ("3 lagged", 104)];
    assert_eq!(written(&batch, 100), expected(&lines));
}

#[test]
fn a_full_buffer_leaves_a_hole_and_a_line_about_it() {
    let mut oldest = sink(2, WhenFull::DropOldest);
    gap(&mut oldest, 10);
    for seq in 1..=5 {
        assert_eq!(oldest.record(&record(seq)), Verdict::Buffered);
    }
    assert_eq!((oldest.evicted(), oldest.evicted()), (3, 0));
    let lines = [("13 buffer_full", 13), ("4", 14), ("5", 15)];
    assert_eq!(written(&oldest.seal(false).unwrap(), 0), expected(&lines));

    let mut newest = sink(2, WhenFull::DropNewest);
    let verdicts: Vec<_> = (1..=4).map(|seq| newest.record(&record(seq))).collect();
    assert_eq!(verdicts[1..3], [Verdict::Buffered, Verdict::Dropped(DropReason::BufferFull)]);
    let lines = [("1", 1), ("2", 2), ("2 buffer_full", 4)];
    assert_eq!(written(&newest.seal(false).unwrap(), 0), expected(&lines));
}

#[test]
fn what_a_panic_took_away_is_told_even_if_it_has_to_wait() {
    let mut sink = sink(1, WhenFull::DropNewest);
    sink.start(&Checkpoint { ledger: Ledger::new() });
    sink.record(&record(1));
    sink.crashed(3);
    assert_eq!(sink.record(&record(2)), Verdict::Dropped(DropReason::BufferFull));
    assert_eq!(sink.record(&record(3)), Verdict::Dropped(DropReason::BufferFull));
    let lines = [("1", 1), ("2 buffer_full", 3), ("3 crashed", 6)];
    assert_eq!(written(&sink.seal(false).unwrap(), 0), expected(&lines));
}

#[test]
fn what_was_missing_before_a_batch_that_is_given_up_keeps_its_reason() {
    let mut sink = sink(2, WhenFull::DropOldest);
    for seq in 1..=5 {
        sink.record(&record(seq));
    }
    for given_up in [2, 4] {
        let batch = sink.seal(false).unwrap();
        assert_eq!(sink.refused(batch), 2);
        for seq in 6..=7 {
            sink.record(&record(seq));
        }
        assert_eq!(sink.before, Missing { buffer_full: 3, gave_up: given_up, ..Missing::default() });
    }
    let lines = [("3 buffer_full", 3), ("4 gave_up", 7), ("6", 8), ("7", 9)];
    assert_eq!(written(&sink.seal(false).unwrap(), 0), expected(&lines));
}

#[test]
fn what_is_given_up_is_missing_from_the_log() {
    let mut sink = sink(10, WhenFull::DropOldest);
    for seq in 1..=3 {
        sink.record(&record(seq));
    }
    let batch = sink.seal(false).unwrap();
    // One line reached the file before it was full.
    assert_eq!(sink.progress.of(&batch.frames).lines, 0);
    let mut piece = block::Piece::default();
    let first = block::lines(&batch.frames).next().unwrap();
    piece.push(&first, Format::Json, 0);
    piece.written(piece.bytes.len(), &sink.progress);
    sink.record(&record(4));
    assert_eq!(sink.refused(batch), 2);
    let lines = [("2 gave_up", 3), ("4", 4)];
    assert_eq!(written(&sink.seal(false).unwrap(), 1), expected(&lines));
}
