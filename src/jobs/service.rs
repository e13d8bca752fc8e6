//! Watches the jobs' file and the clock, and begins what is due.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use picoclaw_telemetry::guard::JobRun;
use picoclaw_telemetry::words::{JobState, JobStatus};
use picoclaw_telemetry::{Bus, Detail, Event};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::clock::Clock;
use super::document::{Begun, Document, Due, Ended};
use super::job::Job;
use super::run::{self, Outcome};
use super::store::{JobStore, Stamp};
use super::world::World;

/// How often another process' changes are looked for while there are jobs.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The same without any.
const LOOK_SELDOM: Duration = Duration::from_secs(5);
/// How often it is said again that the file cannot be used: whoever counts failures must see that it lasts.
const REMIND_EVERY: Duration = Duration::from_secs(5 * 60);
/// How many jobs run at the same time; others wait.
const PARALLEL: usize = 4;

/// How long runs may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// A turn of the agent.
    pub turn: Duration,
    /// A command.
    pub command: Duration,
}

/// What the service works with.
#[derive(Clone)]
pub struct Jobs {
    /// The jobs.
    pub store: JobStore,
    /// What runs them.
    pub world: Arc<dyn World>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Who hears of it.
    pub bus: Bus,
    /// How long runs may take.
    pub limits: Limits,
}

/// The running service.
pub struct Service {
    stop: CancellationToken,
    cut: CancellationToken,
    tasks: TaskTracker,
}

impl Service {
    /// Begins no more runs. Those under way go on.
    pub fn stop(&self) {
        self.stop.cancel();
        self.tasks.close();
    }

    /// Cuts off what is still under way, and completes when that is written down.
    pub async fn ended(&self) {
        self.cut.cancel();
        self.tasks.wait().await;
    }
}

impl Jobs {
    /// Starts the service.
    pub fn start(self) -> Service {
        let (stop, cut) = (CancellationToken::new(), CancellationToken::new());
        let service = Service { stop, cut, tasks: TaskTracker::new() };
        let work = Work {
            jobs: self,
            running: Arc::default(),
            workers: Arc::new(Semaphore::new(PARALLEL)),
            tasks: service.tasks.clone(),
            stop: service.stop.clone(),
            cut: service.cut.clone(),
        };
        service.tasks.spawn(work.watch());
        service
    }
}

struct Work {
    jobs: Jobs,
    /// The ids of the jobs that run or wait for a worker.
    running: Arc<Mutex<BTreeSet<String>>>,
    workers: Arc<Semaphore>,
    tasks: TaskTracker,
    stop: CancellationToken,
    cut: CancellationToken,
}

/// What is known of the file.
#[derive(Debug, Default)]
struct Known {
    stamp: Option<Stamp>,
    document: Document,
    broken: Option<String>,
}

/// What has been said of the file.
#[derive(Debug, Default)]
struct Told {
    counts: Option<[u64; 3]>,
    /// Why it cannot be used, and when that was said.
    broken: Option<(String, Instant)>,
}

impl Work {
    async fn watch(self) {
        let mut known = Known::default();
        let mut told = Told::default();
        loop {
            known = self.look(known, &mut told).await;
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = self.jobs.store.changed() => {}
                () = tokio::time::sleep(self.pause(&known)) => {}
            }
        }
    }

    /// Until the next run, but not so long that changes, or a clock that was set, go unnoticed.
    fn pause(&self, known: &Known) -> Duration {
        let longest = if known.document.jobs().next().is_some() { LOOK_EVERY } else { LOOK_SELDOM };
        let due = known.document.next().filter(|_| known.broken.is_none());
        let left = due.map(|due| u64::try_from(due - self.jobs.clock.now()).unwrap_or_default());
        left.map_or(longest, |left| longest.min(Duration::from_millis(left)))
    }

    async fn look(&self, known: Known, told: &mut Told) -> Known {
        let store = self.jobs.store.clone();
        let now = self.jobs.clock.now();
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let looked = tokio::task::spawn_blocking(move || look(&store, known, now, &running)).await;
        let Ok((known, due)) = looked else {
            tracing::error!("Looking at the jobs failed unexpectedly.");
            return Known::default();
        };
        let is_news = |error: &String| {
            let said = told.broken.as_ref().filter(|(said, _)| said == error);
            said.is_none_or(|(_, at)| at.elapsed() >= REMIND_EVERY)
        };
        match &known.broken {
            None => told.broken = None,
            Some(error) if is_news(error) => {
                self.jobs.bus.emit(Event::CronStoreFailed { error: Detail::new(error) });
                told.broken = Some((error.clone(), Instant::now()));
            }
            Some(_) => {}
        }
        let counts =
            [JobState::Enabled, JobState::Disabled, JobState::Invalid].map(|s| known.document.count(s));
        // Who has no jobs need not hear of it.
        if told.counts.unwrap_or_default() != counts {
            let [enabled, disabled, invalid] = counts;
            self.jobs.bus.emit(Event::CronJobsChanged { enabled, disabled, invalid });
            tell_invalid(&known.document);
        }
        told.counts = Some(counts);
        for (job, reason, late) in due.missed {
            let late = Duration::from_millis(u64::try_from(late).unwrap_or_default());
            let (job, name) = (Detail::new(&job.id), Detail::new(&job.name));
            self.jobs.bus.emit(Event::CronRunMissed { job, name, reason, late });
        }
        for begun in due.begun {
            self.begin(begun);
        }
        known
    }

    fn begin(&self, begun: Begun) {
        let Self { jobs, running, workers, stop, cut, .. } = self;
        let (jobs, workers, stop, cut) = (jobs.clone(), Arc::clone(workers), stop.clone(), cut.clone());
        let id = begun.job.id.clone();
        running.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone());
        let place = Running { id, running: Arc::clone(running) };
        self.tasks.spawn(async move {
            let _place = place;
            let worker = tokio::select! {
                worker = workers.acquire_owned() => worker.expect("the workers are never closed"),
                // It has not begun. A job that runs once is found by the next start; others come again.
                () = stop.cancelled() => return,
            };
            attend(&jobs, &begun.job, &stop, &cut).await;
            drop(worker);
        });
    }
}

