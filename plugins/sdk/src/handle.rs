//! The gateway, as a plugin sees it.

use crate::abi;
use crate::event::Level;

/// The way back to the gateway. Cheap to clone, usable from any thread.
#[derive(Clone, Copy, Debug)]
pub struct Host(&'static abi::Host);

// SAFETY: the ABI promises that a host lives until the process ends and that `log` may be called from any thread.
unsafe impl Send for Host {}
// SAFETY: as above; nothing is ever written through the reference.
unsafe impl Sync for Host {}

impl Host {
    /// # Safety
    /// `raw` is NULL or a host as the ABI says: valid until the process ends, at least as large as its size.
    pub(crate) unsafe fn new(raw: *const abi::Host) -> Option<Self> {
        // SAFETY: the caller promises that it is NULL or lives until the process ends.
        let host: &'static abi::Host = unsafe { raw.as_ref() }?;
        (host.size as usize >= abi::least::HOST).then_some(Self(host))
    }

    /// Writes a line to the gateway's log, where it stands under the sink's name. Too many lines are dropped and
    /// counted.
    pub fn log(&self, level: Level, text: &str) {
        if let Some(log) = self.0.log {
            // SAFETY: the function and its context belong together, and the text lives during the call.
            unsafe { log(self.0.context, level as u32, abi::Text::of(text)) };
        }
    }
}

// A reference to a host reaches no further than version 1.0: see `abi::least`.
const _: () = assert!(size_of::<abi::Host>() == abi::least::HOST);
