//! What well-known kinds of keys look like.

use std::ops::Range;

/// A kind of key: a sign by which it is found, and what must follow.
pub(super) struct Shape {
    /// What is searched for.
    pub(super) sign: &'static str,
    /// Whether the sign is part of the secret; else it stays and only what follows is masked.
    hides_sign: bool,
    /// Whether the sign must stand at the beginning of a word: `task-force` has no key in it.
    begins_word: bool,
    /// The least that must follow.
    least: usize,
    /// Whether digits must be among it, so that ordinary words are no keys.
    digits: bool,
    /// What it consists of.
    alphabet: fn(u8) -> bool,
}

const fn key(sign: &'static str, least: usize) -> Shape {
    Shape { sign, hides_sign: true, begins_word: true, least, digits: true, alphabet: word }
}

const fn value(sign: &'static str, least: usize, alphabet: fn(u8) -> bool) -> Shape {
    Shape { sign, hides_sign: false, begins_word: false, least, digits: true, alphabet }
}

pub(super) const SHAPES: &[Shape] = &[
    key("sk-", 16),
    key("xoxa-", 8),
    key("xoxb-", 8),
    key("xoxe-", 8),
    key("xoxp-", 8),
    key("xoxr-", 8),
    key("xoxs-", 8),
    key("xapp-", 8),
    key("AIza", 30),
    key("ghp_", 20),
    key("gho_", 20),
    key("ghu_", 20),
    key("ghs_", 20),
    key("ghr_", 20),
    key("github_pat_", 20),
    value("bearer ", 8, token68),
    value("token=", 16, hex),
    value("key=", 16, hex),
];

fn word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// What RFC 6750 lets a bearer token consist of.
fn token68(byte: u8) -> bool {
    word(byte) || matches!(byte, b'.' | b'~' | b'+' | b'/' | b'=')
}

fn hex(byte: u8) -> bool {
    byte.is_ascii_hexdigit()
}

impl Shape {
    /// How long a text with such a key is at least.
    pub(super) fn least(&self) -> usize {
        self.sign.len() + self.least
    }

    /// What to mask, when there is a key at a sign that was found at `start..end`.
    pub(super) fn secret(&self, text: &str, start: usize, end: usize) -> Option<Range<usize>> {
        let bytes = text.as_bytes();
        if self.begins_word && start > 0 && word(bytes[start - 1]) {
            return None;
        }
        let rest = &bytes[end..];
        let length = rest.iter().position(|b| !(self.alphabet)(*b)).unwrap_or(rest.len());
        let digits = !self.digits || rest[..length].iter().any(u8::is_ascii_digit);
        let start = if self.hides_sign { start } else { end };
        (length >= self.least && digits).then_some(start..end + length)
    }
}
