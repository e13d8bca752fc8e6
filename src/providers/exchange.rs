//! What every protocol over HTTP has in common: one request with its answer, whole or in events, within its limits.
//!
//! * `connection`: where a configured model's server is, and how it is asked.
//! * `attempt`: one request with its answer, within its time limits; `events` reads a streamed one, `sse` cuts it.
//! * `lessons`: requests that are repeated in the way in which a server wants to be asked.
//! * [`Assembly`]: what a protocol adds to that.
//! * `failure` judges error answers, `report` puts them into words.

pub(super) use self::assembly::{Assembly, Fault, MAX_CALLS, Pieces, Step};
pub(super) use self::attempt::Failed;
pub(super) use self::connection::{Connection, endpoint, secret_header, uri};
pub(super) use self::failure::ErrorBody;
pub(super) use self::fields::{Fields, write};
pub(super) use self::lessons::ask;

mod assembly;
mod attempt;
mod connection;
mod events;
mod failure;
mod fields;
mod lessons;
mod report;
#[cfg(test)]
pub(super) mod server;
mod sse;

/// The reason that an error answer with this status has, if it says no more.
pub(super) fn reason_for_status(status: u16) -> picoclaw_telemetry::words::FailureReason {
    failure::classify(Some(status), &ErrorBody::default())
}
