//! The side of the plugin: what runs in the child process, or on a thread of its own.
//!
//! * `serve`: answers the gateway's frames with the calls of one plugin.
//! * [`process`]: the child process around it.

pub mod process;
mod serve;

pub(super) use serve::serve;
