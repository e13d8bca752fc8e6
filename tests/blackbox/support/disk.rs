//! A disk that hangs on demand.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

use super::gateway::{Gateway, Home};

/// A gateway whose disk answers, until it is told to hang.
pub(crate) struct HangingDisk(TempDir);

impl HangingDisk {
    /// Starts a gateway in this home on such a disk.
    pub(crate) fn start(home: Home) -> (Self, Gateway) {
        let disk = Self(tempfile::tempdir().expect("a temporary directory"));
        let library = library().to_str().expect("a path of ours");
        let switches = disk.0.path().to_str().expect("a path of ours");
        let gateway = Gateway::start_with(home, &[], &[("LD_PRELOAD", library), ("HANGING_DISK", switches)]);
        (disk, gateway)
    }

    /// From now on it does not answer when asked for this: `sync` or `stat`.
    pub(crate) fn hang(&self, what: &str) {
        fs::write(self.0.path().join(what), "").expect("the switches are writable");
    }

    /// It answers again, also what it was asked before.
    pub(crate) fn answer(&self, what: &str) {
        fs::remove_file(self.0.path().join(what)).expect("it hung");
    }
}

/// The library, compiled once.
fn library() -> &'static PathBuf {
    static LIBRARY: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_, library) = LIBRARY.get_or_init(|| {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let (source, library) = (directory.path().join("disk.c"), directory.path().join("disk.so"));
        fs::write(&source, include_str!("disk.c")).expect("the directory is writable");
        let mut compile = Command::new("cc");
        compile.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).arg("-ldl");
        assert!(compile.status().expect("a C compiler, which Rust needs to link").success());
        (directory, library)
    });
    library
}
