//! The child process that hosts one plugin: the gateway's own binary, run again.
//!
//! Its standard input is the connection; it ends when that ends. Its memory and files are limited before anything of the
//! plugin runs.

use std::ffi::{CString, OsString};
use std::io;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{
    Resource, Rlimit, Signal, getpgrp, getpid, getrlimit, kill_process, kill_process_group, setrlimit,
};

use super::serve;

/// The subcommand under which the binary becomes such a process.
pub const SUBCOMMAND: &str = "plugin-host";

/// What the process must find in its environment, for its allocator (docs/adr/0022-allocator.md): to claim memory when it
/// needs some. What it claims beforehand counts against the limit, and would not be there for the plugin.
pub(crate) const FRUGAL: (&str, &str) = ("MIMALLOC_ARENA_EAGER_COMMIT", "0");

/// How long the plugin may go on after the gateway is gone.
const GRACE: Duration = Duration::from_secs(5);

/// The longest name that the system shows for a process.
const LONGEST_NAME: usize = 15;

/// What the gateway asks of the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostOptions {
    /// What the process is called.
    pub name: String,
    /// How much memory it may have, in MiB.
    pub memory_mb: u64,
    /// How many files it may have open.
    pub open_files: u64,
    /// The program to become, with its arguments, instead of hosting a library.
    pub program: Vec<OsString>,
}

/// Becomes what the gateway asks for, until the gateway or the plugin ends.
///
/// # Errors
/// When the process cannot be limited, the program cannot be run, or the connection is none.
pub fn run(options: &HostOptions) -> io::Result<ExitCode> {
    limit(options)?;
    if let Some((program, arguments)) = options.program.split_first() {
        return Err(Command::new(program).args(arguments).env_remove(FRUGAL.0).exec());
    }
    let name: String = options.name.chars().filter(char::is_ascii_graphic).take(LONGEST_NAME).collect();
    rustix::thread::set_name(&CString::new(name).unwrap_or_default())?;
    let stream = UnixStream::from(rustix::stdio::stdin().try_clone_to_owned()?);
    // A plugin that hangs must not live on without the gateway.
    std::thread::Builder::new().stack_size(64 * 1024).spawn(end_with_the_gateway)?;
    serve::serve(stream)?;
    Ok(ExitCode::SUCCESS)
}

fn limit(options: &HostOptions) -> io::Result<()> {
    let memory = options.memory_mb.saturating_mul(1024 * 1024);
    for (resource, most) in
        [(Resource::Data, memory), (Resource::Nofile, options.open_files), (Resource::Core, 0)]
    {
        let hard = getrlimit(resource).maximum;
        let most = hard.map_or(most, |hard| hard.min(most));
        setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })?;
    }
    Ok(())
}

/// Waits until the gateway has closed the connection, and a little more.
fn end_with_the_gateway() {
    let stdin = rustix::stdio::stdin();
    let mut connection = [PollFd::new(&stdin, PollFlags::RDHUP)];
    // A signal may interrupt the waiting; any other error cannot happen with a descriptor that is open.
    while poll(&mut connection, None).is_err() {}
    std::thread::sleep(GRACE);
    // Not by an exit, which runs code of the plugin: that may hang as well. Whom it has started goes with it, if they are
    // its own, as they are when the gateway has started it.
    let us = getpid();
    let _ =
        if getpgrp() == us { kill_process_group(us, Signal::KILL) } else { kill_process(us, Signal::KILL) };
}
