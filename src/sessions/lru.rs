//! A map that forgets what was not used for the longest time.

use std::sync::Arc;

use lru::LruCache;
use rustc_hash::FxBuildHasher;

/// A map bounded by the weight of its values, by file name.
#[derive(Debug)]
pub(super) struct Lru<V> {
    // Whoever chats cannot choose the names: nearly all hold a cryptographic hash.
    entries: LruCache<Arc<str>, Entry<V>, FxBuildHasher>,
    weight: usize,
    limit: usize,
}

#[derive(Debug)]
struct Entry<V> {
    value: V,
    weight: usize,
}

impl<V> Lru<V> {
    pub(super) fn new(limit: usize) -> Self {
        Self { entries: LruCache::unbounded_with_hasher(FxBuildHasher), weight: 0, limit }
    }

    /// The value under `name`, which thereby becomes the most recently used one.
    pub(super) fn get(&mut self, name: &str) -> Option<&mut V> {
        self.entries.get_mut(name).map(|entry| &mut entry.value)
    }

    /// Whether there is a value under `name`, which thereby is not used.
    pub(super) fn contains(&self, name: &str) -> bool {
        self.entries.contains(name)
    }

    /// Puts a value in, or replaces it, and forgets others until the weight is within the limit.
    /// A value heavier than the limit is not kept at all.
    pub(super) fn insert(&mut self, name: Arc<str>, value: V, weight: usize) {
        self.remove(&name);
        if weight > self.limit {
            return;
        }
        self.entries.put(name, Entry { value, weight });
        self.weight += weight;
        self.shrink();
    }

    /// Tells that the value under `name` has become heavier.
    pub(super) fn grow(&mut self, name: &str, by: usize) {
        if let Some(entry) = self.entries.peek_mut(name) {
            entry.weight += by;
            self.weight += by;
            self.shrink();
        }
    }

    /// Tells that the value under `name` has become lighter.
    pub(super) fn ease(&mut self, name: &str, by: usize) {
        if let Some(entry) = self.entries.peek_mut(name) {
            let by = by.min(entry.weight);
            entry.weight -= by;
            self.weight -= by;
        }
    }

    pub(super) fn remove(&mut self, name: &str) -> Option<V> {
        let entry = self.entries.pop(name)?;
        self.weight -= entry.weight;
        Some(entry.value)
    }

    /// Names and values, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &V)> {
        self.entries.iter().map(|(name, entry)| (name, &entry.value))
    }

    fn shrink(&mut self) {
        while self.weight > self.limit
            && let Some((_, entry)) = self.entries.pop_lru()
        {
            self.weight -= entry.weight;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_goes_first() {
        let mut lru = Lru::new(2);
        lru.insert("a".into(), 1, 1);
        lru.insert("b".into(), 2, 1);
        assert_eq!(lru.get("a").copied(), Some(1));
        lru.insert("c".into(), 3, 1);
        assert_eq!(lru.get("b"), None);
        assert_eq!(lru.get("a").copied(), Some(1));
        assert_eq!(lru.remove("a"), Some(1));
        assert_eq!((lru.iter().count(), lru.weight), (1, 1));
    }

    #[test]
    fn weight_is_bounded() {
        let mut lru = Lru::new(10);
        lru.insert("a".into(), (), 4);
        lru.insert("b".into(), (), 4);
        lru.grow("b", 5);
        assert!(lru.get("a").is_none() && lru.get("b").is_some());
        lru.insert("c".into(), (), 11);
        assert!(lru.get("c").is_none());
        lru.insert("b".into(), (), 1);
        assert_eq!(lru.weight, 1);
    }
}
