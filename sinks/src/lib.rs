//! The telemetry sinks of PicoClaw and their supervision.
//!
//! * [`config`]: one entry of `telemetry.sinks`. [`registry`]: type name to builder, the one line that a new sink
//!   adds. [`context`]: what every sink may know.
//! * [`supervisor`]: starts, restarts, reloads and drains sinks. `runner`: one task per sink. `buffer`, `backoff`,
//!   `filter`, `window`: its tools, each pure.
//! * One folder per sink: [`prometheus`], [`datadog`], [`newrelic`], [`jsonlog`], and [`plugin`] for those of others.
//! * [`own`]: the sinks' own numbers. [`process`]: those of the operating system. [`mask`]: removes secrets.
//!   [`health_document`]: the JSON of `/health`. [`place`]: whether a file can be written.

pub mod backoff;
pub mod buffer;
pub mod config;
pub mod context;
#[cfg(feature = "datadog")]
pub mod datadog;
pub mod filter;
mod gather;
pub mod health_document;
#[cfg(feature = "jsonlog")]
pub mod jsonlog;
pub mod mask;
#[cfg(feature = "newrelic")]
pub mod newrelic;
pub mod own;
pub mod place;
#[cfg(feature = "plugin")]
pub mod plugin;
pub mod process;
#[cfg(feature = "prometheus")]
pub mod prometheus;
pub mod registry;
mod runner;
pub mod supervisor;
#[cfg(test)]
mod testing;
#[cfg(feature = "newrelic")]
mod window;

pub use context::Context;
pub use registry::{BuildError, Built, build, problems};
