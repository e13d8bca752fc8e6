//! Lets go of memory that was needed once.
//!
//! Code and constants are mapped from files, and what was used of them counts as resident from then on, each use with its
//! neighbours. Much of it runs at the start only.

use std::io;
#[cfg(target_os = "linux")]
use std::{
    collections::HashSet,
    ops::Range,
    sync::{OnceLock, PoisonError},
};

/// How much a fault brings at most: what is used and its neighbours within this.
#[cfg(target_os = "linux")]
const STRIP: usize = 16 * 1024;

/// Lets go of the code and constants of this process and its libraries. What is used again comes back from the system's
/// page cache at that moment, without the disk, and with fewer neighbours than before.
///
/// # Errors
/// When the system does not say what is mapped.
#[cfg(target_os = "linux")]
pub fn release_code() -> io::Result<()> {
    static PROGRAM: OnceLock<Vec<Range<usize>>> = OnceLock::new();
    // Nothing is loaded, or given up again because it was no plugin, meanwhile.
    let _loading = super::library::LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    let ranges = match PROGRAM.get() {
        Some(ranges) => ranges,
        None => {
            let ranges = releasable(&std::fs::read_to_string("/proc/self/smaps")?);
            ranges.iter().for_each(cut);
            // Libraries that are loaded later keep their pages.
            PROGRAM.get_or_init(|| ranges)
        }
    };
    // What the system refuses stays, and does no harm.
    ranges.iter().for_each(|range| advise(range.clone(), rustix::mm::Advice::LinuxDontNeed));
    Ok(())
}

/// Cuts a mapping into strips. With a page that is used the system maps its neighbours, up to 64 KiB, as far as the mapping
/// goes; in a program of which a tenth runs, most of them are not wanted. Mappings that differ in anything are not joined,
/// and code is in no core dump anyway.
#[cfg(target_os = "linux")]
fn cut(range: &Range<usize>) {
    let first = range.start.next_multiple_of(2 * STRIP);
    for strip in (first..range.end).step_by(2 * STRIP) {
        advise(strip..(strip + STRIP).min(range.end), rustix::mm::Advice::LinuxDontDump);
    }
}

#[cfg(target_os = "linux")]
fn advise(range: Range<usize>, advice: rustix::mm::Advice) {
    let begin = std::ptr::without_provenance_mut(range.start);
    // SAFETY: neither advice that is given here changes what a program sees of these ranges: they are private, cannot be
    // written to, and hold no page that differs from its file, so what comes back is what was there. They belong to the
    // program or a library, which are never unmapped, and whose files nobody may change in place, whether or not their
    // pages are let go of.
    let _ = unsafe { rustix::mm::madvise(begin, range.len(), advice) };
}

/// Elsewhere nothing is let go of.
///
/// # Errors
/// None.
#[cfg(not(target_os = "linux"))]
pub fn release_code() -> io::Result<()> {
    Ok(())
}

/// A part of the address space.
#[cfg(target_os = "linux")]
#[derive(Debug, Default)]
struct Mapping<'a> {
    range: Range<usize>,
    permissions: &'a str,
    /// Empty if it is no file's.
    file: &'a str,
    /// KiB in pages that differ from the file, as a library's relocated tables do.
    changed: usize,
}

/// The mappings of executable files that are as their files are.
#[cfg(target_os = "linux")]
fn releasable(smaps: &str) -> Vec<Range<usize>> {
    let mut mappings: Vec<Mapping<'_>> = Vec::new();
    for line in smaps.lines() {
        let mut words = line.split_ascii_whitespace();
        let first = words.next().unwrap_or_default();
        if let Some(key) = first.strip_suffix(':') {
            if let ("Anonymous", Some(mapping)) = (key, mappings.last_mut()) {
                // What cannot be read may have changed.
                mapping.changed = words.next().and_then(|kib| kib.parse().ok()).unwrap_or(usize::MAX);
            }
            continue;
        }
        let address = |text: &str| usize::from_str_radix(text, 16).ok();
        let range = first.split_once('-').and_then(|(from, to)| Some(address(from)?..address(to)?));
        let permissions = words.next().unwrap_or_default();
        let file = words.nth(3).filter(|path| path.starts_with('/')).unwrap_or_default();
        let range = range.unwrap_or_default();
        mappings.push(Mapping { range, permissions, file, changed: usize::MAX });
    }
    let programs: HashSet<&str> =
        mappings.iter().filter(|m| m.permissions == "r-xp" && !m.file.is_empty()).map(|m| m.file).collect();
    let unchanged = |m: &&Mapping<'_>| {
        m.changed == 0 && matches!(m.permissions, "r-xp" | "r--p") && programs.contains(m.file)
    };
    mappings.iter().filter(unchanged).map(|m| m.range.clone()).collect()
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
        assert_eq!(releasable(SMAPS), [0x55d0_a000..0x55d0_b000, 0x55d0_b000..0x55d0_f000]);
    }

    #[test]
    #[cfg_attr(miri, ignore)] // No address space to look at.
    fn the_program_runs_on_with_less() {
        let statm = || std::fs::read_to_string("/proc/self/statm").unwrap();
        let pages = |statm: String| statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap();
        // The first call reads a list, whose memory would count.
        release_code().unwrap();
        // Other tests take memory at the same time.
        let shrank = (0..10).any(|_| {
            assert_eq!(format!("{:?}", "code and constants".split(' ').max()), "Some(\"constants\")");
            let before = pages(statm());
            release_code().unwrap();
            pages(statm()) < before
        });
        assert!(shrank);
    }

    #[test]
    #[cfg_attr(miri, ignore)]
    fn large_mappings_are_in_strips() {
        release_code().unwrap();
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let program = std::env::current_exe().unwrap();
        let strips = maps.lines().filter(|line| line.ends_with(program.to_str().unwrap()));
        assert!(strips.count() > 16);
    }
}
