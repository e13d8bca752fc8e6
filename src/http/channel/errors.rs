//! Which status and code stand for which failure.

use std::time::Duration;

use hyper::StatusCode;
use picoclaw_telemetry::words::{FailureReason, Rejection, TurnStatus};

use crate::agent::{Refusal, TurnError};
use crate::http::reply::ApiError;

/// The error for a turn that ended without an answer; its code is the reason's word.
pub fn of_turn(error: &TurnError) -> ApiError {
    let (status, code) = match (error.status, error.reason) {
        (_, Some(reason)) => (of_reason(reason), reason.as_str()),
        (TurnStatus::Timeout, None) => (StatusCode::GATEWAY_TIMEOUT, "timeout"),
        (TurnStatus::Cancelled, None) => (StatusCode::SERVICE_UNAVAILABLE, "cancelled"),
        // It was not the provider: the session could not be read or written.
        (TurnStatus::Failed, None) => (StatusCode::SERVICE_UNAVAILABLE, "failed"),
        (status, None) => (StatusCode::INTERNAL_SERVER_ERROR, status.as_str()),
    };
    // The agent has already repeated what was worth repeating at once; a client that repeats every 5xx by
    // itself would only say the same thing again in the same session.
    let may_pass = matches!(error.reason, Some(FailureReason::RateLimit | FailureReason::Overloaded));
    ApiError {
        retry_after: error.retry_after,
        retry: (!may_pass).then_some(false),
        ..ApiError::new(status, code, &error.message)
    }
}

fn of_reason(reason: FailureReason) -> StatusCode {
    match reason {
        FailureReason::RateLimit => StatusCode::TOO_MANY_REQUESTS,
        FailureReason::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
        FailureReason::Timeout => StatusCode::GATEWAY_TIMEOUT,
        FailureReason::BadRequest | FailureReason::ContextOverflow => StatusCode::BAD_REQUEST,
        // The caller's own credentials are right: a 401 would send it looking in the wrong place.
        FailureReason::Auth
        | FailureReason::Billing
        | FailureReason::Server
        | FailureReason::Network
        | FailureReason::CutStream
        | FailureReason::BadResponse
        | FailureReason::Unknown => StatusCode::BAD_GATEWAY,
    }
}

/// The error for a turn whose end nobody reports: its task failed inside.
pub fn lost_turn() -> ApiError {
    ApiError {
        retry: Some(false),
        ..ApiError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal_error",
            "the turn failed inside the gateway",
        )
    }
}

/// The error for a message that the agent did not accept.
pub fn of_refusal(refusal: &Refusal) -> ApiError {
    let (status, code, param, wait) = match refusal.reason {
        Rejection::Invalid => (StatusCode::BAD_REQUEST, "invalid_request", None, None),
        Rejection::Unauthorized => (StatusCode::UNAUTHORIZED, "invalid_api_key", None, None),
        Rejection::NotAllowed => (StatusCode::FORBIDDEN, "not_allowed", None, None),
        Rejection::Busy => (StatusCode::TOO_MANY_REQUESTS, "session_busy", None, Some(1)),
        Rejection::UnknownModel => (StatusCode::NOT_FOUND, "model_not_found", Some("model"), None),
        Rejection::Draining => (StatusCode::SERVICE_UNAVAILABLE, "draining", None, Some(5)),
    };
    ApiError {
        param: param.map(str::to_owned),
        retry_after: wait.map(Duration::from_secs),
        ..ApiError::new(status, code, &refusal.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(status: TurnStatus, reason: Option<FailureReason>) -> ApiError {
        let retry_after = Some(Duration::from_secs(7));
        of_turn(&TurnError { status, reason, message: "why".to_owned(), retry_after })
    }

    #[test]
    fn every_reason_has_its_status_and_its_word() {
        for (reason, status) in [
            (FailureReason::Auth, 502),
            (FailureReason::Billing, 502),
            (FailureReason::RateLimit, 429),
            (FailureReason::Overloaded, 503),
            (FailureReason::Server, 502),
            (FailureReason::Timeout, 504),
            (FailureReason::Network, 502),
            (FailureReason::CutStream, 502),
            (FailureReason::BadResponse, 502),
            (FailureReason::BadRequest, 400),
            (FailureReason::ContextOverflow, 400),
            (FailureReason::Unknown, 502),
        ] {
            let error = failed(TurnStatus::Failed, Some(reason));
            assert_eq!((error.status.as_u16(), error.code), (status, reason.as_str()));
            assert_eq!(error.retry_after, Some(Duration::from_secs(7)));
        }
        assert_eq!(FailureReason::ALL.len(), 12, "a new reason needs a row above");
    }

    #[test]
    fn a_turn_that_fails_without_a_provider_is_unavailable() {
        assert_eq!(failed(TurnStatus::Failed, None).status, 503);
        assert_eq!(failed(TurnStatus::Timeout, None).status, 504);
        assert_eq!(failed(TurnStatus::Cancelled, None).status, 503);
        assert_eq!(failed(TurnStatus::ToolLimit, None).status, 500);
    }

    #[test]
    fn every_refusal_has_its_status() {
        for (reason, status) in [
            (Rejection::Invalid, 400),
            (Rejection::Unauthorized, 401),
            (Rejection::Busy, 429),
            (Rejection::UnknownModel, 404),
            (Rejection::Draining, 503),
        ] {
            let error = of_refusal(&Refusal { reason, message: "why".to_owned() });
            assert_eq!(error.status, status);
            assert_eq!(error.retry_after.is_some(), matches!(status, 429 | 503));
        }
    }
}
