//! What a plugin says, as lines of the gateway's log.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use picoclaw_plugin::Level;
use tokio::io::{AsyncRead, AsyncReadExt};

use super::limiter::{LONGEST_LINE, Limiter, Verdict, cut};
use crate::mask::Masker;

/// How long somebody who floods is left alone between two reads.
pub(super) const THROTTLE: Duration = Duration::from_millis(10);

/// The field of a log line that names the plugin that it is about. A sink is not told of itself.
pub(super) const NAME_FIELD: &str = "plugin";

/// Writes the lines of one plugin. Cheap to clone.
#[derive(Clone)]
pub(super) struct Output {
    name: Arc<str>,
    masker: Arc<Masker>,
    limiter: Arc<Mutex<Limiter>>,
}

impl Output {
    pub(super) fn new(name: &str, masker: Arc<Masker>) -> Self {
        Self { name: name.into(), masker, limiter: Arc::new(Mutex::new(Limiter::new())) }
    }

    /// Writes a line; whether there was room for it.
    pub(super) fn line(&self, level: Level, text: &str) -> bool {
        let verdict = self.limiter.lock().unwrap_or_else(PoisonError::into_inner).line(Instant::now());
        let plugin = &*self.name;
        match verdict {
            Verdict::Suppress { first } => {
                if first {
                    tracing::warn!(target: "picoclaw_sinks", plugin, "Plugin says too much; lines are suppressed.");
                }
                return false;
            }
            Verdict::Write { suppressed: 0 } => {}
            Verdict::Write { suppressed } => {
                tracing::warn!(target: "picoclaw_sinks", plugin, suppressed, "Lines of a plugin were suppressed.");
            }
        }
        let text = self.masker.mask(cut(text));
        match level {
            Level::Debug => tracing::debug!(target: "picoclaw_sinks", plugin, "{text}"),
            Level::Info => tracing::info!(target: "picoclaw_sinks", plugin, "{text}"),
            Level::Warn => tracing::warn!(target: "picoclaw_sinks", plugin, "{text}"),
            Level::Error => tracing::error!(target: "picoclaw_sinks", plugin, "{text}"),
        }
        true
    }

    /// Writes the lines of a standard stream until it ends.
    pub(super) async fn stream(self, mut stream: impl AsyncRead + Unpin, level: Level) {
        let mut bytes = vec![0; 8 * 1024];
        let mut line = Vec::new();
        loop {
            let received = match stream.read(&mut bytes).await {
                Ok(0) | Err(_) => break,
                Ok(n) => &bytes[..n],
            };
            let mut room = true;
            for piece in received.split_inclusive(|byte| *byte == b'\n') {
                let text = piece.strip_suffix(b"\n").unwrap_or(piece);
                let left = LONGEST_LINE.saturating_sub(line.len());
                line.extend_from_slice(&text[..text.len().min(left)]);
                if text.len() < piece.len() {
                    room &= self.whole(&mut line, level);
                }
            }
            if !room {
                tokio::time::sleep(THROTTLE).await;
            }
        }
        self.whole(&mut line, level);
    }

    fn whole(&self, line: &mut Vec<u8>, level: Level) -> bool {
        let text = std::mem::take(line);
        let text = String::from_utf8_lossy(&text);
        let text = text.trim_end();
        text.is_empty() || self.line(level, text)
    }
}
