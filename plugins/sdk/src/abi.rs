//! The C ABI, version 1.
//!
//! A plugin exports one function, [`ENTRY`], which returns a [`Descriptor`]. The first 16 bytes of a descriptor never
//! change. The major version must match; a minor version only appends. Every struct begins with its size (an event's and
//! an attribute's stand in the batch, as strides): a field exists only if it lies within that size, so nobody may copy or
//! index by a size of his own. New capabilities come through `get_extension`.
//!
//! Nothing that one side allocates is freed by the other. Pointers are valid during the call they are passed to; the
//! exceptions are named. Calls of one instance are serial, on one thread.

use std::ffi::{c_char, c_void};

/// The name of the function that every plugin exports.
pub const ENTRY: &str = "picoclaw_plugin_entry";

/// The first four bytes of a descriptor: `PCLW`.
pub const PICOCLAW_MAGIC: u32 = 0x574c_4350;
/// The version of this ABI. Another major version is another ABI.
pub const PICOCLAW_ABI_MAJOR: u16 = 1;
/// How much has been appended to this major version.
pub const PICOCLAW_ABI_MINOR: u16 = 0;

/// It worked.
pub const PICOCLAW_OK: i32 = 0;
/// It failed for good: what it was about is lost.
pub const PICOCLAW_ERR: i32 = 1;
/// The configuration is wrong; from `create` only.
pub const PICOCLAW_ERR_CONFIG: i32 = 2;
/// It may work later: the host keeps the batch and hands it over again.
pub const PICOCLAW_ERR_RETRY: i32 = 3;
/// The plugin panicked and refuses everything from now on.
pub const PICOCLAW_ERR_PANIC: i32 = 4;
/// The plugin had panicked before.
pub const PICOCLAW_ERR_POISONED: i32 = 5;

/// For developers.
pub const PICOCLAW_DEBUG: u32 = 0;
/// What an operator wants to see.
pub const PICOCLAW_INFO: u32 = 1;
/// Something went wrong and was dealt with.
pub const PICOCLAW_WARN: u32 = 2;
/// Something was lost.
pub const PICOCLAW_ERROR: u32 = 3;

/// An attribute is a text.
pub const PICOCLAW_TEXT: u32 = 1;
/// An attribute is a number of things.
pub const PICOCLAW_COUNT: u32 = 2;
/// An attribute is a length of time in nanoseconds.
pub const PICOCLAW_DURATION: u32 = 3;

/// UTF-8 without a zero at the end.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Text {
    /// The first byte; anything, also NULL, when the length is 0.
    pub data: *const c_char,
    /// How many bytes.
    pub len: usize,
}

/// Room for an error text, owned by the caller.
#[repr(C)]
#[derive(Debug)]
pub struct ErrorText {
    /// The size of this struct.
    pub size: u32,
    /// 0.
    pub reserved: u32,
    /// Where the text goes: UTF-8.
    pub data: *mut c_char,
    /// How many bytes there is room for.
    pub capacity: usize,
    /// How many bytes were written.
    pub len: usize,
}

/// One fact of an event. The stride of an array of them stands in the batch.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Attribute {
    /// Its name.
    pub key: Text,
    /// `PICOCLAW_TEXT`, `PICOCLAW_COUNT` or `PICOCLAW_DURATION`; skip what you do not know.
    pub kind: u32,
    /// 0.
    pub reserved: u32,
    /// The value of a text.
    pub text: Text,
    /// The value of everything else.
    pub number: u64,
}

/// A happening. The stride of an array of them stands in the batch.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Event {
    /// Its number in the stream of the gateway.
    pub seq: u64,
    /// When it happened, in nanoseconds since 1970.
    pub time_unix_ns: u64,
    /// Its dotted kind, such as `agent.llm.response`.
    pub kind: Text,
    /// Which part of the gateway it concerns.
    pub component: Text,
    /// A sentence for people.
    pub message: Text,
    /// `PICOCLAW_DEBUG` to `PICOCLAW_ERROR`.
    pub level: u32,
    /// How many attributes.
    pub attribute_count: u32,
    /// The first of them; the next lies `attribute_stride` bytes further.
    pub attributes: *const Attribute,
}

/// Events in their order.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Batch {
    /// The size of this struct.
    pub size: u32,
    /// From one event to the next, in bytes.
    pub event_stride: u32,
    /// From one attribute to the next, in bytes.
    pub attribute_stride: u32,
    /// How many events.
    pub count: u32,
    /// How many events were lost between the last batch and this one.
    pub dropped_before: u64,
    /// The first event.
    pub events: *const Event,
}

