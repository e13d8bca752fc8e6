//! What a plugin implements.

use std::time::Duration;

use crate::event::Batch;
use crate::failure::Failure;
use crate::handle::Host;

/// A plugin: all state lives in the instance, since one library may serve several sinks.
///
/// Calls come one at a time on one thread, which is not a tokio worker: bring a runtime if one is needed, and block as
/// long as the sink's `call_timeout_ms` allows. A panic in any of them is caught: the instance is given up, the message
/// and its place stand in the gateway's log, and a new instance takes over.
pub trait Plugin: Send + Sized + 'static {
    /// Makes an instance. `config` is the JSON object that stands as `config` in the sink's options, `{}` without.
    ///
    /// # Errors
    /// [`Failure::Config`] when the configuration is wrong; the others when it may work later.
    fn create(host: Host, config: &str) -> Result<Self, Failure>;

    /// Takes events. They are gone when the call returns: copy what is needed later.
    ///
    /// # Errors
    /// [`Failure::Retry`] to be handed the same batch later, [`Failure::Lost`] when it can never be taken.
    fn on_events(&mut self, batch: &Batch<'_>) -> Result<(), Failure> {
        let _ = batch;
        Ok(())
    }

    /// Makes durable, or sends, what was taken: every few seconds, and before the end.
    ///
    /// # Errors
    /// When that did not work.
    fn flush(&mut self, within: Duration) -> Result<(), Failure> {
        let _ = within;
        Ok(())
    }

    /// Says whether all is well.
    ///
    /// # Errors
    /// When it is not.
    fn health(&mut self) -> Result<(), Failure> {
        Ok(())
    }
}
