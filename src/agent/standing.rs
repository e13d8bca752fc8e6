//! Whether a way to get an answer may be asked now. What follows from failures and from the configured rate is told on
//! the bus, and none of it is a request.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use picoclaw_telemetry::words::{CooldownEnd, FailureReason};
use picoclaw_telemetry::{Bus, Detail, Event, Label};
use tokio::time::Instant;

use self::bucket::Bucket;
use self::cooldown::{Cooldown, Rest};
use crate::providers::ProviderError;

mod bucket;
mod cooldown;

/// What a [`Standing`] belongs to, and what holds for it.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Tells one configured way to get an answer from all others, also after a reload.
    pub identity: u64,
    /// The label of the provider.
    pub provider: Label,
    /// The label of the configured model.
    pub model: Label,
    /// Whether failures have a rest as their consequence. The built-in provider fails only when it is told to.
    pub cools_down: bool,
}

/// How one way to get an answer stands: its failures, and how often it was asked.
#[derive(Debug)]
pub struct Standing {
    terms: Terms,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    cooldown: Cooldown,
    rpm: u32,
    bucket: Option<Bucket>,
    /// It is no longer configured: what its last requests come to concerns nobody.
    retired: bool,
}

/// Why a candidate is not asked now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unavailable {
    /// It failed not long ago.
    Resting {
        /// What it failed with.
        reason: FailureReason,
        /// The same for a person.
        error: String,
        /// How much longer it rests.
        remaining: Duration,
        /// When it is asked again if nobody else can be.
        again: Duration,
    },
    /// It was asked as often as it may be.
    Throttled {
        /// When it may be asked again.
        remaining: Duration,
    },
}

/// A candidate that rests, for those who look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resting {
    /// The label of the provider.
    pub provider: &'static str,
    /// The label of the configured model.
    pub model: &'static str,
    /// What it failed with.
    pub reason: FailureReason,
    /// How much longer it rests.
    pub remaining: Duration,
    /// How many ways there are to ask the model, by one key and entry each.
    pub of: usize,
}

impl Standing {
    /// The standing of somebody who was never asked, and may be asked so often in a minute; 0 for no limit.
    pub fn new(terms: Terms, rpm: u32) -> Self {
        let state = State { cooldown: Cooldown::default(), rpm, bucket: bucket(rpm), retired: false };
        Self { terms, state: Mutex::new(state) }
    }

    /// How often it may be asked in a minute; 0 for no limit.
    pub(super) fn rpm(&self) -> u32 {
        self.lock().rpm
    }

    fn limit(&self, rpm: u32) {
        let mut state = self.lock();
        if state.rpm != rpm {
            (state.rpm, state.bucket) = (rpm, bucket(rpm));
        }
    }

