//! Tools of MCP servers: programs that speak the Model Context Protocol, over their standard streams or HTTP.
//!
//! * [`Servers`]: the servers of a configuration, each looked after by a task of its own (`keeper`), which connects, asks
//!   for the tools, notices the end and connects again with growing pauses. Nobody waits for a server: its tools appear
//!   when it is ready.
//! * `protocol`: the protocol itself. `connection`: one connection, which ends with everything that it started.
//! * `tool`: a tool of a server as a [`Tool`](picoclaw_tools::Tool); `name`: what it is called; `answer`: what it says.
//! * [`probe`]: one look at what a server offers.
//!
//! Missing: prompts, resources, sampling, elicitation; servers are told that this client has none of them.

mod answer;
mod artifacts;
mod connection;
mod keeper;
mod name;
mod probe;
mod protocol;
mod servers;
mod spec;
mod tool;
mod variables;

pub use artifacts::Artifacts;
pub use probe::{Offered, probe};
pub use servers::{Observer, Servers};
pub use spec::{ServerSpec, Way};
