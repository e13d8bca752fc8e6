//! Watches the configuration's files, when `gateway.hot_reload` asks for it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::parts::Parts;
use super::reload::Reload;
use crate::http::admin::Reloader;

const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How long a file must be quiet before it is read: an editor may still be writing.
const SETTLE: Duration = Duration::from_millis(500);

type Stamp = Vec<Option<(SystemTime, u64)>>;

/// Reloads whenever one of the files changed. A broken file is refused and read again when it changes again.
pub(super) async fn watch(parts: Arc<Parts>, files: Vec<PathBuf>) {
    let mut seen = stamp(&files).await;
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let mut now = stamp(&files).await;
        if now == seen {
            continue;
        }
        loop {
            tokio::time::sleep(SETTLE).await;
            let later = stamp(&files).await;
            if later == now {
                break;
            }
            now = later;
        }
        seen = now;
        // The outcome is on the bus already.
        let _ = Reload(Arc::clone(&parts)).reload().await;
    }
}

async fn stamp(files: &[PathBuf]) -> Stamp {
    let files = files.to_vec();
    let look = move || {
        let of = |file: &PathBuf| {
            std::fs::metadata(file).ok().map(|m| (m.modified().unwrap_or(SystemTime::UNIX_EPOCH), m.len()))
        };
        files.iter().map(of).collect()
    };
    tokio::task::spawn_blocking(look).await.unwrap_or_default()
}
