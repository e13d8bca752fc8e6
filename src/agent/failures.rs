//! Why a turn has no answer, for the person who waits for it.

use std::time::Duration;

use picoclaw_telemetry::words::TurnStatus;

use super::inbound::TurnError;
use crate::sessions::StoreError;

pub(super) const CALLER_GONE: &str = "the caller went away";
pub(super) const STOPPED: &str = "stopped, as /stop asked for";
pub(super) const STOPPING: &str =
    "the gateway is stopping and could not wait for the answer; send the message again in a moment";

/// A turn that ended like this, and not because of a provider.
fn ended(status: TurnStatus, message: impl Into<String>) -> TurnError {
    TurnError { status, reason: None, message: message.into(), retry_after: None }
}

pub(super) fn cancelled(message: &str) -> TurnError {
    ended(TurnStatus::Cancelled, message)
}

pub(super) fn turn_timeout(limit: Duration) -> TurnError {
    let message = format!("no answer within {} s (agents.defaults.turn_timeout_secs)", limit.as_secs_f64());
    ended(TurnStatus::Timeout, message)
}

pub(super) fn sub_agent_timeout(limit: Duration) -> TurnError {
    let message = format!(
        "the sub-agent was not done within {} s (agents.defaults.subturn.default_timeout_minutes)",
        limit.as_secs()
    );
    ended(TurnStatus::Timeout, message)
}

pub(super) fn lost_turn() -> TurnError {
    ended(TurnStatus::Failed, "the turn that the message had joined vanished; send the message again")
}

pub(super) fn stopped_meanwhile() -> TurnError {
    let message =
        "the gateway stopped before the disk had answered; the messages may or may not be in the session";
    ended(TurnStatus::Failed, message)
}

pub(super) fn store_error(error: &StoreError) -> TurnError {
    ended(TurnStatus::Failed, error.to_string())
}
