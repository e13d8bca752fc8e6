//! Watches the configuration's files, when `gateway.hot_reload` asks for it.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::parts::Parts;
use super::reload::Reload;
use picoclaw::config::{Environment, Paths};

const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How long a file must be quiet before it is read: an editor may still be writing.
const SETTLE: Duration = Duration::from_millis(500);

/// When each file was written, how long it is, and which file it is: another one may be moved into its place.
type Stamp = Vec<Option<(SystemTime, u64, u64)>>;

/// The files as they were before the configuration was read: whatever changes from then on is noticed.
#[derive(Debug)]
pub(super) struct Watch {
    files: Vec<PathBuf>,
    seen: Stamp,
}

impl Watch {
    /// Looks at the files of the configuration.
    pub(super) fn begin(environment: &Environment) -> Self {
        let files = Paths::find(environment)
            .map(|paths| vec![paths.config_file, paths.security_file, paths.telemetry_file])
            .unwrap_or_default();
        let seen = look(&files);
        Self { files, seen }
    }

    /// Returns when one of the files has changed and all have been quiet for a moment.
    async fn changed(&mut self) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let mut now = self.stamp().await;
            if now == self.seen {
                continue;
            }
            loop {
                tokio::time::sleep(SETTLE).await;
                let later = self.stamp().await;
                if later == now {
                    break;
                }
                now = later;
            }
            self.seen = now;
            return;
        }
    }

    async fn stamp(&self) -> Stamp {
        let files = self.files.clone();
        tokio::task::spawn_blocking(move || look(&files)).await.unwrap_or_default()
    }
}

/// Reloads whenever one of the files changed. A broken file is refused and read again when it changes again.
pub(super) async fn run(parts: Arc<Parts>, mut watch: Watch) {
    let reload = Reload(parts);
    loop {
        watch.changed().await;
        reload.when_free().await;
    }
}

fn look(files: &[PathBuf]) -> Stamp {
    let of = |file: &PathBuf| {
        std::fs::metadata(file)
            .ok()
            .map(|m| (m.modified().unwrap_or(SystemTime::UNIX_EPOCH), m.len(), m.ino()))
    };
    files.iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn whatever_changes_after_the_first_look_is_noticed_once() {
        let home = tempfile::tempdir().unwrap();
        let environment = Environment::new("/").with("PICOCLAW_HOME", home.path().to_string_lossy());
        let mut watch = Watch::begin(&environment);
        for name in ["config.json", ".security.yml", "telemetry.json"] {
            fs::write(home.path().join(name), "{}").unwrap();
            timeout(2 * LOOK_EVERY, watch.changed()).await.expect(name);
            timeout(2 * LOOK_EVERY, watch.changed()).await.unwrap_err();
        }
    }
}
