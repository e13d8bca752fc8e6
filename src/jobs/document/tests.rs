use super::*;
use crate::Payload;

const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;
const T0: i64 = 1_800_000_000_000 - 1_800_000_000_000 % DAY;

fn job(id: &str, schedule: Schedule) -> Job {
    Job::new(id.into(), id, schedule, Payload { message: "m".into(), ..Payload::default() }, T0)
}

fn with(jobs: impl IntoIterator<Item = Job>) -> Document {
    let mut document = Document::default();
    jobs.into_iter().for_each(|job| document.add(job).unwrap());
    document
}

fn nobody(_: &str) -> bool {
    false
}

fn begun(due: &Due) -> Vec<&str> {
    due.begun.iter().map(|begun| begun.job.id.as_str()).collect()
}

#[test]
fn an_interval_keeps_its_step() {
    let mut document = with([job("e", Schedule::every(10 * MINUTE))]);
    assert_eq!(document.next(), Some(T0 + 10 * MINUTE));
    assert_eq!(document.take_due(T0 + 10 * MINUTE - 1, &nobody), Due::default());
    let due = document.take_due(T0 + 10 * MINUTE + 500, &nobody);
    assert_eq!((begun(&due), due.missed.len()), (vec!["e"], 0));
    assert_eq!(document.next(), Some(T0 + 20 * MINUTE));
}

#[test]
fn what_downtime_missed_runs_once() {
    let at = job("a", Schedule::at(T0 + MINUTE));
    let mut document =
        with([at, job("e", Schedule::every(MINUTE)), job("c", Schedule::cron("0 12 * * *", "UTC"))]);
    let now = T0 + 3 * DAY + 30_000;
    assert!(!document.settle(now, &nobody), "what is over due stays due");
    let due = document.take_due(now, &nobody);
    assert_eq!(begun(&due), ["a", "e", "c"]);
    assert!(due.missed.iter().all(|(_, reason, late)| *reason == Missed::Downtime && *late > DAY));
    assert_eq!(due.missed.len(), 3);
    let next = |id: &str| document.find(id).unwrap().state.next_run_at_ms;
    assert_eq!(next("a"), None);
    assert_eq!(next("e"), Some(T0 + 3 * DAY + MINUTE));
    assert_eq!(next("c"), Some(T0 + 3 * DAY + DAY / 2));
    assert_eq!(document.take_due(now, &nobody), Due::default());
}

#[test]
fn a_job_that_runs_once_is_removed_when_it_went_well_and_else_switched_off() {
    let mut document = with([
        job("gone", Schedule::at(T0 + 1)),
        job("failed", Schedule::at(T0 + 1)),
        Job { delete_after_run: false, ..job("kept", Schedule::at(T0 + 1)) },
    ]);
    assert_eq!(begun(&document.take_due(T0 + 1, &nobody)), ["gone", "failed", "kept"]);
    let well = Ended { started: T0 + 1, error: None };
    document.end("gone", &well, T0 + 2);
    document.end("failed", &Ended { error: Some("no".into()), ..well.clone() }, T0 + 2);
    document.end("kept", &well, T0 + 2);
    assert!(document.find("gone").is_err());
    let failed = document.find("failed").unwrap();
    assert!(!failed.enabled && !document.find("kept").unwrap().enabled);
    assert_eq!((failed.state.last_status.as_str(), failed.state.last_error.as_str()), ("error", "no"));
    document.settle(T0 + DAY, &nobody);
    assert_eq!(document.next(), None);
}

