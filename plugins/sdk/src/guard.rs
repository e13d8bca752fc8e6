//! No panic leaves a plugin: the host cannot catch it, not even across `extern "C-unwind"`.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use crate::abi::{self, ErrorText};
use crate::event::Level;
use crate::failure::Failure;
use crate::handle::Host;

/// The longest error text.
const LONGEST: usize = 1024;

/// An instance: `None` once it has panicked.
pub(crate) struct Slot<P> {
    pub(crate) plugin: Option<P>,
    pub(crate) host: Host,
}

thread_local! {
    /// Whether this thread is within a call of the host, so that its panic will be caught and told.
    static GUARDED: Cell<bool> = const { Cell::new(false) };
    /// Where the last panic happened.
    static PLACE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Calls the plugin, unless it has panicked before.
pub(crate) fn call<P>(
    slot: &mut Slot<P>,
    error: Option<&mut ErrorText>,
    action: impl FnOnce(&mut P) -> Result<(), Failure>,
) -> i32 {
    let Some(plugin) = &mut slot.plugin else {
        write(error, "the plugin has panicked before");
        return abi::PICOCLAW_ERR_POISONED;
    };
    match caught(|| action(plugin)) {
        Ok(Ok(())) => abi::PICOCLAW_OK,
        Ok(Err(failure)) => {
            write(error, failure.message());
            failure.code()
        }
        Err(panic) => {
            // Its state may be half changed: nobody looks at it again, not even its Drop.
            std::mem::forget(slot.plugin.take());
            slot.host.log(Level::Error, &panic);
            write(error, &panic);
            abi::PICOCLAW_ERR_PANIC
        }
    }
}

/// Runs something; an error says what it panicked with, and where.
pub(crate) fn caught<T>(action: impl FnOnce() -> T) -> Result<T, String> {
    remember_places();
    let before = GUARDED.replace(true);
    let result = catch_unwind(AssertUnwindSafe(action));
    GUARDED.set(before);
    result.map_err(|payload| {
        let text = format!("panicked at {}: {}", PLACE.take(), message(payload.as_ref()));
        // A payload whose own Drop panics must not leave either.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(payload)));
        text
    })
}

/// The place of a panic is known to the hook only. Panics of other threads are reported as before.
fn remember_places() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let others = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if GUARDED.get() {
                let place = panic.location().map_or_else(String::new, ToString::to_string);
                PLACE.set(place);
            } else {
                others(panic);
            }
        }));
    });
}

fn message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a message")
}

/// Writes an error text into the caller's buffer, cut at a character.
pub(crate) fn write(error: Option<&mut ErrorText>, text: &str) {
    let Some(error) = error else { return };
    let room = error.capacity.min(LONGEST);
    let end = text.floor_char_boundary(room);
    if error.data.is_null() || end == 0 {
        return;
    }
    // SAFETY: the host promises `capacity` bytes at `data`, which belong to this call alone; `end` is at most that.
    unsafe { std::ptr::copy_nonoverlapping(text.as_ptr(), error.data.cast::<u8>(), end) };
    error.len = end;
}
