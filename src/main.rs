//! The `picoclaw` command.

/// For its speed: `docs/adr/0022-allocator.md`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    picoclaw_cli::main()
}
