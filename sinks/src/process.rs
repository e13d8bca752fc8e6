//! The operating system's view of this process, from `/proc`.
//!
//! Read with the `procfs` crate and not through the process collector of the `prometheus` crate, which truncates
//! CPU time to whole seconds: a gateway that waits most of the time would seem to do nothing for minutes.

use std::sync::OnceLock;

use picoclaw_telemetry::{Metric, SeriesValue};
use procfs::process::Process;
use rustix::process::{Resource, getrlimit};

/// What `/proc` says. A fact that cannot be read is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ProcessFacts {
    /// CPU time in user and kernel mode, in seconds.
    pub cpu_seconds: Option<f64>,
    /// Resident memory in bytes.
    pub resident_bytes: Option<u64>,
    /// Virtual memory in bytes.
    pub virtual_bytes: Option<u64>,
    /// When the process started, as Unix time.
    pub start_time: Option<f64>,
    /// Open file descriptors.
    pub open_fds: Option<u64>,
    /// Limit of open file descriptors; absent when there is none.
    pub max_fds: Option<u64>,
    /// Threads.
    pub threads: Option<u64>,
}

/// What `/proc` says now about this process.
pub fn facts() -> ProcessFacts {
    // Before anything is opened to read the rest.
    let open_fds = open_fds();
    let Ok(process) = Process::myself() else {
        return ProcessFacts::default();
    };
    let stat = process.stat().ok();
    let ticks = procfs::ticks_per_second() as f64;
    ProcessFacts {
        cpu_seconds: stat.as_ref().map(|stat| (stat.utime + stat.stime) as f64 / ticks),
        resident_bytes: stat.as_ref().map(|stat| stat.rss * procfs::page_size()),
        virtual_bytes: stat.as_ref().map(|stat| stat.vsize),
        start_time: stat.as_ref().and_then(|stat| Some(boot_time()? + stat.starttime as f64 / ticks)),
        open_fds: open_fds.or_else(|| Some(process.fd_count().ok()? as u64)),
        // Asking the kernel costs a fiftieth of reading `/proc/self/limits`.
        max_fds: getrlimit(Resource::Nofile).current,
        threads: stat.as_ref().and_then(|stat| u64::try_from(stat.num_threads).ok()),
    }
}

/// Since Linux 6.2 the size of the directory is the number of its entries; before, it is 0. Reading the directory makes an
/// entry for each open file first.
fn open_fds() -> Option<u64> {
    let size = rustix::fs::stat("/proc/self/fd").ok()?.st_size;
    u64::try_from(size).ok().filter(|n| *n > 0)
}

/// Reading it means reading all of `/proc/stat`, and it never changes.
fn boot_time() -> Option<f64> {
    static BOOT: OnceLock<Option<u64>> = OnceLock::new();
    BOOT.get_or_init(|| procfs::boot_time_secs().ok()).map(|seconds| seconds as f64)
}

impl ProcessFacts {
    /// Calls `visit` with every fact that is known, in the order of the catalogue. CPU time is a counter whose
    /// number is not whole, so all values are given as gauges; the catalogue knows the types.
    pub fn visit(&self, mut visit: impl FnMut(Metric, SeriesValue<'static>)) {
        let whole = |n: Option<u64>| n.map(|n| n as f64);
        for (metric, value) in [
            (Metric::ProcessCpu, self.cpu_seconds),
            (Metric::ProcessResident, whole(self.resident_bytes)),
            (Metric::ProcessVirtual, whole(self.virtual_bytes)),
            (Metric::ProcessStart, self.start_time),
            (Metric::ProcessOpenFds, whole(self.open_fds)),
            (Metric::ProcessMaxFds, whole(self.max_fds)),
            (Metric::ProcessThreads, whole(self.threads)),
        ] {
            if let Some(value) = value {
                visit(metric, SeriesValue::Gauge(value));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_about_the_test_itself_are_plausible() {
        let facts = facts();
        assert!(facts.resident_bytes.is_some_and(|bytes| bytes > 1 << 20));
        assert!(facts.open_fds.is_some_and(|n| n >= 3) && facts.threads.is_some_and(|n| n >= 1));
        assert!(facts.start_time.is_some_and(|time| time > 1.7e9));
        let mut seen = 0;
        facts.visit(|_, _| seen += 1);
        assert!(seen >= 6);
    }

    #[test]
    fn cpu_time_has_fractions_of_seconds() {
        let before = facts().cpu_seconds.unwrap();
        // The test itself uses the time that it waits for.
        let grown =
            std::iter::repeat_with(|| facts().cpu_seconds.unwrap() - before).find(|grown| *grown > 0.0);
        assert!(grown.is_some_and(|grown| grown < 0.5), "{grown:?}");
    }

    #[test]
    fn what_cannot_be_read_has_no_series() {
        ProcessFacts::default().visit(|metric, _| panic!("{metric:?} is unknown"));
        let some = ProcessFacts { open_fds: Some(3), ..ProcessFacts::default() };
        let mut seen = Vec::new();
        some.visit(|metric, value| seen.push((metric, value)));
        assert_eq!(seen, [(Metric::ProcessOpenFds, SeriesValue::Gauge(3.0))]);
    }
}