/// Runs a job and writes down how it ended.
async fn attend(jobs: &Jobs, job: &Job, stop: &CancellationToken, cut: &CancellationToken) {
    let started = jobs.clock.now();
    let guard = JobRun::start(&jobs.bus, Detail::new(&job.id), Detail::new(&job.name));
    let Outcome { mut status, error } = tokio::select! {
        biased;
        outcome = run::run(job, jobs.world.as_ref(), jobs.limits, started) => outcome,
        () = cut.cancelled() => {
            Outcome { status: JobStatus::Cancelled, error: Some("the gateway stopped".to_owned()) }
        }
    };
    if error.is_some() && stop.is_cancelled() {
        status = JobStatus::Cancelled;
        if job.schedule.kind == "at" {
            // As if it had not begun: the next start makes up for it.
            return guard.finish(status, error.map(Detail::from));
        }
    }
    let ended = Ended { started, error: error.clone() };
    let (store, id, now) = (jobs.store.clone(), job.id.clone(), jobs.clock.now());
    let written = tokio::task::spawn_blocking(move || {
        store.update(|document| {
            document.end(&id, &ended, now);
            Ok(())
        })
    });
    if let Ok(Err(error)) = written.await {
        jobs.bus.emit(Event::CronStoreFailed { error: Detail::from(error.to_string()) });
    }
    // Counted when it is written: whoever sees the number finds the file to agree.
    guard.finish(status, error.map(Detail::from));
}

/// A job that runs; dropping it ends that.
struct Running {
    id: String,
    running: Arc<Mutex<BTreeSet<String>>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

/// Reads the file if it changed, and takes out what is due. Blocks.
fn look(store: &JobStore, mut known: Known, now: i64, running: &BTreeSet<String>) -> (Known, Due) {
    let is_running = |id: &str| running.contains(id);
    let mut taken = Due::default();
    let stamp = store.stamp();
    if known.stamp != Some(stamp) {
        known.stamp = Some(stamp);
        let read = store.read();
        match read {
            Ok(document) => known = Known { document, broken: None, ..known },
            Err(error) => return (Known { broken: Some(error.to_string()), ..known }, taken),
        }
    }
    if known.broken.is_some() {
        return (known, taken);
    }
    let mut trial = known.document.clone();
    let settled = trial.settle(now, &is_running);
    let due = trial.next().is_some_and(|next| next <= now);
    if !settled && !due {
        return (known, taken);
    }
    // On the disk before anything begins: a crash must not repeat a run without end.
    let updated = store.update_quietly(|document| {
        document.settle(now, &is_running);
        Ok(document.take_due(now, &is_running))
    });
    match updated {
        Ok((due, document)) => {
            known = Known { stamp: Some(store.stamp()), document, broken: None };
            taken = due;
        }
        // What cannot be written now may be later.
        Err(error) => known = Known { stamp: None, broken: Some(error.to_string()), ..known },
    }
    (known, taken)
}

fn tell_invalid(document: &Document) {
    for job in document.jobs().filter(|job| job.condition() == JobState::Invalid) {
        if let Err(error) = job.schedule.timing() {
            tracing::warn!(target: "picoclaw::jobs", job = job.id, %error, "A job's schedule cannot be understood; it does not run.");
        }
    }
}

#[cfg(test)]
mod tests;
