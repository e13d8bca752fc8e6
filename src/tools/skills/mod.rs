//! Skills: directories with instructions for a certain kind of task, which a model reads when it has such a task.
//!
//! * `skill`: what a skill says of itself. Everybody who lists skills asks
//!   [`Workspace::skills`](crate::Workspace::skills), which reads them within the tools' fence.
//! * [`Registries`]: where skills come from; `web`: the way there.
//! * [`builtin()`]: those that come with the gateway.
//! * [`Package`]: a skill on its way into a workspace, checked and bounded; `zip`: reading archives.

mod builtin;
mod package;
mod registries;
mod skill;
mod web;
mod zip;

pub use builtin::{Builtin, builtin};
pub use package::{InstallError, Package, is_name, remove};
pub use registries::{Fetched, Hit, Registries, Registry, RegistryOptions};
pub use skill::{DIRECTORY, FILE, MAX_HEAD, Skill};
