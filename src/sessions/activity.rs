//! Which sessions were active lately.

use std::time::{Duration, Instant};

use lru::LruCache;
use rustc_hash::FxBuildHasher;
use sha2::{Digest, Sha256};

use super::id::derived_digits;
use crate::hex::{Hex, unhex};

/// Most sessions that are remembered; beyond it the one silent for the longest counts as expired.
const MAX_SESSIONS: usize = 100_000;

/// A session in the tracker: a hash, so that memory does not depend on the length of names. Of most it is the beginning
/// of the one in their key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionHash([u8; 16]);

impl SessionHash {
    /// The hash of a session's key.
    pub fn of(key: &str) -> Self {
        Self(derived_hash(key).unwrap_or_else(|| {
            let mut hash = [0; 16];
            hash.copy_from_slice(&Sha256::digest(key.as_bytes())[..16]);
            hash
        }))
    }
}

/// The beginning of the hash that a derived key is.
fn derived_hash(key: &str) -> Option<[u8; 16]> {
    unhex(&derived_digits(key)?[..32])
}

impl std::fmt::Display for SessionHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Hex(&self.0).fmt(f)
    }
}

/// Tracks which sessions were active within a window. The caller brings the time.
#[derive(Debug)]
pub struct Activity {
    window: Duration,
    capacity: usize,
    /// The last sign of life of each, in the order of these.
    last: LruCache<SessionHash, Instant, FxBuildHasher>,
}

impl Activity {
    /// A session counts as active for `window` after its last sign of life.
    pub fn new(window: Duration) -> Self {
        Self { window, capacity: MAX_SESSIONS, last: LruCache::unbounded_with_hasher(FxBuildHasher) }
    }

    /// Notes a sign of life of the session with this key; says whether it was not active before.
    pub fn touch(&mut self, key: &str, now: Instant) -> bool {
        let hash = SessionHash::of(key);
        if let Some(last) = self.last.get_mut(&hash) {
            *last = now.max(*last);
            return false;
        }
        self.last.put(hash, now);
        true
    }

    /// Notes a sign of life from before all that are known; says whether the session was not active.
    pub fn recall(&mut self, key: &str, at: Instant) -> bool {
        let hash = SessionHash::of(key);
        if self.last.contains(&hash) {
            return false;
        }
        self.last.put(hash, at);
        self.last.demote(&hash);
        true
    }

    /// Forgets sessions whose window has passed, and those beyond what is remembered, and returns them: the longest
    /// silent first, and at most `most` at a time.
    pub fn expire(&mut self, now: Instant, most: usize) -> Vec<SessionHash> {
        let mut expired = Vec::new();
        while expired.len() < most
            && let Some((&hash, &last)) = self.last.peek_lru()
        {
            if self.last.len() <= self.capacity && now.saturating_duration_since(last) < self.window {
                break;
            }
            self.last.pop_lru();
            expired.push(hash);
        }
        expired
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_session_is_active_until_its_window_has_passed() {
        let start = Instant::now();
        let mut activity = Activity::new(30 * MINUTE);
        assert!(activity.touch("a", start));
        assert!(activity.touch("b", start + MINUTE));
        assert!(!activity.touch("a", start + 10 * MINUTE));
        assert_eq!(activity.expire(start + 30 * MINUTE, 9), []);
        assert_eq!(activity.expire(start + 31 * MINUTE, 9), [SessionHash::of("b")]);
        assert_eq!(activity.last.len(), 1);
        assert_eq!(activity.expire(start + 40 * MINUTE, 9), [SessionHash::of("a")]);
        assert!(activity.last.is_empty());
        assert!(activity.touch("a", start + 41 * MINUTE));
    }

    #[test]
    fn an_older_sign_of_life_changes_nothing() {
        let start = Instant::now();
        let mut activity = Activity::new(MINUTE);
        activity.touch("a", start + MINUTE);
        assert!(!activity.touch("a", start));
        assert_eq!(activity.expire(start + MINUTE, 9), []);
        assert_eq!(activity.expire(start + 2 * MINUTE, 9), [SessionHash::of("a")]);
    }

    #[test]
    fn what_is_recalled_expires_before_what_was_seen() {
        let start = Instant::now() + MINUTE;
        let mut activity = Activity::new(MINUTE);
        activity.touch("a", start);
        assert!(!activity.recall("a", start - MINUTE / 2), "it is active already");
        assert!(activity.recall("b", start - MINUTE / 4) && activity.recall("c", start - MINUTE / 2));
        assert!(!activity.touch("b", start));
        assert_eq!(activity.expire(start + MINUTE / 2, 9), [SessionHash::of("c")]);
        let rest = [SessionHash::of("a"), SessionHash::of("b")];
        assert_eq!(activity.expire(start + MINUTE, 9), rest);
    }

    #[test]
    fn what_expires_bears_the_beginning_of_its_key() {
        let digits = "e66331d40c796cecca3c1a5079574a702897440b572513e951addef32437f181";
        let hash = SessionHash::of(&format!("sk_v1_{digits}")).to_string();
        assert_eq!(hash, digits[..32]);
        let upper = SessionHash::of(&format!("sk_v1_{}", digits.to_uppercase())).to_string();
        assert_ne!(upper, hash, "no key that was derived");
    }

    #[test]
    fn many_expire_in_portions() {
        let start = Instant::now();
        let mut activity = Activity::new(MINUTE);
        for key in ["a", "b", "c"] {
            activity.touch(key, start);
        }
        let portions = [2, 2, 2].map(|most| activity.expire(start + MINUTE, most).len());
        assert_eq!(portions, [2, 1, 0]);
    }

    #[test]
    fn memory_is_bounded() {
        let start = Instant::now();
        let mut activity = Activity { capacity: 2, ..Activity::new(MINUTE) };
        for (n, key) in ["a", "b", "c", "d"].iter().enumerate() {
            activity.touch(key, start + Duration::from_millis(n as u64));
        }
        assert_eq!(activity.expire(start, 9), [SessionHash::of("a"), SessionHash::of("b")]);
        assert_eq!(activity.last.len(), 2);
    }
}
