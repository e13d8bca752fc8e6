//! The C functions behind a Rust plugin, and the macro that exports them.

use std::ffi::c_void;
use std::time::Duration;

use crate::abi::{self, Batch as RawBatch, Descriptor, ErrorText, Host as RawHost, Text};
use crate::event::Batch;
use crate::failure::Failure;
use crate::guard::{self, Slot};
use crate::handle::Host;
use crate::plugin::Plugin;
use crate::tools::{Tools, tool_extension};

/// Exports a plugin: `export!(Type)`, or `export!(Type, tools)` when the type also implements [`Tools`](crate::Tools).
///
/// The plugin's name and version are those of the crate. Once per library.
#[macro_export]
macro_rules! export {
    ($plugin:ty) => {
        $crate::export!(@entry $crate::private::descriptor::<$plugin>(
            env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION")));
    };
    ($plugin:ty, tools) => {
        $crate::export!(@entry $crate::private::descriptor_with_tools::<$plugin>(
            env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION")));
    };
    (@entry $descriptor:expr) => {
        /// Says to the gateway what this library is.
        #[doc(hidden)]
        #[unsafe(no_mangle)]
        pub extern "C" fn picoclaw_plugin_entry(_major: u32, _minor: u32) -> *const $crate::abi::Descriptor {
            static DESCRIPTOR: $crate::abi::Descriptor = $descriptor;
            &DESCRIPTOR
        }
    };
}

/// The descriptor of a plugin.
#[doc(hidden)]
pub const fn descriptor<P: Plugin>(name: &'static str, version: &'static str) -> Descriptor {
    Descriptor {
        magic: abi::PICOCLAW_MAGIC,
        major: abi::PICOCLAW_ABI_MAJOR,
        minor: abi::PICOCLAW_ABI_MINOR,
        size: size_of::<Descriptor>() as u32,
        flags: 0,
        name: Text::new(name),
        version: Text::new(version),
        create: Some(create::<P>),
        on_events: Some(on_events::<P>),
        flush: Some(flush::<P>),
        health: Some(health::<P>),
        destroy: Some(destroy::<P>),
        get_extension: None,
    }
}

/// The descriptor of a plugin with tools.
#[doc(hidden)]
pub const fn descriptor_with_tools<P: Plugin + Tools>(
    name: &'static str,
    version: &'static str,
) -> Descriptor {
    Descriptor { get_extension: Some(tool_extension::<P>), ..descriptor::<P>(name, version) }
}

/// The text of the host, which is valid during the call; what is no UTF-8 is refused.
///
/// # Safety
/// As for [`Text::bytes`].
pub(crate) unsafe fn text<'a>(text: Text) -> Result<&'a str, Failure> {
    // SAFETY: the caller promises what `bytes` asks for.
    let bytes = unsafe { text.bytes() };
    std::str::from_utf8(bytes).map_err(|_| Failure::Lost("a text of the host is no UTF-8".to_owned()))
}

/// The instance behind a pointer.
///
/// # Safety
/// `instance` came from `create::<P>`, was not destroyed, and nobody else uses it during `'a`.
pub(crate) unsafe fn slot<'a, P>(instance: *mut c_void) -> Option<&'a mut Slot<P>> {
    // SAFETY: the caller promises that it is NULL or a slot of ours that nobody else uses.
    unsafe { instance.cast::<Slot<P>>().as_mut() }
}

unsafe extern "C" fn create<P: Plugin>(
    host: *const RawHost,
    config: Text,
    out: *mut *mut c_void,
    error: *mut ErrorText,
) -> i32 {
    // SAFETY: the host passes NULL or room for an error that is ours during the call.
    let error = unsafe { error.as_mut() };
    // SAFETY: the ABI promises that a host lives until the process ends.
    let host = unsafe { Host::new(host) };
    let (Some(host), false) = (host, out.is_null()) else {
        guard::write(error, "the host is older than this plugin");
        return abi::PICOCLAW_ERR;
    };
    // SAFETY: the text is valid during the call.
    let made = guard::caught(|| unsafe { text(config) }.and_then(|config| P::create(host, config)));
    match made {
        Ok(Ok(plugin)) => {
            let slot = Box::new(Slot { plugin: Some(plugin), host });
            // SAFETY: `out` is not NULL and points to room for a pointer.
            unsafe { out.write(Box::into_raw(slot).cast()) };
            abi::PICOCLAW_OK
        }
        Ok(Err(failure)) => {
            guard::write(error, failure.message());
            failure.code()
        }
        Err(panic) => {
            host.log(crate::Level::Error, &panic);
            guard::write(error, &panic);
            abi::PICOCLAW_ERR_PANIC
        }
    }
}

unsafe extern "C" fn on_events<P: Plugin>(
    instance: *mut c_void,
    batch: *const RawBatch,
    error: *mut ErrorText,
) -> i32 {
    // SAFETY: the host passes an instance of ours and does not call it twice at a time; the others are NULL or as the
    // ABI says during the call.
    let (slot, batch, error) = unsafe { (slot::<P>(instance), Batch::new(batch), error.as_mut()) };
    let (Some(slot), Some(batch)) = (slot, batch) else {
        guard::write(error, "the host passed no batch that this plugin can read");
        return abi::PICOCLAW_ERR;
    };
    guard::call(slot, error, |plugin| plugin.on_events(&batch))
}

unsafe extern "C" fn flush<P: Plugin>(instance: *mut c_void, within_ns: u64, error: *mut ErrorText) -> i32 {
    // SAFETY: as in `on_events`.
    let (slot, error) = unsafe { (slot::<P>(instance), error.as_mut()) };
    let Some(slot) = slot else { return abi::PICOCLAW_ERR };
    guard::call(slot, error, |plugin| plugin.flush(Duration::from_nanos(within_ns)))
}

unsafe extern "C" fn health<P: Plugin>(instance: *mut c_void, error: *mut ErrorText) -> i32 {
    // SAFETY: as in `on_events`.
    let (slot, error) = unsafe { (slot::<P>(instance), error.as_mut()) };
    let Some(slot) = slot else { return abi::PICOCLAW_ERR };
    guard::call(slot, error, P::health)
}

unsafe extern "C" fn destroy<P: Plugin>(instance: *mut c_void) {
    if instance.is_null() {
        return;
    }
    // SAFETY: the pointer came from `Box::into_raw` in `create`, and the host destroys an instance once.
    let slot = unsafe { Box::from_raw(instance.cast::<Slot<P>>()) };
    let host = slot.host;
    if let Err(panic) = guard::caught(|| drop(slot)) {
        host.log(crate::Level::Error, &panic);
    }
}
