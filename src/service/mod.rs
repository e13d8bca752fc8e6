//! The service manager, systemd or whoever else sets `NOTIFY_SOCKET`: what the gateway tells it.
//!
//! The protocol is that of sd_notify(3), spoken here because the crates for it know no abstract sockets or read the
//! process's environment themselves. Without `NOTIFY_SOCKET` nothing happens.
//!
//! | Message | When |
//! |---|---|
//! | `READY=1` | `/ready` turns true, and after each reload |
//! | `RELOADING=1`, `MONOTONIC_USEC=` | a reload begins |
//! | `STOPPING=1` | the gateway begins to drain |
//! | `STATUS=` | the judgement of `/health` or its issues change |
//! | `WATCHDOG=1` | twice per `WATCHDOG_USEC`, from a timer of the event loop: when that is stuck, nobody tells it |

mod keeper;
mod notifier;

pub use keeper::{beat, keep};
pub use notifier::{Notifier, State};

#[cfg(test)]
mod tests;
