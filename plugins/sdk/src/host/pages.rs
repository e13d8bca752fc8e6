//! Lets go of memory that was needed once.
//!
//! Code and constants are mapped from files, and what was used of them counts as resident from then on, each use with its
//! neighbours. Much of it runs at the start only.

use std::io;
#[cfg(target_os = "linux")]
use std::{collections::HashSet, ops::Range, sync::PoisonError};

/// Lets go of the code and constants of this process and its libraries. What is used again comes back from the system's
/// page cache at that moment, without the disk. Returns how many bytes were let go of.
///
/// # Errors
/// When the system does not say what is mapped.
#[cfg(target_os = "linux")]
pub fn release_code() -> io::Result<usize> {
    use rustix::mm::{Advice, madvise};

    // Nothing is loaded, or given up again because it was no plugin, meanwhile.
    let _loading = super::library::LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    let smaps = std::fs::read_to_string("/proc/self/smaps")?;
    let mut released = 0;
    for mapping in releasable(&smaps) {
        let begin = std::ptr::without_provenance_mut(mapping.range.start);
        // SAFETY: the mapping is private, cannot be written to, and holds no page that differs from its file, so what
        // comes back is what was there. It belongs to the program or a library, which are never unmapped, and whose
        // files nobody may change in place, whether or not their pages are let go of.
        if unsafe { madvise(begin, mapping.range.len(), Advice::LinuxDontNeed) }.is_ok() {
            released += mapping.resident;
        }
    }
    Ok(released)
}

/// Elsewhere nothing is let go of.
///
/// # Errors
/// None.
#[cfg(not(target_os = "linux"))]
pub fn release_code() -> io::Result<usize> {
    Ok(0)
}

/// A part of the address space.
#[cfg(target_os = "linux")]
#[derive(Debug, Default)]
struct Mapping<'a> {
    range: Range<usize>,
    permissions: &'a str,
    /// Empty if it is no file's.
    file: &'a str,
    resident: usize,
    /// Bytes in pages that differ from the file, as a library's relocated tables do.
    changed: usize,
}

/// The mappings of executable files that are as their files are.
#[cfg(target_os = "linux")]
fn releasable(smaps: &str) -> Vec<Mapping<'_>> {
    let mut mappings: Vec<Mapping<'_>> = Vec::new();
    for line in smaps.lines() {
        let mut words = line.split_ascii_whitespace();
        let first = words.next().unwrap_or_default();
        if let Some(key) = first.strip_suffix(':') {
            let bytes = || words.next()?.parse::<usize>().ok()?.checked_mul(1024);
            match (key, mappings.last_mut()) {
                ("Rss", Some(mapping)) => mapping.resident = { bytes }().unwrap_or_default(),
                // What cannot be read may have changed.
                ("Anonymous", Some(mapping)) => mapping.changed = { bytes }().unwrap_or(usize::MAX),
                _ => {}
            }
            continue;
        }
        let address = |text: &str| usize::from_str_radix(text, 16).ok();
        let range = first.split_once('-').and_then(|(from, to)| Some(address(from)?..address(to)?));
        let permissions = words.next().unwrap_or_default();
        let file = words.nth(3).filter(|path| path.starts_with('/')).unwrap_or_default();
        let range = range.unwrap_or_default();
        mappings.push(Mapping { range, permissions, file, resident: 0, changed: usize::MAX });
    }
    let programs: HashSet<&str> =
        mappings.iter().filter(|m| m.permissions == "r-xp" && !m.file.is_empty()).map(|m| m.file).collect();
    mappings
        .retain(|m| m.changed == 0 && matches!(m.permissions, "r-xp" | "r--p") && programs.contains(m.file));
    mappings
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    const SMAPS: &str = "\
55d0a000-55d0b000 r--p 00000000 fe:00 11 /usr/bin/a program
Rss:                   4 kB
Anonymous:             0 kB
VmFlags: rd mr mw me sd
55d0b000-55d0f000 r-xp 00001000 fe:00 11 /usr/bin/a program
Rss:                  12 kB
Anonymous:             0 kB
55d0f000-55d10000 r--p 00005000 fe:00 11 /usr/bin/a program
Rss:                   4 kB
Anonymous:             4 kB
55d10000-55d11000 rw-p 00006000 fe:00 11 /usr/bin/a program
Rss:                   4 kB
Anonymous:             0 kB
7f00a000-7f00b000 r--p 00000000 fe:00 12 /usr/share/data
Rss:                   4 kB
Anonymous:             0 kB
7f00b000-7f00c000 r-xp 00000000 00:00 0
Rss:                   4 kB
Anonymous:             0 kB
7f00c000-7f00d000 r-xp 00000000 00:00 0 [vdso]
Rss:                   4 kB
Anonymous:             0 kB
7f00d000-7f00e000 r-xp 00000000 fe:00 13 /lib/untold.so
Rss:                   4 kB
";

    #[test]
    fn only_unchanged_mappings_of_programs_are_let_go_of() {
        let found: Vec<_> = releasable(SMAPS).into_iter().map(|m| (m.range, m.resident)).collect();
        assert_eq!(found, [(0x55d0_a000..0x55d0_b000, 4096), (0x55d0_b000..0x55d0_f000, 12 * 1024)]);
    }

    #[test]
    #[cfg_attr(miri, ignore)] // No address space to look at.
    fn the_program_runs_on() {
        let resident = || std::fs::read_to_string("/proc/self/statm").unwrap();
        let pages = |statm: String| statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap();
        let before = pages(resident());
        let released = release_code().unwrap();
        assert!(released > 0);
        assert!(pages(resident()) < before + 1, "{before} pages before");
        assert_eq!(format!("{:?}", "code and constants".split(' ').max()), "Some(\"constants\")");
    }
}
