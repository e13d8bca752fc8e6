//! The composition root: the one place that knows every part and puts them together.
//!
//! * [`run`]: from a configuration to a stopped gateway.
//! * `check`: reads the configuration and finds everything that is wrong with it before anything starts.
//! * `team`: the agents of a configuration. `setup`: their models, tools and limits. `supply`: where tools come from; `mcp`: those that come and go. `routes`: who answers at which path.
//! * `reload`: takes a new configuration over while it runs, or refuses it whole. `fixed`: what needs a restart.
//! * `welcome`: the lines for whoever starts it. `greeting`: writes them. `shutdown`: the way down, with a deadline for
//!   each step. `signals`: what the operating system asks for. `hot_reload`: what a changed file asks for. `rest`: lets go
//!   of code that ran once.

mod check;
mod fixed;
mod greeting;
mod hot_reload;
mod jobs;
mod mcp;
mod media;
mod parts;
mod plugin_tools;
mod reload;
mod rest;
mod routes;
mod run;
mod setup;
mod shutdown;
mod signals;
mod supply;
mod team;
mod welcome;

pub use check::{load, sink_context};
pub use jobs::cron_tool;
pub use parts::console;
pub use plugin_tools::{PluginTools, start as plugin_tools};
pub use run::{Options, run};
pub use setup::{SetupError, registries, session_options};
pub use supply::{Supply, mcp_server};
pub use team::{open_sessions, team};
