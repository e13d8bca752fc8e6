//! Whether the gateway is well, computed from what happened.
//!
//! The [`Judge`] reads the exact ledger and the sinks' statistics. Somebody else's outage makes the gateway
//! `degraded`: it serves, and restarting it would repair nothing. Only what keeps it from doing its own work, for
//! longer than a moment, makes it `failing`.
//!
//! | Issue | When | Worst status |
//! |---|---|---|
//! | `provider_<name>_failing` | its last three requests failed, or half of at least ten in the last minute | degraded |
//! | `provider_<name>_cooldown` | an entry or a key of it failed and is not asked for a while; `_failing` stands before it | degraded |
//! | `channel_<name>_down` | a channel failed, or has not connected for 30 s, while the gateway serves | degraded |
//! | `mcp_<name>_down` | an MCP server failed and is not connected | degraded |
//! | `plugin_<name>_down` | a plugin with tools does not run or is unwell | degraded |
//! | `hook_<name>_down` | a hook failed and does not run | degraded |
//! | `sink_<name>_down` | a sink's sends fail; a `critical` sink for long | degraded; failing |
//! | `sessions_unwritable` | the last attempt to make a turn durable failed, or the disk has not answered for 5 s; for long | failing |
//! | `event_loop_slow` | timers fire more than a second late; for long | failing |

mod channels;
mod checks;
mod judge;
mod part;
mod recent;
mod watch;

pub use judge::{Judge, Phase, Watched};
pub use watch::watch;

#[cfg(test)]
mod tests;
