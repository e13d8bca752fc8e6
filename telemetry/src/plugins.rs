//! How the plugins are whose tools the agent uses. Like the sinks' numbers these are atomics that are read when somebody
//! looks: a plugin is judged by what the configuration in force says, not by whatever happened last under its name.

use std::sync::{Arc, PoisonError, RwLock};

use crate::stats::SinkStats;

/// The plugins with tools that are or were configured. Cheap to clone; all clones see the same.
#[derive(Clone, Debug, Default)]
pub struct PluginRegistry(Arc<RwLock<Vec<Entry>>>);

/// How many names are told of; a gateway is not reloaded with more in its life.
pub const MOST_PLUGINS: usize = 100;

#[derive(Debug)]
struct Entry {
    name: String,
    /// `None` once it is no longer configured.
    stats: Option<Arc<SinkStats>>,
    /// Restarts of those that had its name before.
    before: u64,
}

/// How one plugin is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginState {
    /// The configured name.
    pub name: String,
    /// Whether it runs; `None` once it is no longer configured.
    pub up: Option<bool>,
    /// Restarts after a failure.
    pub restarts: u64,
}

impl PluginRegistry {
    /// Tells of these plugins from now on, and of no others. Counters of a name go on.
    pub fn replace(&self, plugins: &[Arc<SinkStats>]) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for entry in all.iter_mut() {
            let now = plugins.iter().find(|stats| stats.name == entry.name);
            let same = now.is_some_and(|now| entry.stats.as_ref().is_some_and(|old| Arc::ptr_eq(now, old)));
            if !same {
                entry.before += entry.stats.as_ref().map_or(0, |stats| stats.restarts());
                entry.stats = now.cloned();
            }
        }
        for stats in plugins {
            if all.len() < MOST_PLUGINS && all.iter().all(|entry| entry.name != stats.name) {
                all.push(Entry { name: stats.name.clone(), stats: Some(Arc::clone(stats)), before: 0 });
            }
        }
    }

    /// All of them, in the order in which they appeared.
    pub fn all(&self) -> Vec<PluginState> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let state = |entry: &Entry| PluginState {
            name: entry.name.clone(),
            up: entry.stats.as_ref().map(|stats| stats.up()),
            restarts: entry.before + entry.stats.as_ref().map_or(0, |stats| stats.restarts()),
        };
        all.iter().map(state).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats(name: &str, restarts: u64) -> Arc<SinkStats> {
        let stats = Arc::new(SinkStats::new(name));
        stats.add_restarts(restarts);
        stats
    }

    fn told(registry: &PluginRegistry) -> Vec<(String, Option<bool>, u64)> {
        registry.all().into_iter().map(|state| (state.name, state.up, state.restarts)).collect()
    }

    #[test]
    fn counters_of_a_name_go_on_and_what_is_gone_is_neither_up_nor_down() {
        let registry = PluginRegistry::default();
        let (a, b) = (stats("a", 2), stats("b", 0));
        registry.replace(&[Arc::clone(&a), Arc::clone(&b)]);
        registry.replace(&[Arc::clone(&a), b]);
        assert_eq!(told(&registry), [("a".into(), Some(true), 2), ("b".into(), Some(true), 0)]);
        a.mark_down();
        assert_eq!(told(&registry)[0], ("a".into(), Some(false), 2));
        let successor = stats("a", 1);
        registry.replace(&[Arc::clone(&successor)]);
        assert_eq!(told(&registry), [("a".into(), Some(true), 3), ("b".into(), None, 0)]);
        a.add_restarts(5);
        assert_eq!(told(&registry)[0].2, 3, "the predecessor is not told of any more");
        registry.replace(&[]);
        registry.replace(&[successor]);
        assert_eq!(told(&registry)[0].2, 4, "it had not begun anew");
    }

    #[test]
    fn names_do_not_grow_without_bound() {
        let registry = PluginRegistry::default();
        (0..300).for_each(|n| registry.replace(&[stats(&format!("p{n}"), 0)]));
        assert_eq!(registry.all().len(), MOST_PLUGINS);
    }
}
