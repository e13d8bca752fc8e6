//! The plugin interface of PicoClaw.
//!
//! A plugin is a shared library that receives every telemetry event of a gateway, or offers tools to its agent. Implement
//! [`Plugin`] and name the type in [`export!`]; the crate type is `cdylib`. No `unsafe` is needed, and a panic ends the
//! instance, not the process.
//!
//! ```
//! use picoclaw_plugin::{Batch, Failure, Host, Level, Plugin};
//!
//! struct Counter { host: Host, seen: u64 }
//!
//! impl Plugin for Counter {
//!     fn create(host: Host, _config: &str) -> Result<Self, Failure> {
//!         Ok(Self { host, seen: 0 })
//!     }
//!
//!     fn on_events(&mut self, batch: &Batch<'_>) -> Result<(), Failure> {
//!         self.seen += batch.len() as u64;
//!         Ok(())
//!     }
//!
//!     fn flush(&mut self, _within: std::time::Duration) -> Result<(), Failure> {
//!         self.host.log(Level::Info, &format!("{} events so far", self.seen));
//!         Ok(())
//!     }
//! }
//!
//! picoclaw_plugin::export!(Counter);
//! # fn main() {}
//! ```
//!
//! * [`abi`]: the C ABI, which other languages use through `include/picoclaw_plugin.h`.
//! * [`Plugin`], [`Tools`], [`Batch`], [`Event`], [`Host`]: the safe side of a plugin.
//! * [`testing`]: a host and batches for the tests of a plugin.
//! * `loader`: the gateway's side, behind the feature `host`.

#[cfg(panic = "abort")]
compile_error!(
    "a plugin must be able to catch its panics: remove `panic = \"abort\"` from the profile, or the gateway's sink ends \
     with its first panic"
);

pub mod abi;
#[cfg_attr(not(feature = "host"), allow(unreachable_pub, dead_code))]
mod batch;
mod entry;
mod event;
mod failure;
mod guard;
mod handle;
#[cfg(feature = "host")]
#[path = "host/mod.rs"]
pub mod loader;
mod plugin;
pub mod testing;
mod tools;

pub use event::{Attributes, Batch, Event, Events, Level, Value};
pub use failure::Failure;
pub use handle::Host;
pub use plugin::Plugin;
pub use tools::{ToolSpec, Tools};

/// What the macro [`export!`] needs.
#[doc(hidden)]
pub mod private {
    pub use crate::entry::{descriptor, descriptor_with_tools};
}