/// What the gateway offers to an instance. Valid until the process ends.
#[repr(C)]
#[derive(Debug)]
pub struct Host {
    /// The size of this struct.
    pub size: u32,
    /// The minor version of the ABI that the gateway speaks.
    pub minor: u32,
    /// To be passed back in every call.
    pub context: *mut c_void,
    /// Writes a line to the gateway's log. From any thread; too many lines are dropped and counted.
    pub log: Option<unsafe extern "C" fn(context: *mut c_void, level: u32, text: Text)>,
    /// Something that the gateway offers beyond this struct, or NULL.
    pub get_extension: Option<unsafe extern "C" fn(context: *mut c_void, name: Text) -> *const c_void>,
}

/// What a plugin is. Valid until the process ends.
#[repr(C)]
#[derive(Debug)]
pub struct Descriptor {
    /// `PICOCLAW_MAGIC`.
    pub magic: u32,
    /// `PICOCLAW_ABI_MAJOR` of the header that the plugin was built with.
    pub major: u16,
    /// `PICOCLAW_ABI_MINOR` of the header that the plugin was built with.
    pub minor: u16,
    /// The size of this struct in that header.
    pub size: u32,
    /// 0.
    pub flags: u32,

    /// The plugin's name.
    pub name: Text,
    /// The plugin's own version.
    pub version: Text,
    /// Makes an instance. `config` is JSON. Without success `out` is left alone, and `destroy` is not called.
    pub create: Option<
        unsafe extern "C" fn(
            host: *const Host,
            config: Text,
            out: *mut *mut c_void,
            error: *mut ErrorText,
        ) -> i32,
    >,
    /// Takes events.
    pub on_events: Option<
        unsafe extern "C" fn(instance: *mut c_void, batch: *const Batch, error: *mut ErrorText) -> i32,
    >,
    /// Makes durable or sends what was taken, within this many nanoseconds. May be NULL.
    pub flush:
        Option<unsafe extern "C" fn(instance: *mut c_void, within_ns: u64, error: *mut ErrorText) -> i32>,
    /// Says whether all is well; the text says what is not. May be NULL.
    pub health: Option<unsafe extern "C" fn(instance: *mut c_void, error: *mut ErrorText) -> i32>,
    /// Ends an instance.
    pub destroy: Option<unsafe extern "C" fn(instance: *mut c_void)>,
    /// Something that the plugin offers beyond this struct, such as `picoclaw.tool/1`, or NULL. May be NULL itself.
    pub get_extension: Option<unsafe extern "C" fn(name: Text) -> *const c_void>,
}

/// The name of the extension [`ToolExtension`].
pub const TOOL_EXTENSION: &str = "picoclaw.tool/1";

/// Takes a text of any length from a plugin, piece by piece.
#[repr(C)]
#[derive(Debug)]
pub struct Reply {
    /// The size of this struct.
    pub size: u32,
    /// 0.
    pub reserved: u32,
    /// To be passed back.
    pub context: *mut c_void,
    /// Appends a piece; anything but `PICOCLAW_OK` says that the text is too long.
    pub write: Option<unsafe extern "C" fn(context: *mut c_void, piece: Text) -> i32>,
}

/// `picoclaw.tool/1`: functions that a model can call.
#[repr(C)]
#[derive(Debug)]
pub struct ToolExtension {
    /// The size of this struct.
    pub size: u32,
    /// 0.
    pub reserved: u32,
    /// Writes a JSON list of `{"name", "description", "parameters"}`; the last is a JSON schema of an object.
    pub list: Option<
        unsafe extern "C" fn(instance: *mut c_void, reply: *const Reply, error: *mut ErrorText) -> i32,
    >,
    /// Does it. `arguments` is a JSON object; the reply, or the error, is a text for the model.
    pub call: Option<
        unsafe extern "C" fn(
            instance: *mut c_void,
            name: Text,
            arguments: Text,
            reply: *const Reply,
            error: *mut ErrorText,
        ) -> i32,
    >,
}

/// The type of the function [`ENTRY`]: the host says which ABI it speaks.
pub type Entry = unsafe extern "C" fn(host_major: u32, host_minor: u32) -> *const Descriptor;

// SAFETY: a descriptor is a constant: nobody writes to it, and the texts it points to live as long as the library,
// which is never unloaded.
unsafe impl Sync for Descriptor {}
// SAFETY: as above; it holds function pointers only.
unsafe impl Sync for ToolExtension {}

/// The sizes of version 1.0: the least that the other side may have.
///
/// Whoever appends a field leaves these alone, reads the new field through the raw pointer after a look at the size (a
/// reference to the whole struct would reach beyond what an older side has), and does without it where it is not there.
pub mod least {
    use super::{Attribute, Batch, Descriptor, Event, Host, Reply, ToolExtension};
    use std::mem::offset_of;

