//! `cron/jobs.json` as a whole, and what is done to it. No file is touched here.

use picoclaw_telemetry::words::{JobState, Missed};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::job::Job;
use super::schedule::{Schedule, Timing};

/// How late a run may begin before it counts as missed: the gateway looks about once a second, and may be busy.
const GRACE_MS: i64 = 60_000;

/// Most jobs that can be added. A model in a loop must not fill the disk.
const MOST_JOBS: usize = 1_000;
/// Most jobs that failed in their only run and stay to say so; the oldest make room.
const MOST_SPENT: usize = 20;

/// All jobs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Document {
    version: u64,
    jobs: Vec<Entry>,
    #[serde(flatten)]
    other: Map<String, Value>,
}

impl Default for Document {
    fn default() -> Self {
        Self { version: 1, jobs: Vec::new(), other: Map::new() }
    }
}

/// A job, or something in its place that is none: it stays, and does nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Entry {
    Job(Box<Job>),
    Strange(Value),
}

/// A run that has to begin.
#[derive(Clone, Debug, PartialEq)]
pub struct Begun {
    /// The job.
    pub job: Job,
    /// When it should have begun.
    pub due: i64,
}

/// What the clock asks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Due {
    /// Runs to begin.
    pub begun: Vec<Begun>,
    /// Jobs that did not run in time, with how late it is in milliseconds.
    pub missed: Vec<(Job, Missed, i64)>,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// When it began.
    pub started: i64,
    /// What went wrong, if anything did.
    pub error: Option<String>,
}

/// Why a job cannot be added or changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// No such job.
    #[error("there is no job \"{0}\"")]
    Unknown(String),
    /// Too many.
    #[error("there are {MOST_JOBS} jobs already; remove some first")]
    Full,
    /// The schedule.
    #[error(transparent)]
    Schedule(#[from] super::schedule::ScheduleError),
    /// The schedule names only times that are over.
    #[error("that time is over already")]
    Over,
}

impl Document {
    /// The jobs.
    pub fn jobs(&self) -> impl Iterator<Item = &Job> {
        self.jobs.iter().filter_map(|entry| match entry {
            Entry::Job(job) => Some(job.as_ref()),
            Entry::Strange(_) => None,
        })
    }

    fn jobs_mut(&mut self) -> impl Iterator<Item = &mut Job> {
        self.jobs.iter_mut().filter_map(|entry| match entry {
            Entry::Job(job) => Some(job.as_mut()),
            Entry::Strange(_) => None,
        })
    }

    /// How many jobs are in this state.
    pub fn count(&self, state: JobState) -> u64 {
        let strange = self.jobs.iter().filter(|entry| matches!(entry, Entry::Strange(_))).count();
        let strange = if state == JobState::Invalid { strange } else { 0 };
        (self.jobs().filter(|job| job.condition() == state).count() + strange) as u64
    }

    /// The job with this id, or else the only one with this name.
    ///
    /// # Errors
    /// When there is none.
    pub fn find(&self, text: &str) -> Result<&Job, ChangeError> {
        let mut named = self.jobs().filter(|job| job.name == text);
        let named = named.next().filter(|_| named.next().is_none());
        let found = self.jobs().find(|job| job.id == text).or(named);
        found.ok_or_else(|| ChangeError::Unknown(text.to_owned()))
    }

    /// Adds a job.
    ///
    /// # Errors
    /// When it would never run, or there are too many.
    pub fn add(&mut self, job: Job) -> Result<(), ChangeError> {
        if self.jobs.len() >= MOST_JOBS {
            return Err(ChangeError::Full);
        }
        check(&job.schedule, job.created_at_ms)?;
        self.jobs.push(Entry::Job(Box::new(job)));
        Ok(())
    }

    /// Removes a job and returns it.
    ///
    /// # Errors
    /// When there is none.
    pub fn remove(&mut self, text: &str) -> Result<Job, ChangeError> {
        let job = self.find(text)?.clone();
        self.jobs.retain(|entry| !matches!(entry, Entry::Job(other) if other.id == job.id));
        Ok(job)
    }

    /// Changes a job; its next run follows from its schedule.
    ///
    /// # Errors
    /// When there is none, or it would never run.
    pub fn change(
        &mut self,
        text: &str,
        now: i64,
        change: impl FnOnce(&mut Job),
    ) -> Result<Job, ChangeError> {
        let id = self.find(text)?.id.clone();
        let job = self.jobs_mut().find(|job| job.id == id).ok_or(ChangeError::Unknown(id))?;
        let mut changed = job.clone();
        change(&mut changed);
        if changed.enabled && (changed.schedule != job.schedule || !job.enabled) {
            check(&changed.schedule, now)?;
            changed.state.next_run_at_ms = None;
        }
        changed.updated_at_ms = now;
        settle(&mut changed, now);
        *job = changed.clone();
        Ok(changed)
    }

