//! A library that was loaded. It is never unloaded: Rust libraries with thread-locals or threads make that unsound.

use std::collections::HashMap;
use std::fs::File;
use std::mem::{MaybeUninit, offset_of};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use libloading::os::unix::{Library as Loaded, RTLD_LOCAL, RTLD_NOW};

use super::file::{self, FileError, Stamp};
use crate::abi::{self, Descriptor, Text, ToolExtension};

/// Never unload, even if somebody asks; libloading does not name it.
#[cfg(target_os = "linux")]
const RTLD_NODELETE: std::ffi::c_int = 0x1000;
#[cfg(not(target_os = "linux"))]
const RTLD_NODELETE: std::ffi::c_int = 0;

/// The longest name or version of a plugin.
const LONGEST_NAME: usize = 128;

/// Why a library is no plugin for us.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file may not be loaded.
    #[error(transparent)]
    File(#[from] FileError),
    /// It is no shared library for this machine.
    #[error("{path}: {error}")]
    Library {
        /// The file.
        path: PathBuf,
        /// What the dynamic linker says.
        error: String,
    },
    /// It is some other shared library.
    #[error("{path}: exports no {}: not a plugin", abi::ENTRY)]
    NoEntry {
        /// The file.
        path: PathBuf,
    },
    /// Its descriptor is none, or of another ABI.
    #[error("{path}: {problem}")]
    Descriptor {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A version of it is loaded already, and cannot be replaced.
    #[error("{path}: changed since it was loaded; a library in this process is replaced by a restart only")]
    Changed {
        /// The file.
        path: PathBuf,
    },
}

/// A plugin that was loaded.
#[derive(Clone, Debug)]
pub struct Library {
    pub(super) functions: Functions,
    name: String,
    version: String,
    abi: (u16, u16),
    /// Signals that the library took over when it was loaded, as bits.
    signals: u64,
}

/// What the descriptor holds of version 1, copied field by field as far as its size goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Functions {
    pub(super) create: CreateFn,
    pub(super) destroy: unsafe extern "C" fn(*mut std::ffi::c_void),
    pub(super) on_events: Option<EventsFn>,
    pub(super) flush: Option<FlushFn>,
    pub(super) health: Option<HealthFn>,
    pub(super) tools: Option<&'static ToolExtension>,
}

type Handle = *mut std::ffi::c_void;
pub(super) type CreateFn =
    unsafe extern "C" fn(*const abi::Host, Text, *mut Handle, *mut abi::ErrorText) -> i32;
pub(super) type EventsFn = unsafe extern "C" fn(Handle, *const abi::Batch, *mut abi::ErrorText) -> i32;
pub(super) type FlushFn = unsafe extern "C" fn(Handle, u64, *mut abi::ErrorText) -> i32;
pub(super) type HealthFn = unsafe extern "C" fn(Handle, *mut abi::ErrorText) -> i32;

/// What was loaded, by its path: what was found to be no plugin stays loaded as well, and is not loaded again.
pub(super) static LOADED: Mutex<Option<HashMap<PathBuf, Known>>> = Mutex::new(None);

/// Which version of a file was loaded, and what was found in it.
type Known = (Stamp, Result<Library, Refusal>);

/// Why a library that was loaded is no plugin.
#[derive(Clone, Debug)]
pub(super) enum Refusal {
    NoEntry,
    Descriptor(String),
}

impl Refusal {
    fn of(self, path: &Path) -> LoadError {
        let path = path.to_owned();
        match self {
            Self::NoEntry => LoadError::NoEntry { path },
            Self::Descriptor(problem) => LoadError::Descriptor { path, problem },
        }
    }
}

impl Library {
    /// Loads a plugin, or finds the one that was loaded before.
    ///
    /// The file's own code runs from here on: whoever calls this vouches for it.
    ///
    /// # Errors
    /// When the file may not be loaded, or is no plugin of this ABI.
    pub fn load(path: &Path, sha256: Option<&str>) -> Result<Self, LoadError> {
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        let loaded = loaded.get_or_insert_default();
        let (file, stamp) = file::open(path, sha256)?;
        match loaded.get(path) {
            Some((before, known)) if *before == stamp => {
                return known.clone().map_err(|refusal| refusal.of(path));
            }
            Some((_, Ok(_))) => return Err(LoadError::Changed { path: path.to_owned() }),
            Some((_, Err(_))) | None => {}
        }
        let library = Self::open(path, file)?;
        loaded.insert(path.to_owned(), (stamp, library.clone()));
        library.map_err(|refusal| refusal.of(path))
    }

    /// Whether another version of this file is loaded in this process than the one that is there now.
    pub fn is_outdated(path: &Path) -> bool {
        let loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        let before = loaded.as_ref().and_then(|loaded| loaded.get(path));
        before.is_some_and(|(stamp, known)| known.is_ok() && file::stamp(path).as_ref() != Some(stamp))
    }

