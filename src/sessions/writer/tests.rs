use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::super::lines;
use super::super::simulated::Simulated;
use super::*;
use crate::chat::{Message, Role};

/// A journal so small that checkpoints come often.
const LIMIT: u64 = 2_000;

fn append(session: &str, texts: &[String]) -> Append {
    let messages: Vec<_> = texts.iter().map(|text| Arc::new(Message::new(Role::User, text))).collect();
    let id = SessionId::named(session);
    Append {
        stem: id.stem(),
        id,
        bytes: lines::encode(&messages).unwrap(),
        lines: messages.len() as u64,
        at: "2026-01-02T03:04:05Z".parse().unwrap(),
    }
}

fn one(session: &str, text: &str) -> Append {
    append(session, &[text.to_owned()])
}

fn texts(disk: &Simulated, session: &str) -> Vec<String> {
    let loaded = lines::load(&disk.contents(&lines_file(session))[..], 0, usize::MAX).unwrap();
    loaded.messages.iter().map(|message| message.content.clone()).collect()
}

fn meta(disk: &Simulated, session: &str) -> Meta {
    Meta::parse(&disk.contents(&meta_file(session))).unwrap()
}

fn open(disk: &Simulated) -> Writer<Simulated> {
    Writer::open(disk.clone(), LIMIT).unwrap().0
}

#[test]
fn an_append_survives_a_power_failure_before_any_checkpoint() {
    let disk = Simulated::default();
    let mut writer = open(&disk);
    assert!(writer.commit(&[one("a", "x"), one("b", "y"), one("a", "z")]).iter().all(Result::is_ok));
    disk.lose_power(|| 0);
    assert_eq!(texts(&disk, "a"), [""; 0]);
    let (_, recovery) = Writer::open(disk.clone(), LIMIT).unwrap();
    assert_eq!(recovery, Recovery { restored: 3, foreign: 0 });
    assert_eq!(
        (texts(&disk, "a"), texts(&disk, "b")),
        (vec!["x".to_owned(), "z".to_owned()], vec!["y".to_owned()])
    );
    assert_eq!((meta(&disk, "a").key.as_str(), meta(&disk, "b").key.as_str()), ("a", "b"));
}

#[test]
fn damaged_metadata_of_a_new_session_is_written_again_and_newer_is_not() {
    let mut disk = Simulated::default();
    let mut writer = open(&disk);
    writer.commit(&[one("a", "x"), one("b", "y")]);
    disk.create("a.meta.json", &[0; 900]).unwrap();
    let newer = Meta { key: "b".to_owned(), summary: "short".to_owned(), ..Meta::default() };
    disk.create("b.meta.json", &newer.document()).unwrap();
    let (_, recovery) = Writer::open(disk.clone(), LIMIT).unwrap();
    assert_eq!(recovery, Recovery::default());
    assert_eq!((meta(&disk, "a").key, meta(&disk, "a").count), ("a".to_owned(), 1));
    assert_eq!(meta(&disk, "b"), Meta { count: 1, ..newer });
}

#[test]
fn the_count_is_exact_again_after_a_crash() {
    let mut disk = Simulated::default();
    let old = Meta { key: "old".to_owned(), summary: "so far".to_owned(), count: 2, ..Meta::default() };
    disk.create("old.meta.json", &old.document()).unwrap();
    disk.create("old.jsonl", &append("old", &["1".to_owned(), "2".to_owned()]).bytes).unwrap();
    disk.sync_all().unwrap();
    let mut writer = open(&disk);
    writer.commit(&[one("old", "3"), one("new", "1")]);
    writer.publish();
    writer.commit(&[append("new", &["2".to_owned(), "3".to_owned()]), one("old", "4")]);
    assert_eq!((meta(&disk, "old").count, meta(&disk, "new").count), (2, 1));
    drop(writer);
    let mut writer = open(&disk);
    assert_eq!(meta(&disk, "old"), Meta { count: 4, ..old });
    assert_eq!(meta(&disk, "new").count, 3);
    writer.commit(&[one("new", "4")]);
    writer.checkpoint().unwrap();
    assert_eq!(meta(&disk, "new").count, 4);
    assert!(disk.names().iter().all(|name| !name.ends_with(".tmp")), "{:?}", disk.names());
}