    const POINTER: usize = size_of::<*const u8>();

    /// Of a [`Descriptor`].
    pub const DESCRIPTOR: usize = offset_of!(Descriptor, get_extension) + POINTER;
    /// Of a [`Host`].
    pub const HOST: usize = offset_of!(Host, get_extension) + POINTER;
    /// Of a [`Batch`].
    pub const BATCH: usize = offset_of!(Batch, events) + POINTER;
    /// Of an [`Event`].
    pub const EVENT: usize = offset_of!(Event, attributes) + POINTER;
    /// Of an [`Attribute`].
    pub const ATTRIBUTE: usize = offset_of!(Attribute, number) + size_of::<u64>();
    /// Of a [`Reply`].
    pub const REPLY: usize = offset_of!(Reply, write) + POINTER;
    /// Of a [`ToolExtension`].
    pub const TOOL_EXTENSION: usize = offset_of!(ToolExtension, call) + POINTER;
}

/// The layout is the contract: it may grow at the end of structs with a size, and nowhere else.
#[cfg(target_pointer_width = "64")]
const _: () = {
    use std::mem::{align_of, offset_of, size_of};
    assert!(size_of::<Text>() == 16 && align_of::<Text>() == 8);
    assert!(size_of::<ErrorText>() == 32 && offset_of!(ErrorText, data) == 8);
    assert!(offset_of!(ErrorText, capacity) == 16 && offset_of!(ErrorText, len) == 24);
    assert!(size_of::<Attribute>() == 48 && offset_of!(Attribute, kind) == 16);
    assert!(offset_of!(Attribute, text) == 24 && offset_of!(Attribute, number) == 40);
    assert!(size_of::<Event>() == 80 && offset_of!(Event, kind) == 16);
    assert!(offset_of!(Event, component) == 32 && offset_of!(Event, message) == 48);
    assert!(offset_of!(Event, level) == 64 && offset_of!(Event, attribute_count) == 68);
    assert!(offset_of!(Event, attributes) == 72);
    assert!(size_of::<Batch>() == 32 && offset_of!(Batch, count) == 12);
    assert!(offset_of!(Batch, dropped_before) == 16 && offset_of!(Batch, events) == 24);
    assert!(size_of::<Host>() == 32 && offset_of!(Host, context) == 8);
    assert!(offset_of!(Host, log) == 16 && offset_of!(Host, get_extension) == 24);
    assert!(offset_of!(Descriptor, major) == 4 && offset_of!(Descriptor, minor) == 6);
    assert!(offset_of!(Descriptor, size) == 8 && offset_of!(Descriptor, flags) == 12);
    assert!(offset_of!(Descriptor, name) == 16 && offset_of!(Descriptor, version) == 32);
    assert!(offset_of!(Descriptor, create) == 48 && offset_of!(Descriptor, on_events) == 56);
    assert!(offset_of!(Descriptor, flush) == 64 && offset_of!(Descriptor, health) == 72);
    assert!(offset_of!(Descriptor, destroy) == 80 && offset_of!(Descriptor, get_extension) == 88);
    assert!(size_of::<Descriptor>() == 96);
    assert!(size_of::<Reply>() == 24 && offset_of!(Reply, write) == 16);
    assert!(size_of::<ToolExtension>() == 24 && offset_of!(ToolExtension, call) == 16);
};

impl Text {
    /// A text that lives as long as the program.
    pub const fn new(text: &'static str) -> Self {
        Self { data: text.as_ptr().cast(), len: text.len() }
    }

    /// A text that lives as long as the argument: the pointer must not be kept.
    pub fn of(text: &str) -> Self {
        Self { data: text.as_ptr().cast(), len: text.len() }
    }

    /// The bytes.
    ///
    /// # Safety
    /// Unless the length is 0, `data` must point to `len` bytes that live and do not change during `'a`.
    pub unsafe fn bytes<'a>(self) -> &'a [u8] {
        if self.len == 0 || self.data.is_null() {
            return &[];
        }
        // SAFETY: the caller promises that the bytes are there during 'a.
        unsafe { std::slice::from_raw_parts(self.data.cast(), self.len) }
    }
}

impl ErrorText {
    /// Room that `buffer` gives.
    pub fn new(buffer: &mut [u8]) -> Self {
        Self {
            size: std::mem::size_of::<Self>() as u32,
            reserved: 0,
            data: buffer.as_mut_ptr().cast(),
            capacity: buffer.len(),
            len: 0,
        }
    }
}
