//! How sessions are kept.

use std::time::Duration;

/// Where sessions live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Persistence {
    /// On disk; an append returns when it would survive a power failure.
    #[default]
    Durable,
    /// In memory, the least recently used forgotten first; gone with the process.
    Memory,
}

/// How sessions are kept. The defaults suit a small machine.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where sessions live.
    pub persistence: Persistence,
    /// Most bytes of histories kept in memory, so that a turn need not read its file again.
    pub cache_bytes: usize,
    /// Most bytes of one history handed out; of a longer one the newest messages.
    pub history_bytes: usize,
    /// Most bytes of all sessions when they live in memory only.
    pub memory_bytes: usize,
    /// Size of the journal at which a checkpoint is due.
    pub journal_bytes: u64,
    /// How long no append must have come for a checkpoint.
    pub idle: Duration,
    /// How long a turn waits for the disk. On a disk that hangs it fails then, instead of never ending.
    pub patience: Duration,
    /// How long a history in memory is taken for the file's content without a look at the disk. What other processes
    /// write to a session is seen after that.
    pub trust: Duration,
    /// How long after the last checkpoint the next one is due even when appends never pause.
    pub checkpoint_every: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            persistence: Persistence::Durable,
            cache_bytes: 4 << 20,
            history_bytes: 8 << 20,
            memory_bytes: 4 << 20,
            journal_bytes: 16 << 20,
            idle: Duration::from_secs(2),
            patience: Duration::from_secs(10),
            trust: Duration::from_secs(1),
            checkpoint_every: Duration::from_secs(30),
        }
    }
}