    /// Gives every job the time of its next run where that does not follow from its schedule: after an edit by hand, or
    /// when another program left it out. Running jobs are left alone. Returns whether anything changed.
    pub fn settle(&mut self, now: i64, running: &dyn Fn(&str) -> bool) -> bool {
        let mut changed = false;
        for job in self.jobs_mut().filter(|job| !running(&job.id)) {
            changed |= settle(job, now);
        }
        changed
    }

    /// The earliest time at which a job has to run.
    pub fn next(&self) -> Option<i64> {
        self.jobs().filter(|job| job.enabled).filter_map(|job| job.state.next_run_at_ms).min()
    }

    /// Takes out what has to run now. A job whose time has passed several times runs once.
    pub fn take_due(&mut self, now: i64, running: &dyn Fn(&str) -> bool) -> Due {
        let mut taken = Due::default();
        for job in self.jobs_mut().filter(|job| job.enabled) {
            let Some(due) = job.state.next_run_at_ms.filter(|due| *due <= now) else { continue };
            let Ok(timing) = job.schedule.timing() else { continue };
            if running(&job.id) {
                job.state.next_run_at_ms = following(&timing, due, now);
                taken.missed.push((job.clone(), Missed::Running, now - due));
                continue;
            }
            if now - due > GRACE_MS {
                taken.missed.push((job.clone(), Missed::Downtime, now - due));
            }
            job.state.next_run_at_ms = following(&timing, due, now);
            taken.begun.push(Begun { job: job.clone(), due });
        }
        taken
    }

    /// Notes how a run ended. The job may have been changed or removed meanwhile.
    pub fn end(&mut self, id: &str, ended: &Ended, now: i64) {
        let Some(job) = self.jobs_mut().find(|job| job.id == id) else { return };
        job.state.last_run_at_ms = Some(ended.started);
        job.state.last_status = if ended.error.is_none() { "ok" } else { "error" }.to_owned();
        job.state.last_error = ended.error.clone().unwrap_or_default();
        job.updated_at_ms = now;
        let over = matches!(job.schedule.timing(), Ok(Timing::At(at)) if at <= ended.started);
        if over {
            job.enabled = false;
            job.state.next_run_at_ms = None;
            // What failed stays, switched off: else nobody would learn why a reminder did not come.
            if job.delete_after_run && ended.error.is_none() {
                self.jobs.retain(|entry| !matches!(entry, Entry::Job(other) if other.id == id));
            }
        }
        self.forget_spent();
    }

    fn forget_spent(&mut self) {
        let spent = |entry: &Entry| match entry {
            Entry::Job(job) => job.delete_after_run && !job.enabled && job.state.last_status == "error",
            Entry::Strange(_) => false,
        };
        let mut too_many = self.jobs.iter().filter(|entry| spent(entry)).count().saturating_sub(MOST_SPENT);
        self.jobs.retain(|entry| {
            let goes = too_many > 0 && spent(entry);
            too_many -= usize::from(goes);
            !goes
        });
    }
}

fn check(schedule: &Schedule, now: i64) -> Result<(), ChangeError> {
    schedule.timing()?.next(now).map(drop).ok_or(ChangeError::Over)
}

/// The next time after `due` that lies after `now`, in step with `due`.
fn following(timing: &Timing, due: i64, now: i64) -> Option<i64> {
    match timing {
        Timing::At(_) => None,
        Timing::Every(ms) => due.checked_add((((now - due) / ms) + 1).checked_mul(*ms)?),
        Timing::Cron(..) => timing.next(now),
    }
}

fn settle(job: &mut Job, now: i64) -> bool {
    let next = match job.schedule.timing() {
        Ok(timing) if job.enabled => settled(job, &timing, now),
        _ => None,
    };
    let changed = next != job.state.next_run_at_ms;
    job.state.next_run_at_ms = next;
    changed
}

/// The time that stands there if the schedule explains it, else the one that follows from now.
fn settled(job: &Job, timing: &Timing, now: i64) -> Option<i64> {
    let stands = job.state.next_run_at_ms;
    let explained = match timing {
        // Not yet run: also when a crash or another program forgot it.
        Timing::At(at) => return job.state.last_run_at_ms.is_none_or(|last| last < *at).then_some(*at),
        Timing::Every(ms) => stands.filter(|next| *next <= now.saturating_add(*ms)),
        Timing::Cron(expression, zone) => stands.filter(|next| {
            jiff::Timestamp::from_millisecond(*next).is_ok_and(|next| expression.matches(next, zone))
        }),
    };
    explained.or_else(|| timing.next(now))
}

#[cfg(test)]
mod tests;