    /// Takes a place for one request, if it may be sent now.
    pub(super) fn admit(&self, bus: &Bus) -> Result<Place<'_>, Unavailable> {
        let now = Instant::now();
        let mut state = self.lock();
        self.elapse(bus, &mut state, now);
        if let Some(Rest { until, reason, error }) = state.cooldown.rest() {
            let remaining = until.saturating_duration_since(now);
            let again = remaining.min(state.cooldown.next_try(now));
            return Err(Unavailable::Resting { reason: *reason, error: error.clone(), remaining, again });
        }
        let remaining = state.bucket.as_mut().map_or(Duration::ZERO, |bucket| bucket.wait(now));
        if !remaining.is_zero() {
            return Err(Unavailable::Throttled { remaining });
        }
        Ok(self.place(&mut state, Duration::ZERO))
    }

    /// Takes a place for one request in spite of a rest, because nobody else can be asked.
    pub(super) fn try_anyway(&self) -> Option<Place<'_>> {
        let mut state = self.lock();
        let now = Instant::now();
        let free = state.bucket.as_mut().is_none_or(|bucket| bucket.wait(now).is_zero());
        (free && state.cooldown.try_anyway(now)).then(|| self.place(&mut state, Duration::ZERO))
    }

    /// Takes the place of the next request that may be sent, if that is within `patience`; it says how long to wait.
    pub(super) fn reserve(&self, patience: Duration) -> Result<Place<'_>, Duration> {
        let mut state = self.lock();
        let wait = state.bucket.as_mut().map_or(Duration::ZERO, |bucket| bucket.wait(Instant::now()));
        if wait > patience { Err(wait) } else { Ok(self.place(&mut state, wait)) }
    }

    fn place(&self, state: &mut State, wait: Duration) -> Place<'_> {
        if let Some(bucket) = &mut state.bucket {
            bucket.take();
        }
        Place { standing: self, wait, used: false }
    }

    /// A question was answered.
    pub(super) fn answered(&self, bus: &Bus) {
        let mut state = self.lock();
        if state.cooldown.answered().is_some() {
            self.tell_end(bus, CooldownEnd::Answered);
        }
    }

    /// A question that was put at `asked` stayed unanswered.
    pub(super) fn failed(&self, bus: &Bus, asked: Instant, error: &ProviderError) {
        if !self.terms.cools_down {
            return;
        }
        let now = Instant::now();
        let mut state = self.lock();
        if state.retired {
            return;
        }
        self.elapse(bus, &mut state, now);
        let begun = state.cooldown.failed(asked, now, error.reason, error.retry_after, &error.message);
        if let Some(rest) = begun {
            // Told under the lock, so that the gauge never sees an end before its beginning.
            bus.emit(Event::CooldownStarted {
                provider: self.terms.provider,
                model: self.terms.model,
                reason: rest.reason,
                delay: rest.until.duration_since(now),
                error: Detail::new(&rest.error),
            });
        }
    }

    /// Ends the rest if its time is over.
    pub(super) fn tick(&self, bus: &Bus) {
        self.elapse(bus, &mut self.lock(), Instant::now());
    }

    /// It is no longer configured.
    pub(super) fn retire(&self, bus: &Bus) {
        let mut state = self.lock();
        state.retired = true;
        if state.cooldown.cancel().is_some() {
            self.tell_end(bus, CooldownEnd::Removed);
        }
    }

    /// The rest that it is in; of other ways to ask the model it knows nothing.
    pub(super) fn resting(&self) -> Option<Resting> {
        let state = self.lock();
        let rest = state.cooldown.rest()?;
        Some(Resting {
            provider: self.terms.provider.as_str(),
            model: self.terms.model.as_str(),
            reason: rest.reason,
            remaining: rest.until.saturating_duration_since(Instant::now()),
            of: 1,
        })
    }

    fn elapse(&self, bus: &Bus, state: &mut State, now: Instant) {
        if state.cooldown.elapse(now).is_some() {
            self.tell_end(bus, CooldownEnd::Elapsed);
        }
    }

    fn tell_end(&self, bus: &Bus, cause: CooldownEnd) {
        bus.emit(Event::CooldownEnded { provider: self.terms.provider, model: self.terms.model, cause });
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn bucket(rpm: u32) -> Option<Bucket> {
    (rpm > 0).then(|| Bucket::new(rpm, Instant::now()))
}

/// The right to send one request. Dropped unused, for example because the caller went away, it goes to somebody else.
#[derive(Debug)]
pub(super) struct Place<'a> {
    standing: &'a Standing,
    /// How long to wait before the request may be sent.
    pub(super) wait: Duration,
    used: bool,
}

impl Place<'_> {
    /// The request is on its way.
    pub(super) fn uses_up(mut self) {
        self.used = true;
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if !self.used
            && let Some(bucket) = &mut self.standing.lock().bucket
        {
            bucket.give_back();
        }
    }
}

/// Goes through what is configured now and was before: who is unchanged keeps its standing, who is gone is retired.
pub(super) fn hand_over<'a>(
    bus: &Bus,
    before: impl Iterator<Item = &'a Arc<Standing>>,
    now: impl Iterator<Item = &'a mut Arc<Standing>>,
) {
    let mut before: Vec<&Arc<Standing>> = before.collect();
    for standing in now {
        let same = before.iter().position(|old| old.terms.identity == standing.terms.identity);
        if let Some(place) = same {
            let old = Arc::clone(before.swap_remove(place));
            old.limit(standing.rpm());
            *standing = old;
        }
    }
    before.iter().for_each(|gone| gone.retire(bus));
}

#[cfg(test)]
mod tests;
