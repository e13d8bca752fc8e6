//! Attempts at one provider until it answers, or asking it again makes no sense.

use std::sync::Arc;
use std::time::Duration;

use picoclaw_telemetry::event::{AttemptOutcome, Cost, Tokens};
use picoclaw_telemetry::guard::{Attempt, AttemptFacts, AttemptOf};
use picoclaw_telemetry::words::FailureReason;
use picoclaw_telemetry::{Bus, Detail, Event};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::inbound::Progress;
use super::models::Candidate;
use super::pictures::Pictures;
use super::standing::Place;
use crate::chat::{Message, Sampling, ToolSpecs, Usage};
use crate::providers::{ChatRequest, Completion, Delta, Discard, ProviderError};

/// The longest pause before a retry, whatever the provider asks for: a person is waiting.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Who had less time than this before the turn's was over is not to blame for not answering.
const FAIR_CHANCE: Duration = Duration::from_secs(10);

/// How failed attempts are repeated.
#[derive(Clone, Copy, Debug)]
pub(super) struct RetryPolicy {
    /// How many times one provider is asked again.
    pub(super) retries: u32,
    /// The n-th pause is n times this long.
    pub(super) backoff: Duration,
}

/// What is asked, of whom, on whose behalf.
pub(super) struct Question<'a> {
    pub(super) bus: &'a Bus,
    pub(super) turn: u64,
    pub(super) session: &'a Detail,
    pub(super) candidates: &'a [Arc<Candidate>],
    pub(super) messages: &'a [&'a Message],
    /// How the images of the conversation are shown; `None` where it has none.
    pub(super) pictures: Option<&'a Pictures>,
    /// Whether the model is one that images are for.
    pub(super) sees: bool,
    pub(super) tools: &'a ToolSpecs,
    pub(super) sampling: &'a Sampling,
    /// Where pieces of the answer go; `None` when the caller wants it as a whole.
    pub(super) progress: Option<&'a mpsc::Sender<Progress>>,
    pub(super) policy: RetryPolicy,
    /// The end of the turn, whoever is to blame: an attempt that lasts until then is a provider's timeout.
    pub(super) deadline: Option<Instant>,
}

impl Question<'_> {
    /// How long it makes sense to wait before asking.
    pub(super) fn patience(&self) -> Duration {
        let left = self.deadline.map_or(Duration::MAX, |end| end.saturating_duration_since(Instant::now()));
        left.min(LONGEST_PAUSE)
    }

    /// Whether no time is left to ask anybody.
    pub(super) fn is_over(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }
}

impl From<Delta> for Progress {
    fn from(delta: Delta) -> Self {
        match delta {
            Delta::Text(text) => Self::Text(text),
            Delta::Reasoning(text) => Self::Reasoning(text),
        }
    }
}

/// Asks one candidate, and remembers what came of it.
pub(super) async fn ask(
    question: &Question<'_>,
    candidate: &Candidate,
    place: Place<'_>,
    failed: &mut u32,
) -> Result<Completion, ProviderError> {
    let asked = Instant::now();
    let result = repeat(question, candidate, place, failed).await;
    match &result {
        Ok(_) => candidate.standing.answered(question.bus),
        // Whoever had no time to answer is not to blame.
        Err(_) if question.is_over() && asked.elapsed() < FAIR_CHANCE => {}
        Err(error) => candidate.standing.failed(question.bus, asked, error),
    }
    result
}

/// Asks one candidate, again as long as that may help. `failed` counts the attempts that failed.
async fn repeat(
    question: &Question<'_>,
    candidate: &Candidate,
    mut place: Place<'_>,
    failed: &mut u32,
) -> Result<Completion, ProviderError> {
    let mut attempt = 0;
    loop {
        place.uses_up();
        let error = match once(question, candidate, attempt, *failed).await {
            Ok(completion) => return Ok(completion),
            Err(error) => error,
        };
        *failed += 1;
        if question.is_over() || !error.is_transient() || attempt >= question.policy.retries {
            return Err(error);
        }
        place = match candidate.standing.reserve(question.patience()) {
            Ok(place) => place,
            Err(_) => return Err(error),
        };
        attempt += 1;
        let wished = error.retry_after.unwrap_or(question.policy.backoff * attempt);
        let delay = wished.min(LONGEST_PAUSE).max(place.wait);
        question.bus.emit(Event::LlmRetry {
            turn: question.turn,
            provider: candidate.provider_label,
            model: candidate.model_label,
            attempt: attempt + 1,
            reason: error.reason,
            delay,
            session: question.session.clone(),
        });
        tokio::time::sleep(delay).await;
    }
}

async fn once(
    question: &Question<'_>,
    candidate: &Candidate,
    attempt: u32,
    failed: u32,
) -> Result<Completion, ProviderError> {
    let progress = question.progress.filter(|_| candidate.streaming);
    let request = ChatRequest {
        model: &candidate.upstream_id,
        messages: question.messages,
        tools: question.tools,
        sampling: question.sampling,
        stream: progress.is_some(),
        attempt: failed,
    };
    let guard = Attempt::start(
        question.bus,
        AttemptOf {
            turn: question.turn,
            provider: candidate.provider_label,
            model: candidate.model_label,
            attempt: attempt + 1,
            session: question.session.clone(),
        },
    );
    let asking = async {
        match progress {
            Some(progress) => candidate.provider.complete(&request, &mut progress.clone()).await,
            None => candidate.provider.complete(&request, &mut Discard).await,
        }
    };
    let result = match question.deadline {
        Some(deadline) => timeout_at(deadline, asking).await.unwrap_or_else(|_| Err(out_of_time(candidate))),
        None => asking.await,
    };
    match &result {
        Ok(completion) => guard.finish(AttemptOutcome::Success, facts_of(candidate, completion)),
        Err(error) => {
            let facts = AttemptFacts {
                status_code: error.status,
                error: Some(Detail::new(&error.message)),
                ..AttemptFacts::default()
            };
            guard.finish(AttemptOutcome::Failed(error.reason), facts);
        }
    }
    let completion = result?;
    // A provider that cannot stream still owes the caller the pieces: the whole answer is one.
    if let Some(wanted) = question.progress.filter(|_| progress.is_none())
        && !completion.content.is_empty()
    {
        // A caller who no longer listens has cancelled the turn, which ends it elsewhere.
        let _ = wanted.send(Progress::Text(completion.content.clone())).await;
    }
    Ok(completion)
}

fn out_of_time(candidate: &Candidate) -> ProviderError {
    let message = format!(
        "{} had not answered when the turn's time was over (agents.defaults.turn_timeout_secs)",
        candidate.model_name
    );
    ProviderError::new(FailureReason::Timeout, message)
}

fn facts_of(candidate: &Candidate, completion: &Completion) -> AttemptFacts {
    let price = candidate.price.zip(completion.usage);
    AttemptFacts {
        cost: price.map(|(price, usage)| Cost(price.of(usage))),
        first_token: completion.time_to_first_token,
        tokens: completion.usage.map(tokens),
        status_code: None,
        error: None,
    }
}

/// Usage in the words of telemetry.
pub(super) fn tokens(usage: Usage) -> Tokens {
    Tokens { input: usage.input, output: usage.output, cached: usage.cached }
}