#[test]
fn nothing_is_restored_after_a_clean_stop() {
    let disk = Simulated::default();
    let mut writer = open(&disk);
    writer.commit(&[one("a", "x")]);
    writer.close().unwrap();
    assert_eq!(disk.names(), ["a.jsonl", "a.meta.json"]);
    let (_, recovery) = Writer::open(disk.clone(), LIMIT).unwrap();
    assert_eq!(recovery, Recovery::default());
}

#[test]
fn a_new_line_is_not_glued_to_a_torn_one() {
    let mut disk = Simulated::default();
    disk.create("a.jsonl", b"{\"role\":\"user\",\"content\":\"1\"}\n{\"role\":\"us").unwrap();
    let mut writer = open(&disk);
    writer.commit(&[one("a", "2"), one("a", "3")]);
    assert_eq!(texts(&disk, "a"), ["1", "2", "3"]);
}

#[test]
fn metadata_is_there_when_published_and_exact_after_a_checkpoint() {
    let disk = Simulated::default();
    let mut writer = open(&disk);
    writer.commit(&[one("a", "1")]);
    assert!(writer.is_unpublished());
    writer.publish();
    assert!(!writer.is_unpublished());
    assert_eq!(meta(&disk, "a").count, 1);
    writer.commit(&[append("a", &["2".to_owned(), "3".to_owned()])]);
    assert_eq!(meta(&disk, "a").count, 1);
    writer.checkpoint().unwrap();
    let meta = meta(&disk, "a");
    assert_eq!((meta.key.as_str(), meta.count), ("a", 3));
    assert_eq!(
        (meta.created_at.as_str(), meta.updated_at.as_str()),
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z")
    );
    assert!(!writer.is_dirty());
}

#[test]
fn what_others_changed_in_the_metadata_stays() {
    let mut disk = Simulated::default();
    let mut writer = open(&disk);
    writer.commit(&[one("a", "1")]);
    writer.publish();
    let changed = Meta { summary: "short".to_owned(), skip: 1, ..meta(&disk, "a") };
    disk.create("a.meta.json", &changed.document()).unwrap();
    writer.commit(&[one("a", "2")]);
    writer.checkpoint().unwrap();
    assert_eq!(
        (meta(&disk, "a").summary.as_str(), meta(&disk, "a").skip, meta(&disk, "a").count),
        ("short", 1, 2)
    );
}

#[test]
fn a_session_deleted_by_another_process_does_not_come_back() {
    let mut disk = Simulated::default();
    let mut writer = open(&disk);
    writer.commit(&[one("a", "old"), one("b", "kept")]);
    disk.remove("a.jsonl").unwrap();
    writer.commit(&[one("a", "new")]);
    disk.lose_power(|| 0);
    open(&disk);
    assert_eq!((texts(&disk, "a"), texts(&disk, "b")), (vec!["new".to_owned()], vec!["kept".to_owned()]));
}

#[test]
fn what_another_process_rewrote_is_left_alone_by_recovery() {
    let mut disk = Simulated::default();
    let mut writer = open(&disk);
    writer.commit(&[one("a", "long enough to be cut"), one("a", "2")]);
    disk.create("a.jsonl", b"{\"role\":\"user\",\"content\":\"mine\"}\n").unwrap();
    let (_, recovery) = Writer::open(disk.clone(), LIMIT).unwrap();
    assert_eq!(recovery, Recovery { restored: 0, foreign: 2 });
    assert_eq!(texts(&disk, "a"), ["mine"]);
}

#[test]
fn whichever_write_fails_the_failed_append_leaves_nothing_and_the_next_one_works() {
    let mut failures = 0;
    for at in 0..8 {
        let disk = Simulated::default();
        let mut writer = open(&disk);
        assert!(writer.commit(&[one("a", "1")])[0].is_ok());
        disk.fail_after(at);
        let results = writer.commit(&[one("a", "2"), one("b", "2"), one("a", "3")]);
        let worked = |i: usize| results[i].is_ok();
        failures += results.iter().filter(|result| result.is_err()).count();
        let mut a = vec!["1"];
        a.extend(worked(0).then_some("2"));
        a.extend(worked(2).then_some("3"));
        let mut b = if worked(1) { vec!["2"] } else { vec![] };
        assert_eq!(
            (texts(&disk, "a"), texts(&disk, "b")),
            (a.iter().map(ToString::to_string).collect(), b.iter().map(ToString::to_string).collect()),
            "fault {at}"
        );
        disk.fail_after(u64::MAX);
        assert!(writer.commit(&[one("a", "4"), one("b", "4")]).iter().all(Result::is_ok));
        a.push("4");
        b.push("4");
        disk.lose_power(|| 0);
        open(&disk);
        assert_eq!(
            (texts(&disk, "a"), texts(&disk, "b")),
            (a.iter().map(ToString::to_string).collect(), b.iter().map(ToString::to_string).collect()),
            "fault {at}"
        );
    }
    assert!(failures >= 9, "the faults must have hit: {failures}");
}

