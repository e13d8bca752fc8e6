//! One walk through the candidates for an answer: who is asked, who is passed over, who is waited for, and who is asked
//! although it rests.

use std::sync::Arc;
use std::time::Duration;

use picoclaw_telemetry::Event;
use picoclaw_telemetry::words::{FailureReason, SkipReason};

use super::attempts::{self, Question};
use super::models::Candidate;
use super::pictures;
use super::standing::{Place, Unavailable};
use crate::chat::Message;
use crate::providers::{Completion, ProviderError};

/// Asks for an answer to a conversation, with its images.
///
/// # Errors
/// As [`answer`].
pub(super) async fn complete(question: &Question<'_>) -> Result<(Completion, Arc<Candidate>), ProviderError> {
    let images = |message: &&Message| pictures::has_any(message);
    let Some(pictures) = question.pictures.filter(|_| question.messages.iter().any(images)) else {
        return answer(question).await;
    };
    let shown = pictures.show(question.messages, question.sees).await;
    for (outcome, images) in shown.counts() {
        let session = question.session.clone();
        question.bus.emit(Event::ImagesShown { turn: question.turn, outcome, images, session });
    }
    let messages = shown.conversation(question.messages);
    answer(&Question { messages: &messages, ..*question }).await
}

/// Asks the candidates in order until one answers, passing over those that rest after a failure or were asked as often
/// as they may be. If that leaves nobody, it waits for one of the latter, or else asks one of the former now and then. A transient failure is retried at the same
/// candidate first. A failure that lies in the request itself is final: no other provider would understand it either.
///
/// # Errors
/// The failure of the last attempt; or, if there was none, why nobody could be asked.
async fn answer(question: &Question<'_>) -> Result<(Completion, Arc<Candidate>), ProviderError> {
    let mut round = Round::default();
    for candidate in question.candidates {
        let place = match candidate.standing.admit(question.bus) {
            Ok(place) => place,
            Err(why) => {
                round.pass_over(candidate, why);
                continue;
            }
        };
        round.settle(question);
        if let Some(answer) = round.ask(question, candidate, place).await {
            return answer;
        }
    }
    // Whoever has no place now may have one in a moment.
    let mut throttled = std::mem::take(&mut round.throttled);
    throttled.sort_by_key(|(_, remaining)| *remaining);
    for (candidate, remaining) in throttled {
        let Ok(place) = candidate.standing.reserve(question.patience()) else {
            round.skip(question, candidate, SkipReason::RateLimit, remaining);
            continue;
        };
        round.settle(question);
        throttle(question, candidate, &place).await;
        if let Some(answer) = round.ask(question, candidate, place).await {
            return answer;
        }
    }
    for (candidate, remaining) in std::mem::take(&mut round.resting) {
        let place = if round.last.is_none() { candidate.standing.try_anyway() } else { None };
        let Some(place) = place else {
            round.skip(question, candidate, SkipReason::Cooldown, remaining);
            round.left.push((candidate, remaining));
            continue;
        };
        if let Some(answer) = round.ask(question, candidate, place).await {
            return answer;
        }
    }
    Err(round.failure())
}

