//! Which sessions are active.

use std::sync::PoisonError;
use std::time::Instant;

use picoclaw_telemetry::{Detail, Event};

use super::assistant::Agent;

/// Most events about sessions that follow each other without a pause.
const MAX_PORTION: usize = 256;

impl Agent {
    /// Notes that a session is used.
    pub fn touch(&self, key: &str, at: Instant) {
        let mut activity = self.0.activity.lock().unwrap_or_else(PoisonError::into_inner);
        // Under the lock, so that the gauge never sees an expiry before its activation.
        if activity.touch(key, at) {
            self.0.bus.emit(Event::SessionActivated { session: Detail::new(key) });
        }
    }

    /// Notes that sessions were used before a restart, so many at a time that the sinks keep up.
    pub async fn remember_sessions(&self, mut sessions: Vec<(String, Instant)>) {
        sessions.sort_unstable_by_key(|(_, at)| std::cmp::Reverse(*at));
        for portion in sessions.chunks(self.portion()) {
            for (key, at) in portion {
                let mut activity = self.0.activity.lock().unwrap_or_else(PoisonError::into_inner);
                if activity.recall(key, *at) {
                    self.0.bus.emit(Event::SessionActivated { session: Detail::new(key) });
                }
            }
            tokio::task::yield_now().await;
        }
    }

    /// Forgets sessions that were not used for a while, so many at a time that the sinks keep up.
    pub async fn expire_sessions(&self, now: Instant) {
        let most = self.portion();
        while self.expire_some(now, most) == most {
            tokio::task::yield_now().await;
        }
    }

    fn expire_some(&self, now: Instant, most: usize) -> usize {
        let mut activity = self.0.activity.lock().unwrap_or_else(PoisonError::into_inner);
        let expired = activity.expire(now, most);
        for session in &expired {
            self.0.bus.emit(Event::SessionExpired { session: Detail::from(session.to_string()) });
        }
        expired.len()
    }

    /// How many events may follow each other before the sinks have a turn: they are woken when the ring is half full.
    fn portion(&self) -> usize {
        usize::try_from(self.0.bus.capacity() / 16).map_or(MAX_PORTION, |n| n.clamp(1, MAX_PORTION))
    }
}
