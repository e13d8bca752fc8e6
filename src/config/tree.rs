//! The settings as one JSON tree, laid over one another from several sources, with the memory of what came from where.

use std::fmt;

use serde_json::{Map, Value};

use super::problem::Source;

/// One step from a value to a value inside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

/// The way from the root to a setting: `model_list[1].model`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct KeyPath(pub(super) Vec<Step>);

impl KeyPath {
    /// The way through objects: `gateway.metrics.path`.
    pub(super) fn of_keys<'a>(keys: impl IntoIterator<Item = &'a str>) -> Self {
        Self(keys.into_iter().map(|key| Step::Key(key.to_owned())).collect())
    }

    pub(super) fn key(&self, key: &str) -> Self {
        self.step(Step::Key(key.to_owned()))
    }

    pub(super) fn index(&self, index: usize) -> Self {
        self.step(Step::Index(index))
    }

    fn step(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }

    /// The last key on the way, if any.
    pub(super) fn last_key(&self) -> Option<&str> {
        self.0.iter().rev().find_map(|step| match step {
            Step::Key(key) => Some(key.as_str()),
            Step::Index(_) => None,
        })
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) if place == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
            }
        }
        Ok(())
    }
}

impl From<&KeyPath> for String {
    fn from(path: &KeyPath) -> Self {
        path.to_string()
    }
}

/// Settings from several sources.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) root: Value,
    base: Source,
    /// What did not come from the base, oldest first.
    origins: Vec<(KeyPath, Source)>,
}

impl Tree {
    pub(super) fn new(root: Value, base: Source) -> Self {
        Self { root, base, origins: Vec::new() }
    }

    /// The source of most settings: `config.json`.
    pub(super) fn base(&self) -> &Source {
        &self.base
    }

    /// Lays `over` on what stands at `at`: objects are merged, everything else is replaced.
    pub(super) fn merge(&mut self, at: &KeyPath, over: Value, source: &Source) {
        match over {
            Value::Object(members) => {
                for (key, value) in members {
                    self.merge(&at.key(&key), value, source);
                }
            }
            leaf => self.set(at, leaf, source),
        }
    }

    /// Puts `value` at `at` and makes the objects on the way. Where something else than an object is in the way it
    /// stays, and its own problem will be reported.
    fn set(&mut self, at: &KeyPath, value: Value, source: &Source) {
        let mut place = &mut self.root;
        for step in &at.0 {
            place = match (step, place) {
                (Step::Key(key), Value::Object(members)) => {
                    members.entry(key.as_str()).or_insert_with(|| Value::Object(Map::new()))
                }
                (Step::Index(index), Value::Array(items)) if *index < items.len() => &mut items[*index],
                _ => return,
            };
        }
        *place = value;
        self.origins.push((at.clone(), source.clone()));
    }

    /// Where the setting at `path` comes from.
    pub(super) fn source_of(&self, path: &KeyPath) -> &Source {
        let inside = |(origin, _): &&(KeyPath, Source)| path.0.starts_with(&origin.0);
        self.origins.iter().rev().find(inside).map_or(&self.base, |(_, source)| source)
    }

    /// The same for a path as it is written: `gateway.port`.
    pub(super) fn source_of_text(&self, path: &str) -> &Source {
        let inside = |origin: &str| {
            path.strip_prefix(origin).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        self.origins
            .iter()
            .rev()
            .find(|(origin, _)| inside(&origin.to_string()))
            .map_or(&self.base, |(_, source)| source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn file(name: &str) -> Source {
        Source::File(name.into())
    }

    #[test]
    fn the_latest_source_wins_and_is_remembered() {
        let mut tree = Tree::new(
            json!({"gateway": {"port": 1, "host": "a"}, "model_list": [{"model": "m"}]}),
            file("base"),
        );
        tree.merge(
            &KeyPath::default(),
            json!({"gateway": {"port": 2, "metrics": {"path": "/m"}}}),
            &file("over"),
        );
        tree.merge(&KeyPath::of_keys(["gateway", "port"]), json!(3), &Source::Variable("PORT".into()));
        tree.merge(&KeyPath::of_keys(["model_list"]).index(0).key("api_keys"), json!(["k"]), &file("secret"));
        assert_eq!(
            tree.root,
            json!({"gateway": {"port": 3, "host": "a", "metrics": {"path": "/m"}},
                   "model_list": [{"model": "m", "api_keys": ["k"]}]})
        );
        assert_eq!(tree.source_of_text("gateway.port"), &Source::Variable("PORT".into()));
        assert_eq!(tree.source_of_text("gateway.metrics.path"), &file("over"));
        assert_eq!(tree.source_of_text("gateway.host"), &file("base"));
        assert_eq!(tree.source_of_text("gateway.port_of_another"), &file("base"));
        assert_eq!(
            tree.source_of(&KeyPath::of_keys(["model_list"]).index(0).key("api_keys").index(0)),
            &file("secret")
        );
    }

    #[test]
    fn what_is_no_object_stays_in_the_way() {
        let mut tree = Tree::new(json!({"gateway": 5}), file("base"));
        tree.merge(&KeyPath::of_keys(["gateway", "port"]), json!(3), &file("over"));
        assert_eq!(tree.root, json!({"gateway": 5}));
    }
}