    /// Loads it for ever. Within is what was found in it.
    fn open(path: &Path, file: File) -> Result<Result<Self, Refusal>, LoadError> {
        let unloadable = |error: String| LoadError::Library { path: path.to_owned(), error };
        #[cfg(target_os = "linux")]
        if let Some(problem) = super::elf::stranger(&file) {
            return Err(unloadable(problem));
        }
        // Exactly the file that was checked.
        let name = format!("/proc/self/fd/{}", file.as_raw_fd());
        let before = signals();
        // SAFETY: the initialisers of the library run. That they keep to the rules is what the operator vouches for by
        // configuring the file; that nobody else can have put it there was checked.
        let opened = unsafe { Loaded::open(Some(&name), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE) };
        let library = opened.map_err(|error| unloadable(detail(&error).replace(&format!("{name}: "), "")))?;
        // Its number must never be another file's: the dynamic linker goes by name, and remembers those of what it loaded.
        std::mem::forget(file);
        // SAFETY: a plugin exports a function of this type under this name; again the operator vouches for it.
        let entry = unsafe { library.get::<abi::Entry>(abi::ENTRY.as_bytes()) }.map(|symbol| *symbol);
        // Never unloaded.
        std::mem::forget(library);
        let Ok(entry) = entry else { return Ok(Err(Refusal::NoEntry)) };
        // SAFETY: the function takes two numbers and returns a descriptor that lives as long as the library: for ever.
        let descriptor =
            unsafe { entry(u32::from(abi::PICOCLAW_ABI_MAJOR), u32::from(abi::PICOCLAW_ABI_MINOR)) };
        // SAFETY: as above.
        let library = unsafe { Self::describe(descriptor) };
        let signals = signals() & !before;
        Ok(library.map(|library| Self { signals, ..library }).map_err(Refusal::Descriptor))
    }

    /// Reads a descriptor no further than it goes.
    ///
    /// # Safety
    /// `raw` is NULL or points to 16 bytes, and to as many more as they say, that live for ever and are as the ABI says.
    pub(super) unsafe fn describe(raw: *const Descriptor) -> Result<Self, String> {
        if raw.is_null() {
            return Err(format!(
                "the plugin refuses the ABI {}.{} of this gateway",
                abi::PICOCLAW_ABI_MAJOR,
                abi::PICOCLAW_ABI_MINOR
            ));
        }
        // SAFETY: the first 16 bytes are always there; fields are read one by one because more may not be.
        let (magic, major, minor, size) =
            unsafe { ((*raw).magic, (*raw).major, (*raw).minor, (*raw).size as usize) };
        if magic != abi::PICOCLAW_MAGIC {
            return Err(format!("the descriptor begins with {magic:#010x}, not with PCLW"));
        }
        if major != abi::PICOCLAW_ABI_MAJOR {
            return Err(format!(
                "built for ABI {major}, this gateway speaks ABI {}; build it again",
                abi::PICOCLAW_ABI_MAJOR
            ));
        }
        if size < abi::least::DESCRIPTOR {
            return Err(format!(
                "the descriptor has {size} bytes, version 1.0 has {}",
                abi::least::DESCRIPTOR
            ));
        }
        // As far as both sides know it: what an older plugin does not have is 0, so NULL.
        let mut descriptor = MaybeUninit::<Descriptor>::zeroed();
        let known = size.min(size_of::<Descriptor>());
        // SAFETY: the plugin has `size` bytes there, ours are enough for `known`, and any bytes of a descriptor together
        // with zeros are one: numbers, pointers, and functions that may be NULL.
        let descriptor = unsafe {
            std::ptr::copy_nonoverlapping(raw.cast::<u8>(), descriptor.as_mut_ptr().cast::<u8>(), known);
            descriptor.assume_init()
        };
        let missing = |what: &str| format!("the descriptor has no {what}");
        let create = descriptor.create.ok_or_else(|| missing("create"))?;
        let destroy = descriptor.destroy.ok_or_else(|| missing("destroy"))?;
        let tools = descriptor.get_extension.and_then(|get| {
            // SAFETY: the text lives during the call.
            let extension = unsafe { get(Text::new(abi::TOOL_EXTENSION)) }.cast::<ToolExtension>();
            // SAFETY: what is returned lives for ever and begins with its size; only what has all of version 1.0 is
            // referred to.
            unsafe {
                (!extension.is_null() && (*extension).size as usize >= abi::least::TOOL_EXTENSION)
                    .then(|| &*extension)
            }
        });
        if descriptor.on_events.is_none() && tools.is_none() {
            return Err(missing("on_events, and the plugin offers no tools"));
        }
        Ok(Self {
            functions: Functions {
                create,
                destroy,
                on_events: descriptor.on_events,
                flush: descriptor.flush,
                health: descriptor.health,
                tools,
            },
            // SAFETY: the texts of a descriptor live for ever.
            name: unsafe { name(descriptor.name) },
            // SAFETY: as above.
            version: unsafe { name(descriptor.version) },
            abi: (major, minor),
            signals: 0,
        })
    }

    /// What the plugin calls itself.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its own version.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Which ABI it was built for.
    pub fn abi(&self) -> (u16, u16) {
        self.abi
    }

    /// Whether it takes events.
    pub fn takes_events(&self) -> bool {
        self.functions.on_events.is_some()
    }

    /// Whether it offers tools.
    pub fn offers_tools(&self) -> bool {
        self.functions.tools.is_some()
    }

    /// How many signals of the process it took over when it was loaded: more than none is a defect of the plugin.
    pub fn signals_taken(&self) -> u32 {
        self.signals.count_ones()
    }
}

/// What the dynamic linker says; the error itself only says that it failed.
fn detail(error: &libloading::Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}

/// A short line of text.
///
/// # Safety
/// As for [`Text::bytes`].
unsafe fn name(text: Text) -> String {
    let text = Text { len: text.len.min(LONGEST_NAME), ..text };
    // SAFETY: the caller promises what `bytes` asks for; it was only made shorter.
    let name = String::from_utf8_lossy(unsafe { text.bytes() }).into_owned();
    name.chars().map(|c| if c.is_control() { '_' } else { c }).collect()
}

/// The signals that this process catches or ignores.
fn signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()).unwrap_or(0)
    };
    field("SigCgt:") | field("SigIgn:")
}

// The frozen prefix of every version.
const _: () = assert!(offset_of!(Descriptor, flags) + size_of::<u32>() == 16);
// References to this reach no further than version 1.0: see `abi::least`.
const _: () = assert!(size_of::<ToolExtension>() == abi::least::TOOL_EXTENSION);
