//! Signals that whoever started this process had ignored, and programs that it starts would ignore as well.

use std::fs;
use std::sync::Once;

use tokio::signal::unix::{SignalKind, signal};

/// What is passed on as ignored: hangup (`nohup`), interrupt and quit (a shell's background jobs).
const INHERITED: [(u32, fn() -> SignalKind); 3] =
    [(1, SignalKind::hangup), (2, SignalKind::interrupt), (3, SignalKind::quit)];

/// Lets the programs that are started from now on heed these signals, so that ctrl-c ends them. Must be called within a
/// runtime.
///
/// A program begins with what its parent ignores ignored, but with what its parent handles at its default. So the signals
/// that are ignored are handled from now on, by nobody: for this process that is the same.
pub fn heeded_by_programs() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let ignored = fs::read_to_string("/proc/self/status").map_or(0, |status| ignored(&status));
        for (number, kind) in INHERITED {
            if ignored & (1 << (number - 1)) != 0
                && let Err(error) = signal(kind())
            {
                tracing::warn!(target: "picoclaw::signals", number, %error, "Programs that are started will ignore a signal.");
            }
        }
    });
}

/// The signals that a process ignores, as the system writes them: the first is the lowest bit.
fn ignored(status: &str) -> u64 {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mask_is_read() {
        let status =
            "Name:\tx\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000001006\nSigCgt:\t0000000000000000\n";
        assert_eq!(ignored(status), 0x1006);
        assert_eq!(ignored("Name:\tx\n"), 0);
    }
}
