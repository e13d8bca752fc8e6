//! Labels that cannot grow without bound, and details that only the log sees.
//!
//! A label value of an open set (providers, models, channels, tools) exists only as a [`Label`], and a `Label`
//! comes only from a [`Vocabulary`], which knows the configured names and answers `other` to everything else.
//! A name invented by a model or typed by a user therefore can never become a series.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use crate::words::words;

words! {
    /// An open set of names.
    Dimension {
        /// Model providers.
        Provider = "provider",
        /// Configured models.
        Model = "model",
        /// Channels.
        Channel = "channel",
        /// Tools.
        Tool = "tool",
        /// MCP servers.
        McpServer = "server",
        /// Hooks.
        Hook = "hook",
        /// Agents.
        Agent = "agent",
    }
}

/// How many names a dimension takes before it answers `other`.
pub const LIMIT_PER_DIMENSION: usize = 100;

/// The longest name that becomes a label as it is, in bytes.
const LONGEST_NAME: usize = 128;

/// The name that stands for all names beyond the vocabulary.
pub const OTHER: &str = "other";

#[derive(Debug, PartialEq, Eq)]
struct Entry {
    dimension: Dimension,
    index: u8,
    name: Box<str>,
}

/// A bounded label value. Copying it costs a pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label(&'static Entry);

impl Label {
    /// The name, as it stands in metrics.
    pub fn as_str(self) -> &'static str {
        &self.0.name
    }

    /// Which set the name belongs to.
    pub fn dimension(self) -> Dimension {
        self.0.dimension
    }

    /// The name's number within its dimension, at most [`LIMIT_PER_DIMENSION`]; `other` is 0.
    pub(crate) fn index(self) -> u8 {
        self.0.index
    }
}

impl std::fmt::Display for Label {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// The names that may become labels. It only grows, and only up to [`LIMIT_PER_DIMENSION`] names a dimension.
#[derive(Debug)]
pub struct Vocabulary {
    // Entries are leaked so that a label is `Copy` and needs no lock to be read. The limit bounds the leak.
    names: RwLock<HashMap<(Dimension, Box<str>), Label>>,
    others: [Label; Dimension::ALL.len()],
    overflows: [AtomicU64; Dimension::ALL.len()],
}

impl Default for Vocabulary {
    fn default() -> Self {
        Self::new()
    }
}

impl Vocabulary {
    /// A vocabulary that knows nothing but `other`.
    pub fn new() -> Self {
        let others = std::array::from_fn(|i| entry(Dimension::ALL[i], 0, OTHER));
        Self { names: RwLock::default(), others, overflows: std::array::from_fn(|_| AtomicU64::new(0)) }
    }

    /// The label of a configured name, which becomes known. Beyond the limit: `other`, counted as an overflow.
    pub fn declare(&self, dimension: Dimension, name: &str) -> Label {
        let name = clean(name);
        let mut names = self.names.write().unwrap_or_else(PoisonError::into_inner);
        if name == OTHER {
            return self.others[dimension as usize];
        }
        if let Some(label) = names.get(&(dimension, name.as_str().into())) {
            return *label;
        }
        let taken = names.keys().filter(|(d, _)| *d == dimension).count();
        if taken >= LIMIT_PER_DIMENSION {
            drop(names);
            return self.overflow(dimension);
        }
        let index = u8::try_from(taken + 1).expect("the limit is below 255");
        let label = entry(dimension, index, &name);
        names.insert((dimension, name.into()), label);
        label
    }

    /// The label of a name that should be known; `other`, counted as an overflow, when it is not.
    pub fn resolve(&self, dimension: Dimension, name: &str) -> Label {
        let names = self.names.read().unwrap_or_else(PoisonError::into_inner);
        let known = names.get(&(dimension, clean(name).into())).copied();
        drop(names);
        known.unwrap_or_else(|| self.overflow(dimension))
    }

    /// How often `other` was answered in a dimension.
    pub fn overflows(&self, dimension: Dimension) -> u64 {
        self.overflows[dimension as usize].load(Ordering::Relaxed)
    }

    fn overflow(&self, dimension: Dimension) -> Label {
        self.overflows[dimension as usize].fetch_add(1, Ordering::Relaxed);
        self.others[dimension as usize]
    }
}

fn entry(dimension: Dimension, index: u8, name: &str) -> Label {
    Label(Box::leak(Box::new(Entry { dimension, index, name: name.into() })))
}

/// Labels are one short line of text; an empty name would make Prometheus drop the label.
fn clean(name: &str) -> String {
    let mut name: String = name.chars().map(|c| if c.is_control() { '_' } else { c }).collect();
    name.truncate(name.floor_char_boundary(LONGEST_NAME));
    if name.is_empty() { "unnamed".to_owned() } else { name }
}

/// Free text: ids, error texts. It goes to logs and never into a label. Bounded, cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Detail(Arc<str>);

impl Detail {
    /// The longest text that is kept, in bytes; what is longer ends in `…`.
    pub const LONGEST: usize = 4096;

    /// The text, cut at [`Detail::LONGEST`].
    pub fn new(text: &str) -> Self {
        if text.len() <= Self::LONGEST {
            return Self(text.into());
        }
        let end = text.floor_char_boundary(Self::LONGEST);
        Self(format!("{}…", &text[..end]).into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Detail {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Detail {
    fn from(text: String) -> Self {
        Self::new(&text)
    }
}

impl std::fmt::Debug for Detail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::fmt::Display for Detail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_names_become_other_and_are_counted() {
        let vocabulary = Vocabulary::new();
        let known = vocabulary.declare(Dimension::Tool, "read_file");
        assert_eq!(vocabulary.resolve(Dimension::Tool, "read_file"), known);
        assert_eq!(vocabulary.resolve(Dimension::Tool, "rm_rf").as_str(), OTHER);
        assert_eq!(vocabulary.resolve(Dimension::Provider, "read_file").as_str(), OTHER);
        assert_eq!(vocabulary.overflows(Dimension::Tool), 1);
        assert_eq!(vocabulary.overflows(Dimension::Provider), 1);
    }

    #[test]
    fn the_limit_holds_however_often_names_are_declared() {
        let vocabulary = Vocabulary::new();
        let labels: std::collections::HashSet<&str> =
            (0..300).map(|i| vocabulary.declare(Dimension::Model, &format!("m{i}")).as_str()).collect();
        assert_eq!(labels.len(), LIMIT_PER_DIMENSION + 1);
        assert_eq!(vocabulary.overflows(Dimension::Model), 200);
        assert_eq!(vocabulary.declare(Dimension::Model, "m7").as_str(), "m7");
    }

    #[test]
    fn names_are_one_short_line() {
        let vocabulary = Vocabulary::new();
        assert_eq!(vocabulary.declare(Dimension::Model, "a\nb").as_str(), "a_b");
        assert_eq!(vocabulary.declare(Dimension::Model, "").as_str(), "unnamed");
        assert!(vocabulary.declare(Dimension::Model, &"é".repeat(200)).as_str().len() <= LONGEST_NAME);
    }

    #[test]
    fn a_detail_is_bounded() {
        let text = "é".repeat(Detail::LONGEST);
        assert!(Detail::new(&text).as_str().len() <= Detail::LONGEST + '…'.len_utf8());
    }
}