/// What a run does.
#[derive(Clone, Debug)]
enum Step {
    /// Appends to these sessions, this many lines each, in one batch.
    Commit(Vec<(u8, u8)>),
    Checkpoint,
    /// One of the next writes or syncs fails.
    Fault(u64),
    /// The machine stops during the steps that follow, after this many operations.
    StopAfter(u64),
    /// The kernel writes files back, as these choices say.
    WriteBack(Vec<u8>),
    /// The process is gone, and with it only what was under way.
    Kill,
    /// The machine is gone, and with it what was not synced, as these choices say.
    PowerLoss(Vec<u8>),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => prop::collection::vec((0..3u8, 1..4u8), 1..5).prop_map(Step::Commit),
        1 => Just(Step::Checkpoint),
        1 => (0..12u64).prop_map(Step::Fault),
        2 => (0..25u64).prop_map(Step::StopAfter),
        2 => prop::collection::vec(0..2u8, 1..10).prop_map(Step::WriteBack),
        1 => Just(Step::Kill),
        2 => prop::collection::vec(0..3u8, 1..40).prop_map(Step::PowerLoss),
    ];
    prop::collection::vec(step, 1..40)
}

/// What is known of one session.
#[derive(Default)]
struct Known {
    acknowledged: Vec<String>,
    /// Appends that failed or never got an answer: they may be there or not, but not twice.
    doubtful: Vec<String>,
}

fn check(disk: &Simulated, known: &[Known]) -> Result<(), TestCaseError> {
    for (session, known) in known.iter().enumerate() {
        let found = texts(disk, &format!("s{session}"));
        let (acknowledged, others): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|text| known.acknowledged.contains(text));
        prop_assert_eq!(&acknowledged, &known.acknowledged);
        let distinct: BTreeSet<_> = others.iter().collect();
        prop_assert_eq!(distinct.len(), others.len());
        prop_assert!(others.iter().all(|text| known.doubtful.contains(text)), "{:?}", others);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_acknowledged_append_is_there_once_and_in_order_after_any_crash(steps in steps()) {
        let disk = Simulated::default();
        let mut writer = open(&disk);
        let mut known: Vec<Known> = (0..3).map(|_| Known::default()).collect();
        let mut number = 0;
        for step in steps {
            match step {
                Step::Commit(appends) => {
                    let batch: Vec<(u8, Vec<String>)> = appends.into_iter().map(|(session, lines)| {
                        let texts = (0..lines).map(|_| { number += 1; format!("text {number}") }).collect();
                        (session, texts)
                    }).collect();
                    let appends: Vec<_> = batch.iter().map(|(s, texts)| append(&format!("s{s}"), texts)).collect();
                    for ((session, texts), result) in batch.into_iter().zip(writer.commit(&appends)) {
                        let known = &mut known[usize::from(session)];
                        if result.is_ok() { known.acknowledged.extend(texts) } else { known.doubtful.extend(texts) }
                    }
                    check(&disk, &known)?;
                }
                Step::Checkpoint => { let _ = writer.checkpoint(); }
                Step::Fault(after) => disk.fail_after(after),
                Step::StopAfter(operations) => disk.stop_after(Some(operations)),
                Step::WriteBack(choices) => {
                    let mut choices = choices.into_iter().cycle();
                    disk.write_back(|| choices.next().unwrap());
                }
                Step::Kill => {
                    disk.stop_after(None);
                    disk.fail_after(u64::MAX);
                    writer = open(&disk);
                    check(&disk, &known)?;
                }
                Step::PowerLoss(choices) => {
                    let mut choices = choices.into_iter().cycle();
                    disk.lose_power(|| choices.next().unwrap());
                    disk.fail_after(u64::MAX);
                    writer = open(&disk);
                    check(&disk, &known)?;
                }
            }
        }
    }
}
