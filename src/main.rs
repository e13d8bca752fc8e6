//! The `picoclaw` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    picoclaw::cli::main()
}
