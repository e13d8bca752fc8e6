//! What the agent does without being asked: scheduled jobs and the heartbeat.
//!
//! * [`schedule`], `expression`: when something runs. [`job`]: one job as `cron/jobs.json` has it.
//! * [`document`]: all of them, and what is done to them: what is due, how it ended. No I/O.
//! * [`store`]: the file, shared with other processes.
//! * [`service`]: watches the file and the clock, and begins what is due. `run`: one run. `clock`: what time it is.
//! * [`tool`]: the tool `cron`, by which a model manages jobs.
//! * [`heartbeat`]: asks the agent now and then whether there is anything to do.
//! * [`world`]: what jobs need of the rest of the gateway.

mod clock;
pub mod document;
mod expression;
pub mod heartbeat;
pub mod job;
mod run;
pub mod schedule;
pub mod service;
pub mod store;
#[cfg(test)]
mod testing;
pub mod tool;
pub mod world;

pub use clock::{Clock, SystemClock};
pub use document::{ChangeError, Document};
pub use expression::{Expression, ExpressionError};
pub use heartbeat::Heartbeat;
pub use job::{Job, Payload, State};
pub use schedule::{Schedule, ScheduleError};
pub use service::{Jobs, Limits};
pub use store::{JobStore, StoreError};
pub use tool::CronTool;
pub use world::{AgentWorld, World};

use picoclaw::hex::Hex;

/// An id for a new job: 16 hexadecimal digits, without a dash, which separates it from the number of a run.
///
/// # Errors
/// When the system gives no random bytes.
pub fn new_id() -> std::io::Result<String> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(std::io::Error::other)?;
    Ok(Hex(&bytes).to_string())
}
