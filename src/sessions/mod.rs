//! Conversations on disk, durable before the reply is sent.
//!
//! | File | What it holds |
//! |---|---|
//! | `<key>.jsonl` | one [`Message`](crate::chat::Message) per line, only ever appended to |
//! | `<key>.meta.json` | the summary, how many lines it covers, counts, times, aliases |
//! | `.journal` | what was appended since the last checkpoint: the part that is forced to the disk at once |
//!
//! An append writes its lines to the session's file (into the page cache) and to the journal, and the journal alone
//! is forced to the disk: once for all appends that were waiting. A checkpoint forces the session files and starts
//! the journal anew. After a crash the journal's records are written again where they are missing.
//!
//! * [`SessionId`] names a session and derives its key;
//! * [`SessionStore`] reads and appends; [`Stores`] are those of several agents;
//! * [`Activity`] knows which sessions were active lately.

mod activity;
mod cache;
mod directory;
mod disk;
mod durable;
mod error;
mod id;
mod journal;
mod lines;
mod listing;
mod lru;
mod memory;
mod meta;
mod options;
mod pending;
mod recovery;
mod store;
mod stores;
mod thread;
mod writer;

#[cfg(test)]
mod simulated;

pub use activity::{Activity, SessionHash};
pub use error::StoreError;
pub use id::SessionId;
pub use listing::SessionInfo;
pub use meta::{Meta, Scope};
pub use options::{Options, Persistence};
pub use recovery::Recovery;
pub use store::{Commit, Forgotten, History, SessionStore};
pub use stores::Stores;
pub use thread::UpkeepFailures;
