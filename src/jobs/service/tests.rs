use picoclaw_telemetry::Metric;

use super::*;
use crate::testing::{TestClock, TestWorld};
use crate::{Payload, Schedule};

const T0: i64 = 1_800_000_000_000;

struct Scene {
    _home: tempfile::TempDir,
    store: JobStore,
    world: Arc<TestWorld>,
    clock: Arc<TestClock>,
    bus: Bus,
    service: Service,
}

fn begin(world: TestWorld, jobs: impl IntoIterator<Item = Job>) -> Scene {
    let home = tempfile::tempdir().unwrap();
    let store = JobStore::new(home.path());
    for job in jobs {
        store.update(|document| document.add(job)).unwrap();
    }
    let (world, clock, bus) = (Arc::new(world), TestClock::at(T0), Bus::default());
    let limits = Limits { turn: Duration::from_secs(100), command: Duration::from_secs(100) };
    let service = Jobs {
        store: JobStore::new(home.path()),
        world: Arc::clone(&world) as _,
        clock: Arc::clone(&clock) as _,
        bus: bus.clone(),
        limits,
    }
    .start();
    Scene { _home: home, store, world, clock, bus, service }
}

fn job(id: &str, schedule: Schedule) -> Job {
    let payload =
        Payload { message: format!("do {id}"), channel: "chat".into(), to: "7".into(), ..Payload::default() };
    Job::new(id.into(), id, schedule, payload, T0)
}

impl Scene {
    fn number(&self, metric: Metric, labels: &[&str]) -> u64 {
        self.bus.inspect(|ledger| ledger.counter(metric, labels))
    }

    fn runs(&self, status: &str) -> u64 {
        self.number(Metric::CronRunsTotal, &[status])
    }
}

/// Time goes on by itself whenever everything waits for it.
async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_millis(seconds * 1000 + 1)).await;
}

