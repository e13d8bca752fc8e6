//! Processes under test: where they run, what they use.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use anyhow::Context;
use procfs::process::Process;
use rustix::thread::{CpuSet, sched_setaffinity};

/// Where a process runs.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Core {
    /// Load and upstream.
    Rest,
    /// The contestants, one at a time.
    Contestant,
    /// Anywhere, as in real life.
    Any,
}

/// Moves the calling thread, and whatever it starts from now on.
fn pin(core: Core) -> anyhow::Result<()> {
    let all = std::fs::read_to_string("/proc/cpuinfo")?.matches("processor\t").count();
    let mut set = CpuSet::new();
    match core {
        Core::Rest => set.set(0),
        Core::Contestant => set.set(1),
        Core::Any => (0..all.max(1)).for_each(|cpu| set.set(cpu)),
    }
    sched_setaffinity(None, &set).context("the bench needs cores 0 and 1 for itself")
}

/// A child that does not outlive its owner.
#[derive(Debug)]
pub(crate) struct Running(Child);

impl Running {
    /// Starts a process on a core; this one then goes on with the load's core.
    pub(crate) fn start(command: &mut Command, core: Core) -> anyhow::Result<Self> {
        // The mask is inherited at the fork: the process begins where it shall stay.
        pin(core)?;
        let child = command.spawn().with_context(|| format!("{}", command.get_program().display()));
        pin(Core::Rest)?;
        Ok(Self(child?))
    }

    /// Starts this very program in another mode and reads the port that it prints.
    pub(crate) fn helper(mode: &[&str], core: Core) -> anyhow::Result<(Self, u16)> {
        let mut command = Command::new(std::env::current_exe()?);
        let mut running = Self::start(command.args(mode).stdout(Stdio::piped()), core)?;
        let mut line = String::new();
        BufReader::new(running.0.stdout.take().context("no output")?).read_line(&mut line)?;
        Ok((running, line.trim().parse()?))
    }

    /// CPU seconds so far, in steps of [`resolution`].
    pub(crate) fn cpu(&self) -> anyhow::Result<f64> {
        let stat = Process::new(i32::try_from(self.0.id())?)?.stat()?;
        Ok((stat.utime + stat.stime) as f64 * resolution())
    }

    /// Memory in MiB: now, and at its peak.
    pub(crate) fn memory(&self) -> anyhow::Result<Memory> {
        let status = Process::new(i32::try_from(self.0.id())?)?.status()?;
        let mib = |kib: Option<u64>| kib.context("no such figure").map(|kib| kib as f64 / 1024.0);
        Ok(Memory { now: mib(status.vmrss)?, peak: mib(status.vmhwm)? })
    }
}

/// Resident memory in MiB.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    pub(crate) now: f64,
    pub(crate) peak: f64,
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The seconds in which the kernel counts CPU time.
pub(crate) fn resolution() -> f64 {
    1.0 / procfs::ticks_per_second() as f64
}

pub(crate) fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
