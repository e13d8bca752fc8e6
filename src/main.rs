//! The `picoclaw` command.

fn main() -> std::process::ExitCode {
    picoclaw_cli::main()
}
