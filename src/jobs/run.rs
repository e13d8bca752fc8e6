//! One run of a job.

use std::time::Duration;

use picoclaw_telemetry::words::{JobStatus, Origin};

use super::job::Job;
use super::schedule::time;
use super::service::Limits;
use super::world::World;
use picoclaw::agent::Conversation;
use picoclaw::hex::Hex;

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) status: JobStatus,
    pub(super) error: Option<String>,
}

/// Does what a job says, within its limit of time.
pub(super) async fn run(job: &Job, world: &dyn World, limits: Limits, now: i64) -> Outcome {
    let limit = if job.payload.command.is_empty() { limits.turn } else { limits.command };
    match tokio::time::timeout(limit, act(job, world, limit, now)).await {
        Ok(Ok(())) => Outcome { status: JobStatus::Ok, error: None },
        Ok(Err(error)) => Outcome { status: JobStatus::Error, error: Some(error) },
        Err(_) => Outcome {
            status: JobStatus::Timeout,
            error: Some(format!("it did not end within {} s", limit.as_secs())),
        },
    }
}

async fn act(job: &Job, world: &dyn World, limit: Duration, now: i64) -> Result<(), String> {
    let payload = &job.payload;
    let tell = |text: String| async move { world.tell(&payload.channel, &payload.to, &text).await };
    if !payload.command.is_empty() {
        // Whoever asked for it hears of both, but only one of them is a success.
        let session = format!("agent:cron-{}", job.id);
        return match world.command(&session, &payload.command, limit).await {
            Ok(output) => tell(format!("Scheduled command '{}' executed:\n{output}", payload.command)).await,
            Err(error) => match tell(format!("Error executing scheduled command: {error}")).await {
                Ok(()) => Err(error),
                Err(also) => Err(format!("{error}; and {also}")),
            },
        };
    }
    match payload.kind.as_str() {
        "agent_turn" | "" => {}
        other => return Err(format!("the kind of payload \"{other}\" is not known: use agent_turn")),
    }
    if payload.message.trim().is_empty() {
        return Err("the job has no message".to_owned());
    }
    if payload.deliver == Some(true) {
        return tell(payload.message.clone()).await;
    }
    let conversation = Conversation::Key(format!("agent:cron-{}-{}", job.id, uuid()?));
    let answer = world.ask(conversation, &prompt(job, now), Origin::Cron).await?;
    tell(answer).await
}

/// So that the model does not take it for a message of a person.
fn prompt(job: &Job, now: i64) -> String {
    let Job { name, id, schedule, payload, .. } = job;
    format!(
        "[cron] The scheduled job \"{name}\" (id {id}, {}) runs at {}. Nobody is waiting; what you answer is sent to the \
         chat that asked for it.\n\n{}",
        schedule.describe(),
        time(now),
        payload.message
    )
}

/// A random UUID (RFC 9562, version 4).
fn uuid() -> Result<String, String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| format!("no random bytes: {error}"))?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = Hex(&bytes).to_string();
    Ok([&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-"))
}