#[tokio::test(start_paused = true)]
async fn jobs_run_when_their_time_comes_and_their_answers_are_told() {
    let scene =
        begin(TestWorld::default(), [job("e", Schedule::every(60_000)), job("a", Schedule::at(T0 + 90_000))]);
    pass(59).await;
    assert_eq!(scene.runs("ok"), 0);
    pass(2).await;
    assert_eq!(scene.runs("ok"), 1);
    pass(120).await;
    assert_eq!(scene.runs("ok"), 4);
    let asked = scene.world.asked.lock().unwrap().clone();
    assert!(asked.iter().all(|(_, _, origin)| *origin == picoclaw_telemetry::words::Origin::Cron));
    let keys: BTreeSet<String> = asked.iter().map(|(conversation, ..)| format!("{conversation:?}")).collect();
    assert_eq!(keys.len(), 4, "each run has a conversation of its own: {keys:?}");
    assert!(keys.iter().all(|key| key.contains("agent:cron-")), "{keys:?}");
    assert!(asked[0].1.ends_with("do e"), "{}", asked[0].1);
    assert_eq!(scene.world.told.lock().unwrap()[0], ("chat".into(), "7".into(), "done".into()));
    let left = scene.store.read().unwrap();
    assert!(left.find("a").is_err(), "it ran and is removed");
    assert_eq!(left.find("e").unwrap().state.last_status, "ok");
    assert_eq!(scene.number(Metric::CronMissedTotal, &["downtime"]), 0);
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_written_down_as_one() {
    let world = TestWorld { answer: Mutex::new(Some(Err("no model".into()))), ..TestWorld::default() };
    let lost = Job {
        payload: Payload {
            channel: "gone".into(),
            deliver: Some(true),
            message: "hi".into(),
            ..Payload::default()
        },
        ..job("lost", Schedule::every(60_000))
    };
    let command = Job {
        payload: Payload { command: "false".into(), ..Payload::default() },
        ..job("command", Schedule::every(60_000))
    };
    let scene = begin(world, [job("e", Schedule::every(60_000)), lost, command]);
    pass(61).await;
    assert_eq!((scene.runs("error"), scene.runs("ok")), (3, 0));
    let left = scene.store.read().unwrap();
    let error = |id: &str| left.find(id).unwrap().state.last_error.clone();
    assert_eq!(
        (error("e").as_str(), error("lost").as_str(), error("command").as_str()),
        ("no model", "no such channel", "exit 1")
    );
    *scene.world.answer.lock().unwrap() = None;
    pass(60).await;
    let state = scene.store.read().unwrap().find("e").unwrap().state.clone();
    assert_eq!((state.last_status.as_str(), state.last_error.as_str()), ("ok", ""));
}

#[tokio::test(start_paused = true)]
async fn a_job_never_runs_twice_at_once_and_not_for_ever() {
    let world = TestWorld { takes: Duration::from_secs(99), ..TestWorld::default() };
    let scene = begin(world, [job("slow", Schedule::every(60_000))]);
    pass(130).await;
    assert_eq!(scene.world.asked.lock().unwrap().len(), 1);
    assert_eq!(scene.number(Metric::CronMissedTotal, &["running"]), 1);
    pass(30).await;
    assert_eq!(scene.runs("ok"), 1);
    let scene = begin(
        TestWorld { takes: Duration::from_secs(500), ..TestWorld::default() },
        [job("hangs", Schedule::every(60_000))],
    );
    pass(161).await;
    assert_eq!(scene.runs("timeout"), 1);
    let left = scene.store.read().unwrap();
    assert!(left.find("hangs").unwrap().state.last_error.contains("within 100 s"));
}

#[tokio::test(start_paused = true)]
async fn only_so_many_run_at_once_and_all_do() {
    let world = TestWorld { takes: Duration::from_secs(10), ..TestWorld::default() };
    let scene = begin(world, (0..10).map(|n| job(&format!("j{n}"), Schedule::at(T0 + 1000))));
    pass(5).await;
    assert_eq!(scene.world.asked.lock().unwrap().len(), PARALLEL);
    pass(40).await;
    assert_eq!(scene.runs("ok"), 10);
}

#[tokio::test(start_paused = true)]
async fn changes_of_others_are_noticed_and_a_broken_file_is_said_now_and_then() {
    let scene = begin(TestWorld::default(), []);
    pass(1).await;
    // Another process: a store of its own.
    scene.store.update(|document| document.add(job("new", Schedule::every(1000)))).unwrap();
    pass(8).await;
    assert!(scene.runs("ok") >= 2, "{}", scene.runs("ok"));
    let file = scene._home.path().join("cron/jobs.json");
    let good = std::fs::read(&file).unwrap();
    std::fs::write(&file, "{").unwrap();
    pass(10).await;
    let before = scene.runs("ok");
    let failures = scene.number(Metric::CronStoreFailuresTotal, &[]);
    assert!((1..=2).contains(&failures), "{failures}");
    pass(200).await;
    assert_eq!(scene.number(Metric::CronStoreFailuresTotal, &[]), failures);
    pass(150).await;
    assert_eq!(scene.number(Metric::CronStoreFailuresTotal, &[]), failures + 1, "it lasts");
    assert_eq!(scene.runs("ok"), before, "what cannot be read does not run");
    assert_eq!(std::fs::read(&file).unwrap(), b"{");
    std::fs::write(&file, good).unwrap();
    pass(5).await;
    assert!(scene.runs("ok") > before);
}

#[tokio::test(start_paused = true)]
async fn a_reminder_that_is_cut_by_the_end_is_made_up_for() {
    let world = TestWorld {
        takes: Duration::from_secs(5),
        answer: Mutex::new(Some(Err("the gateway is stopping".into()))),
        ..TestWorld::default()
    };
    let scene = begin(world, [job("once", Schedule::at(T0 + 1000)), job("often", Schedule::every(1000))]);
    pass(2).await;
    scene.service.stop();
    scene.service.ended().await;
    assert_eq!(scene.runs("cancelled"), 2);
    let left = scene.store.read().unwrap();
    assert!(left.find("once").unwrap().state.last_run_at_ms.is_none());
    assert_eq!(left.find("often").unwrap().state.last_status, "error");
    assert!(scene.clock.now() > T0);
}
