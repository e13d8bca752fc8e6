//! Open files that must not reach the process of a plugin.

use std::os::fd::BorrowedFd;

use rustix::io::{FdFlags, fcntl_getfd, fcntl_setfd};

/// Marks all open files of this process but the standard streams so that no other program inherits them. Rust opens its
/// files so; what the process was started with, and what C code opens, may be otherwise.
pub fn keep_descriptors() {
    let Ok(entries) = std::fs::read_dir("/proc/self/fd") else { return };
    let names = entries.flatten().map(|entry| entry.file_name());
    for number in names.filter_map(|name| name.to_str()?.parse::<i32>().ok()).filter(|number| *number > 2) {
        // SAFETY: it is used for the two calls below only, which neither close the file nor read or write it. Should
        // somebody close it meanwhile, they fail, or mark a newer file, which is no harm.
        let file = unsafe { BorrowedFd::borrow_raw(number) };
        if let Ok(flags) = fcntl_getfd(file) {
            let _ = fcntl_setfd(file, flags | FdFlags::CLOEXEC);
        }
    }
}
