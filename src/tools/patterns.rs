//! Regular expressions of an operator, compiled when they are first needed.

use std::sync::{Arc, OnceLock};

use regex_lite::Regex;

/// A list of regular expressions. Texts that are none match nothing; the configuration's check names them.
#[derive(Clone, Debug, Default)]
pub struct Patterns(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    texts: Vec<String>,
    compiled: OnceLock<Vec<Regex>>,
}

impl Patterns {
    /// These patterns, in order.
    pub fn new(texts: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let texts = texts.into_iter().map(Into::into).collect();
        Self(Arc::new(Inner { texts, compiled: OnceLock::new() }))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.texts.is_empty()
    }

    /// The first pattern that a text matches, as it is written.
    pub(super) fn find(&self, text: &str) -> Option<&str> {
        let compile = || self.0.texts.iter().filter_map(|text| Regex::new(text).ok()).collect();
        let compiled = self.0.compiled.get_or_init(compile);
        compiled.iter().find(|pattern| pattern.is_match(text)).map(Regex::as_str)
    }

    /// Whether a text matches one of them.
    pub(super) fn matches(&self, text: &str) -> bool {
        self.find(text).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_pattern_matches_nothing() {
        let patterns = Patterns::new(["(", "^a+$"]);
        assert_eq!(patterns.find("aa"), Some("^a+$"));
        assert!(!patterns.matches("(") && !Patterns::default().matches(""));
    }
}
