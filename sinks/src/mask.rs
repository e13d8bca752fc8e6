//! Removes secrets from text.

mod shapes;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use arc_swap::{ArcSwap, Guard};

/// What stands in the place of a secret.
pub const MASK: &str = "***";

/// Secrets shorter than this are not searched for: masking them would shred ordinary words.
pub const SHORTEST: usize = 4;

/// Up to this many bytes of secrets the faster of two automata is small enough.
const SMALL: usize = 1024;

/// Knows the secrets of the configuration, and what well-known kinds of keys look like.
pub struct Masker(ArcSwap<Automaton>);

struct Automaton {
    // The well-known shapes come first, then the secrets.
    search: AhoCorasick,
    /// A shorter text has no room for a secret. Most values in a log are words.
    least: usize,
}

impl Default for Masker {
    fn default() -> Self {
        Self::new(&[])
    }
}

impl Masker {
    /// A masker of these secrets. Those shorter than [`SHORTEST`] are left out.
    pub fn new(secrets: &[String]) -> Self {
        Self(ArcSwap::from_pointee(Automaton::new(secrets)))
    }

    /// Replaces the secrets, for everybody who has this masker.
    pub fn replace(&self, secrets: &[String]) {
        self.0.store(Automaton::new(secrets).into());
    }

    /// The text with `***` in place of secrets. Text without secrets is searched once and not copied.
    pub fn mask<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.masking().mask(text)
    }

    /// The secrets of now, for several texts.
    pub fn masking(&self) -> Masking {
        Masking(self.0.load())
    }
}

/// The secrets of a moment.
pub struct Masking(Guard<Arc<Automaton>>);

impl Masking {
    /// As [`Masker::mask`].
    pub fn mask<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if text.len() < self.0.least { Cow::Borrowed(text) } else { self.0.mask(text) }
    }
}

impl Automaton {
    fn mask<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut masked = String::new();
        let mut done = 0;
        let mut from = 0;
        while let Some(found) = self.search.find(aho_corasick::Input::new(text).range(from..)) {
            let hidden = match shapes::SHAPES.get(found.pattern().as_usize()) {
                Some(shape) => shape.secret(text, found.start(), found.end()),
                None => Some(found.range()),
            };
            let Some(hidden) = hidden else {
                // A secret may begin within what only looked like a shape.
                from = text.ceil_char_boundary(found.start() + 1);
                continue;
            };
            masked.push_str(&text[done..hidden.start]);
            masked.push_str(MASK);
            done = hidden.end;
            from = done;
        }
        if done == 0 {
            return Cow::Borrowed(text);
        }
        masked.push_str(&text[done..]);
        Cow::Owned(masked)
    }

    fn new(secrets: &[String]) -> Self {
        let mut secrets: Vec<&str> =
            secrets.iter().map(String::as_str).filter(|secret| secret.len() >= SHORTEST).collect();
        secrets.sort_unstable();
        secrets.dedup();
        let size: usize = secrets.iter().map(|secret| secret.len()).sum();
        let kind = if size <= SMALL { AhoCorasickKind::DFA } else { AhoCorasickKind::ContiguousNFA };
        let known = secrets.iter().map(|secret| secret.len());
        let least = known.chain(shapes::SHAPES.iter().map(shapes::Shape::least)).min().unwrap_or(SHORTEST);
        let patterns = shapes::SHAPES.iter().map(|shape| shape.sign).chain(secrets);
        let search = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .ascii_case_insensitive(true)
            .kind(Some(kind))
            .build(patterns)
            .expect("a configuration's secrets are far fewer than an automaton can hold");
        Self { search, least }
    }
}

/// Shows nothing of the secrets.
impl fmt::Debug for Masker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Masker").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
