//! One instance of a plugin.

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use super::library::{Functions, Library};
use crate::abi::{self, ErrorText, Reply, Text, ToolExtension};
use crate::batch::EventBatch;
use crate::event::Level;

/// Room for an error text.
const ERROR_ROOM: usize = 1024;

/// The longest reply of a tool.
const LONGEST_REPLY: usize = 1024 * 1024;

/// Takes what a plugin wants logged; from any thread, also after the instance has ended.
pub type Log = Arc<dyn Fn(Level, &str) + Send + Sync>;

/// How a call of a plugin went wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// What it was about is lost.
    #[error("{0}")]
    Lost(String),
    /// The configuration is wrong.
    #[error("configuration: {0}")]
    Config(String),
    /// It may work later.
    #[error("{0}")]
    Retry(String),
    /// The plugin panicked, now or before: it must be replaced.
    #[error("{0}")]
    Panicked(String),
}

/// An instance. Calls come one at a time: all of them take `&mut`.
#[derive(Debug)]
pub struct Instance {
    functions: Functions,
    handle: *mut c_void,
}

// SAFETY: the ABI asks for serial calls, not for one and the same thread; the gateway makes them from one thread anyway.
unsafe impl Send for Instance {}

impl Instance {
    /// Makes an instance with this configuration, a JSON object.
    ///
    /// # Errors
    /// When the plugin refuses.
    pub fn create(library: &Library, config: &str, log: Log) -> Result<Self, CallError> {
        let functions = library.functions;
        // A thread that a plugin leaves behind may log for ever, so this is never freed.
        let context: &'static Log = Box::leak(Box::new(log));
        let host: &'static abi::Host = Box::leak(Box::new(abi::Host {
            size: size_of::<abi::Host>() as u32,
            minor: u32::from(abi::PICOCLAW_ABI_MINOR),
            context: std::ptr::from_ref(context).cast_mut().cast(),
            log: Some(take_log),
            get_extension: Some(no_extension),
        }));
        let mut handle = std::ptr::null_mut();
        attempt(|error| {
            // SAFETY: the function is `create` of a plugin; the host lives for ever, the rest during the call.
            unsafe { (functions.create)(host, Text::of(config), &mut handle, error) }
        })?;
        Ok(Self { functions, handle })
    }

    /// Hands events over.
    ///
    /// # Errors
    /// When the plugin does not take them.
    pub fn on_events(&mut self, batch: &mut EventBatch<'_, '_>) -> Result<(), CallError> {
        let Some(on_events) = self.functions.on_events else {
            return Err(CallError::Lost("the plugin takes no events".to_owned()));
        };
        let raw = batch.raw();
        // SAFETY: the function and the instance belong together, and the batch and its texts live during the call,
        // because `batch` is borrowed.
        attempt(|error| unsafe { on_events(self.handle, &raw, error) })
    }

    /// Lets the plugin make durable, or send, what it has taken.
    ///
    /// # Errors
    /// When that does not work.
    pub fn flush(&mut self, within: Duration) -> Result<(), CallError> {
        let Some(flush) = self.functions.flush else { return Ok(()) };
        let nanos = u64::try_from(within.as_nanos()).unwrap_or(u64::MAX);
        // SAFETY: the function and the instance belong together.
        attempt(|error| unsafe { flush(self.handle, nanos, error) })
    }

    /// Asks whether all is well.
    ///
    /// # Errors
    /// When it is not.
    pub fn health(&mut self) -> Result<(), CallError> {
        let Some(health) = self.functions.health else { return Ok(()) };
        // SAFETY: the function and the instance belong together.
        attempt(|error| unsafe { health(self.handle, error) })
    }

    /// The tools that it offers, as a JSON list; `[]` without any.
    ///
    /// # Errors
    /// When the plugin cannot say.
    pub fn tools(&mut self) -> Result<String, CallError> {
        let Some(ToolExtension { list: Some(list), .. }) = self.functions.tools else {
            return Ok("[]".to_owned());
        };
        // SAFETY: the function and the instance belong together, and the reply lives during the call.
        gather(|reply, error| unsafe { list(self.handle, reply, error) })
    }

    /// Calls a tool with arguments, a JSON object.
    ///
    /// # Errors
    /// When the tool fails; the text is for the model.
    pub fn call(&mut self, name: &str, arguments: &str) -> Result<String, CallError> {
        let Some(ToolExtension { call: Some(call), .. }) = self.functions.tools else {
            return Err(CallError::Lost("the plugin offers no tools".to_owned()));
        };
        let (name, arguments) = (Text::of(name), Text::of(arguments));
        // SAFETY: the function and the instance belong together, and texts and reply live during the call.
        gather(|reply, error| unsafe { call(self.handle, name, arguments, reply, error) })
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // SAFETY: the instance was made by the `create` of this plugin, and this is its last call.
        unsafe { (self.functions.destroy)(self.handle) };
    }
}

/// Makes a call with room for an error text.
fn attempt(call: impl FnOnce(*mut ErrorText) -> i32) -> Result<(), CallError> {
    let mut buffer = [0; ERROR_ROOM];
    let mut error = ErrorText::new(&mut buffer);
    let code = call(&mut error);
    if code == abi::PICOCLAW_OK {
        return Ok(());
    }
    let len = error.len.min(ERROR_ROOM);
    let text = match String::from_utf8_lossy(&buffer[..len]).into_owned() {
        text if text.is_empty() => format!("the plugin returned {code}"),
        text => text,
    };
    Err(match code {
        abi::PICOCLAW_ERR_CONFIG => CallError::Config(text),
        abi::PICOCLAW_ERR_RETRY => CallError::Retry(text),
        abi::PICOCLAW_ERR_PANIC | abi::PICOCLAW_ERR_POISONED => CallError::Panicked(text),
        _ => CallError::Lost(text),
    })
}

/// Makes a call whose reply is a text of any length.
fn gather(call: impl FnOnce(*const Reply, *mut ErrorText) -> i32) -> Result<String, CallError> {
    let mut gathered: Vec<u8> = Vec::new();
    let reply = Reply {
        size: size_of::<Reply>() as u32,
        reserved: 0,
        context: std::ptr::from_mut(&mut gathered).cast(),
        write: Some(take_piece),
    };
    attempt(|error| call(&reply, error))?;
    String::from_utf8(gathered).map_err(|_| CallError::Lost("the reply is no UTF-8".to_owned()))
}

unsafe extern "C" fn take_piece(context: *mut c_void, piece: Text) -> i32 {
    // SAFETY: the context is the vector of `gather`, which waits for the call; the piece lives during the call.
    let (gathered, piece) = unsafe { (&mut *context.cast::<Vec<u8>>(), piece.bytes()) };
    if gathered.len() + piece.len() > LONGEST_REPLY {
        return abi::PICOCLAW_ERR;
    }
    gathered.extend_from_slice(piece);
    abi::PICOCLAW_OK
}

unsafe extern "C" fn take_log(context: *mut c_void, level: u32, text: Text) {
    // SAFETY: the context is the log of `create`, which lives for ever; the text lives during the call.
    let (log, text) = unsafe { (&*context.cast::<Log>(), text.bytes()) };
    let text = String::from_utf8_lossy(text);
    // A panic of ours must not cross the plugin's frames.
    let _ = catch_unwind(AssertUnwindSafe(|| log(Level::from_number(level), &text)));
}

unsafe extern "C" fn no_extension(_context: *mut c_void, _name: Text) -> *const c_void {
    std::ptr::null()
}