#[test]
fn only_the_last_of_those_that_failed_stay() {
    let ids: Vec<String> = (0..30).map(|n| format!("j{n}")).collect();
    let mut document = with([]);
    for id in &ids {
        document.add(job(id, Schedule::at(T0 + 1))).unwrap();
        document.end(id, &Ended { started: T0 + 1, error: Some("no".into()) }, T0 + 2);
    }
    let left: Vec<&str> = document.jobs().map(|job| job.id.as_str()).collect();
    assert_eq!(left, ids[10..].iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn a_crash_while_it_ran_repeats_a_single_run_and_not_an_interval() {
    let mut document = with([job("a", Schedule::at(T0 + 1)), job("e", Schedule::every(MINUTE))]);
    document.take_due(T0 + MINUTE, &nobody);
    // The process ends here, and the next one reads what was written.
    assert!(document.settle(T0 + MINUTE + 5, &nobody));
    assert_eq!(begun(&document.take_due(T0 + MINUTE + 5, &nobody)), ["a"]);
}

#[test]
fn a_running_job_is_not_begun_again() {
    let mut document = with([job("e", Schedule::every(MINUTE)), job("a", Schedule::at(T0 + 1))]);
    document.take_due(T0 + MINUTE, &nobody);
    let running = |_: &str| true;
    assert!(!document.settle(T0 + MINUTE + 1, &running));
    let due = document.take_due(T0 + 2 * MINUTE, &running);
    assert_eq!((begun(&due).len(), due.missed.len()), (0, 1));
    assert_eq!(due.missed[0].1, Missed::Running);
    assert_eq!(document.next(), Some(T0 + 3 * MINUTE));
}

#[test]
fn an_edit_by_hand_is_followed() {
    let mut document = with([job("c", Schedule::cron("0 12 * * *", "UTC")), job("e", Schedule::every(DAY))]);
    for job in document.jobs_mut() {
        job.schedule = match job.id.as_str() {
            "c" => Schedule::cron("30 6 * * *", "UTC"),
            _ => Schedule::every(MINUTE),
        };
    }
    assert!(document.settle(T0, &nobody));
    let next = |id: &str| document.find(id).unwrap().state.next_run_at_ms;
    assert_eq!((next("c"), next("e")), (Some(T0 + 390 * MINUTE), Some(T0 + MINUTE)));
    assert!(!document.settle(T0, &nobody));
}

#[test]
fn a_job_is_found_by_id_or_by_a_name_that_no_other_has() {
    let mut twins =
        with([job("1", Schedule::every(1)), job("2", Schedule::every(1)), job("3", Schedule::every(1))]);
    for (job, name) in twins.jobs_mut().zip(["twin", "twin", "only"]) {
        job.name = name.into();
    }
    assert_eq!(twins.find("only").unwrap().id, "3");
    assert!(twins.find("twin").is_err());
    assert_eq!(twins.remove("2").unwrap().id, "2");
    assert_eq!(twins.find("twin").unwrap().id, "1");
}

#[test]
fn switching_on_counts_from_now() {
    let mut document = with([job("e", Schedule::every(MINUTE))]);
    document.change("e", T0, |job| job.enabled = false).unwrap();
    assert_eq!((document.next(), document.count(JobState::Disabled)), (None, 1));
    document.change("e", T0 + DAY, |job| job.enabled = true).unwrap();
    assert_eq!(document.next(), Some(T0 + DAY + MINUTE));
    let past = document.change("e", T0 + DAY, |job| job.schedule = Schedule::at(T0));
    assert_eq!(past.unwrap_err(), ChangeError::Over);
    assert_eq!(document.find("e").unwrap().schedule.kind, "every");
}

#[test]
fn what_others_keep_in_the_file_stays() {
    let text = serde_json::json!({
        "version": 1, "theirs": [1],
        "jobs": [
            { "id": "a", "name": "A", "enabled": true, "schedule": { "kind": "every", "everyMs": 60_000, "x": 1 },
              "payload": { "kind": "agent_turn", "message": "m", "deliver": false, "sessionKey": "k" },
              "state": { "nextRunAtMs": T0 + 5, "y": true }, "createdAtMs": 1, "updatedAtMs": 2, "deleteAfterRun": false, "z": {} },
            { "id": 7, "enabled": "perhaps" },
            "nonsense",
            { "id": "odd", "enabled": true, "schedule": { "kind": "weekly" } },
        ],
    });
    let mut document: Document = serde_json::from_value(text.clone()).unwrap();
    assert_eq!((document.count(JobState::Enabled), document.count(JobState::Invalid)), (1, 3));
    assert_eq!(begun(&document.take_due(T0 + 5, &nobody)), ["a"]);
    document.end("a", &Ended { started: T0 + 5, error: None }, T0 + 6);
    let mut expected = text;
    expected["jobs"][0]["state"] = serde_json::json!({ "nextRunAtMs": T0 + 60_005, "lastRunAtMs": T0 + 5, "lastStatus": "ok", "y": true });
    expected["jobs"][0]["updatedAtMs"] = (T0 + 6).into();
    let written = serde_json::to_value(&document).unwrap();
    assert_eq!(written["jobs"][0], expected["jobs"][0]);
    assert_eq!(written["jobs"][1], expected["jobs"][1]);
    assert_eq!(written["theirs"], expected["theirs"]);
    assert_eq!(written["jobs"][3]["schedule"]["kind"], "weekly");
}

#[test]
fn a_year_of_an_hourly_job_with_a_night_off_each_week() {
    let mut document = with([job("h", Schedule::cron("0 * * * *", "UTC"))]);
    let (mut runs, mut late) = (0, 0);
    let mut now = T0;
    while now < T0 + 364 * DAY {
        // From 0 to 8 o'clock of each seventh day nobody looks.
        let day = (now - T0) / DAY;
        let up = day % 7 != 6 || (now - T0) % DAY >= DAY / 3;
        if up {
            let due = document.take_due(now, &nobody);
            runs += due.begun.len();
            late += due.missed.len();
        }
        now += 30_000;
    }
    // The first hour is not due, and of each night eight hours come down to one: the one that is due when it is over.
    assert_eq!((runs, late), (364 * 24 - 1 - 52 * 8, 52));
}
