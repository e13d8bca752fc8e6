//! The side of the plugin: what runs in the child process, or on a thread of its own.
//!
//! * `serve`: answers the gateway's frames with the calls of one plugin.
//! * [`process`]: the child process around it.
//! * [`release_code`]: what ran at the start only need not stay in memory. [`release_memory`]: neither need what is free.

pub mod process;
mod serve;

pub use picoclaw_plugin::loader::{release_code, release_memory};
pub(super) use serve::serve;
