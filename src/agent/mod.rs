//! Turns: from an inbound message to the final reply.
//!
//! * [`inbound`]: what channels and the agent say to each other.
//! * [`models`]: from a configured model name to the providers that can answer for it.
//! * `gate`: one turn per session at a time, first come first served, with a bounded queue.
//! * `turn`: the loop of completions and tool calls. `round`: one completion, from whichever provider can be asked.
//!   `attempts`: asking one of them, with retries.
//!   `tool_calls`: the calls that a completion asks for.
//! * [`standing`]: whether a provider may be asked now: cooldown after failures, and the configured rate.
//! * [`hooks`]: where somebody outside may watch and change a turn. `hooked`: a turn's steps with that around them.
//! * `transcript`: what a turn adds to its session. `budget`: how much of it fits into a model's context window.
//!   `summary`: what takes the place of the older part of a long conversation.
//! * [`prompt`]: what opens every conversation. [`commands`]: what people can say beside talking to the model.
//! * [`pictures`]: the images of a conversation, as models see them.
//! * [`crew`]: sub-agents. [`routing`]: a lighter model for easy messages.
//! * `automatic`: turns that no person asked for.
//! * `setup`: what one agent works with. `team`: all of them. `dispatch`: which of them is for whom.
//! * `assistant`: the agents at work. `begin`: accepts messages. `active`: which sessions are active. `task`: one of them on its way to its reply. `failures`: why there is none.
//!
//! Every step is reported on the telemetry bus by guards, so that an abandoned turn is counted like any other.

mod active;
mod assistant;
mod attempts;
mod automatic;
mod begin;
mod budget;
pub mod commands;
pub mod crew;
mod dispatch;
mod failures;
mod gate;
mod hooked;
pub mod hooks;
pub mod inbound;
pub mod models;
mod offer;
pub mod pictures;
pub mod prompt;
mod round;
pub mod routing;
mod setup;
pub mod standing;
mod summary;
mod task;
mod team;
mod tool_calls;
mod transcript;
mod turn;

pub use assistant::Agent;
pub use budget::ContextLimits;
pub use crew::{CrewLimits, CrewTools, CrewWish, Fellow};
pub use dispatch::{Dispatch, Rule, When};
pub use inbound::{
    Assistant, Chat, ContextUsage, Conversation, Inbound, ModelInfo, Pieces, Progress, Refusal, Reply,
    ToolFeedback, TurnError, TurnHandle,
};
pub use models::{Candidate, ModelChoice, ModelTable};
pub use pictures::Pictures;
pub use prompt::Prompt;
pub use routing::Routing;
pub use setup::{Limits, Member};
pub use standing::{Resting, Standing, Terms};
pub use team::Team;
pub use tool_calls::Redact;