/// One walk through the candidates.
#[derive(Default)]
struct Round<'a> {
    /// The attempts at the question that failed, whoever was asked.
    failed: u32,
    /// Who failed first: mostly the one that people think they talk to.
    first: Option<(&'a Arc<Candidate>, String)>,
    last: Option<(&'a Arc<Candidate>, ProviderError)>,
    /// Those who may be asked later, and when; whether that is worth waiting for shows at the end.
    throttled: Vec<(&'a Arc<Candidate>, Duration)>,
    /// Those who rest, and how much longer.
    resting: Vec<(&'a Arc<Candidate>, Duration)>,
    /// Those who were not asked although nobody else answered.
    left: Vec<(&'a Arc<Candidate>, Duration)>,
    /// The candidate that can be asked the soonest, and why not now.
    soonest: Option<(&'a Arc<Candidate>, Duration, ProviderError)>,
}

impl<'a> Round<'a> {
    /// Asks one candidate. `None` when the next one may do better.
    async fn ask(
        &mut self,
        question: &Question<'_>,
        candidate: &'a Arc<Candidate>,
        place: Place<'_>,
    ) -> Option<Result<(Completion, Arc<Candidate>), ProviderError>> {
        match attempts::ask(question, candidate, place, &mut self.failed).await {
            Ok(completion) => Some(Ok((completion, Arc::clone(candidate)))),
            Err(error) => {
                let stop = error.partial || !error.reason.cools_down() || question.is_over();
                if stop {
                    return Some(Err(error));
                }
                if self.first.is_none() {
                    self.first = Some((candidate, error.message.clone()));
                }
                self.last = Some((candidate, error));
                None
            }
        }
    }

    fn pass_over(&mut self, candidate: &'a Arc<Candidate>, why: Unavailable) {
        let (remaining, error) = match why {
            Unavailable::Resting { reason, error, remaining, again } => {
                self.resting.push((candidate, remaining));
                if self.first.is_none() {
                    self.first = Some((candidate, error.to_string()));
                }
                (again, resting(candidate, reason, &error, again))
            }
            Unavailable::Throttled { remaining } => {
                self.throttled.push((candidate, remaining));
                (remaining, throttled(candidate, remaining))
            }
        };
        if self.soonest.as_ref().is_none_or(|(_, soonest, _)| remaining < *soonest) {
            self.soonest = Some((candidate, remaining, error));
        }
    }

    /// Somebody else is asked, so those who had no place or rest are passed over for good.
    fn settle(&mut self, question: &Question<'_>) {
        for (candidate, remaining) in std::mem::take(&mut self.resting) {
            self.skip(question, candidate, SkipReason::Cooldown, remaining);
        }
        for (candidate, remaining) in std::mem::take(&mut self.throttled) {
            self.skip(question, candidate, SkipReason::RateLimit, remaining);
        }
    }

    fn skip(&self, question: &Question<'_>, candidate: &Candidate, reason: SkipReason, remaining: Duration) {
        question.bus.emit(Event::LlmSkipped {
            turn: question.turn,
            provider: candidate.provider_label,
            model: candidate.model_label,
            reason,
            remaining,
            session: question.session.clone(),
        });
    }

    fn failure(self) -> ProviderError {
        let Some((candidate, mut last)) = self.last else {
            let Some((candidate, _, error)) = self.soonest else {
                return ProviderError::new(FailureReason::Unknown, "no model is configured");
            };
            return with_those_left(error, self.left, &[&candidate.model_name]);
        };
        // The failure of a fallback alone would send people looking in the wrong place.
        let who = |candidate: &Candidate| (candidate.model_name.clone(), candidate.provider_label);
        let mut told = vec![candidate.model_name.as_str()];
        if let Some((first, error)) = self.first
            && who(first) != who(candidate)
        {
            let (name, provider) = (&first.model_name, first.provider_label);
            last.message =
                format!("{}; before it {name} ({provider}) had failed with: {error}", last.message);
            told.push(name);
        }
        with_those_left(last, self.left, &told)
    }
}

/// Names those who rest and have not been told of, or people would add the fallbacks that are there.
fn with_those_left(
    mut error: ProviderError,
    mut left: Vec<(&Arc<Candidate>, Duration)>,
    told: &[&str],
) -> ProviderError {
    left.retain(|(candidate, _)| !told.contains(&candidate.model_name.as_str()));
    left.sort_by_key(|(candidate, remaining)| (candidate.model_name.as_str(), *remaining));
    left.dedup_by_key(|(candidate, _)| candidate.model_name.as_str());
    for (candidate, remaining) in left {
        let (name, wait) = (&candidate.model_name, remaining.as_secs());
        error.message.push_str(&format!("; {name} failed before and is not asked for {wait} s more"));
    }
    error
}

/// Waits until the request may be sent.
async fn throttle(question: &Question<'_>, candidate: &Candidate, place: &Place<'_>) {
    if place.wait.is_zero() {
        return;
    }
    question.bus.emit(Event::LlmThrottled {
        turn: question.turn,
        provider: candidate.provider_label,
        model: candidate.model_label,
        delay: place.wait,
        session: question.session.clone(),
    });
    tokio::time::sleep(place.wait).await;
}

fn resting(candidate: &Candidate, reason: FailureReason, error: &str, remaining: Duration) -> ProviderError {
    let message = format!(
        "{} ({}) failed and is not asked again for {} s: add fallbacks or api_keys to its model_list entry, or correct \
         the entry, which ends the wait at the next reload; it failed with: {error}",
        candidate.model_name,
        candidate.provider_label,
        whole_seconds(remaining),
    );
    local(ProviderError::new(reason, message), remaining)
}

fn throttled(candidate: &Candidate, remaining: Duration) -> ProviderError {
    let message = format!(
        "{} ({}) is asked {} times a minute already, the next time in {} s: raise rpm of its model_list entry, or add \
         fallbacks",
        candidate.model_name,
        candidate.provider_label,
        candidate.standing.rpm(),
        whole_seconds(remaining),
    );
    local(ProviderError::new(FailureReason::RateLimit, message), remaining)
}

fn local(error: ProviderError, remaining: Duration) -> ProviderError {
    ProviderError { local: true, retry_after: Some(remaining), ..error }
}

/// Rounded up: a moment that is told too early would be of no use.
fn whole_seconds(time: Duration) -> u64 {
    time.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX)
}
