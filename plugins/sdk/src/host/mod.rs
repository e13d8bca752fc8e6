//! The gateway's side: loading plugins and calling them.
//!
//! * [`Library`]: a plugin that was checked and loaded, for ever. `file`: the checks of the file.
//! * [`keep_descriptors`]: no open file of the gateway reaches the process of a plugin.
//! * [`release_code`]: what ran at the start only need not stay in memory. [`release_memory`]: neither need what is free.
//! * [`Instance`]: one instance of it. [`EventBatch`]: what it is handed.
//!
//! Everything here is safe to call. What is not, and cannot be made so, is a plugin that breaks the ABI: whoever loads a
//! file vouches for it, and a process of its own keeps its crashes away from the gateway.

mod descriptors;
#[cfg(target_os = "linux")]
mod elf;
mod file;
mod instance;
mod library;
mod memory;
mod pages;

pub use crate::batch::{BatchMemory, EventBatch, EventFacts};
pub use descriptors::keep_descriptors;
pub use file::{FileError, Stamp, stamp};
pub use instance::{CallError, Instance, Log};
pub use library::{Library, LoadError};
pub use memory::release_memory;
pub use pages::release_code;

#[cfg(test)]
mod tests;
