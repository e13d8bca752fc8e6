//! Hooks: programs beside the gateway that watch and change what the agent does, over JSON-RPC 2.0 on their standard input
//! and output, as the existing PicoClaw speaks it.
//!
//! * [`chain`]: all hooks, asked one after the other. `answers`: what they say, understood.
//! * `hook`: one of them: its process, kept alive, and calls to it. `process`: the process. `protocol`: the lines.
//! * `observer`: tells a hook what happens.
//!
//! A hook that fails or is late changes nothing, and the agent goes on; but who is to approve and does not answer has not
//! approved.

mod answers;
pub mod chain;
mod hook;
mod observer;
mod process;
mod protocol;

pub use chain::Chain;
