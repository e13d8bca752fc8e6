//! Programs that are started: what goes on in them ends with them, and is heard by them.
//!
//! * [`Group`]: a command with everything that it started. `signals`: what programs must heed.

mod group;
mod signals;

pub use group::{Descendants, Group};
pub use signals::heeded_by_programs;
