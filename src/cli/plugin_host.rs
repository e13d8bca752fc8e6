//! `picoclaw plugin-host`: the process of one plugin. The gateway starts it; its standard input is the connection.

use std::ffi::OsString;
use std::process::ExitCode;

use picoclaw_sinks::plugin::host::process::{self, HostOptions};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// What the process is called.
    #[arg(long)]
    name: String,
    /// Most memory, in MiB.
    #[arg(long)]
    memory_mb: u64,
    /// Most open files.
    #[arg(long)]
    open_files: u64,
    /// The program to become, with its arguments.
    #[arg(last = true)]
    program: Vec<OsString>,
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Arguments { name, memory_mb, open_files, program } = arguments;
    Ok(process::run(&HostOptions { name, memory_mb, open_files, program })?)
}
