//! Why an attempt failed.

use std::time::Duration;

use picoclaw_telemetry::words::FailureReason;

/// Longest excerpt of a server's answer in an error's message, in characters.
pub const EXCERPT_CHARS: usize = 300;

/// A failed attempt.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ProviderError {
    /// The kind of failure, as metrics count it.
    pub reason: FailureReason,
    /// The HTTP status, when there was an answer.
    pub status: Option<u16>,
    /// When the provider wants to be asked again.
    pub retry_after: Option<Duration>,
    /// Pieces of the answer had already been handed out: another attempt would say them twice.
    pub partial: bool,
    /// No request was sent: it was decided here that it would not help.
    pub local: bool,
    /// For a person: one line, free of secrets, says what to do.
    pub message: String,
    /// The beginning of what the provider itself said, free of secrets; empty when it said nothing.
    pub said: String,
}

impl ProviderError {
    /// A failure that has nothing but a reason and a message.
    pub fn new(reason: FailureReason, message: impl Into<String>) -> Self {
        Self {
            reason,
            status: None,
            retry_after: None,
            partial: false,
            local: false,
            message: message.into(),
            said: String::new(),
        }
    }

    /// Whether the same request may succeed in a while, without anybody doing anything, and without the person
    /// reading a piece twice.
    pub fn is_transient(&self) -> bool {
        use FailureReason::{CutStream, Network, Overloaded, RateLimit, Server, Timeout};
        !self.partial
            && matches!(self.reason, Timeout | Network | RateLimit | Overloaded | Server | CutStream)
    }
}

/// The beginning of `text` on one line, without control characters, at most [`EXCERPT_CHARS`] long.
pub fn excerpt(text: &str) -> String {
    let mut out = String::new();
    let mut length = 0;
    let mut gap = false;
    for c in text.chars() {
        if c.is_whitespace() || c.is_control() {
            gap = length > 0;
            continue;
        }
        let needed = 1 + usize::from(gap);
        if length + needed >= EXCERPT_CHARS {
            out.push('…');
            break;
        }
        if gap {
            out.push(' ');
            gap = false;
        }
        out.push(c);
        length += needed;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_only_what_may_pass_by_itself() {
        let transient: Vec<_> = FailureReason::ALL
            .iter()
            .filter(|reason| ProviderError::new(**reason, "").is_transient())
            .map(|reason| reason.as_str())
            .collect();
        assert_eq!(transient, ["rate_limit", "overloaded", "server", "timeout", "network", "cut_stream"]);
        let partial = ProviderError { partial: true, ..ProviderError::new(FailureReason::CutStream, "") };
        assert!(!partial.is_transient());
    }

    #[test]
    fn excerpts_are_short_and_on_one_line() {
        assert_eq!(excerpt("  a\r\n\tb\u{0}\u{1b}[31m  c "), "a b [31m c");
        let long = excerpt(&"ä b\n".repeat(1000));
        assert!(long.chars().count() <= EXCERPT_CHARS, "{}", long.chars().count());
        assert!(long.ends_with('…'));
        assert!(!long.contains('\n'));
    }
}
