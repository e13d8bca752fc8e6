//! Which events a sink sees.

use picoclaw_telemetry::words::Level;
use picoclaw_telemetry::{Event, Kind};

use crate::config::Filter;

/// A [`Filter`], ready to be asked for each event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventFilter {
    least: Level,
    // One bit a kind.
    kinds: u64,
}

const _: () = assert!(Kind::ALL.len() <= 64, "a kind has a bit of its own");

impl EventFilter {
    /// Prepares the filter of a configuration.
    pub fn new(filter: &Filter) -> Self {
        let matches = |patterns: &[String], kind: Kind| patterns.iter().any(|p| glob(p, kind.as_str()));
        let kinds = Kind::ALL
            .iter()
            .filter(|kind| filter.include.is_empty() || matches(&filter.include, **kind))
            .filter(|kind| !matches(&filter.exclude, **kind))
            .fold(0, |bits, kind| bits | 1 << *kind as u8);
        Self { least: filter.min_level.unwrap_or(Level::Debug), kinds }
    }

    /// Whether the sink sees this event.
    pub fn passes(&self, event: &Event) -> bool {
        event.level() >= self.least && self.kinds >> event.kind() as u8 & 1 == 1
    }
}

/// Patterns of the filter that match no kind of event, which is probably a slip of the pen.
pub fn idle_patterns(filter: &Filter) -> Vec<&str> {
    let matches_nothing = |pattern: &&String| !Kind::ALL.iter().any(|kind| glob(pattern, kind.as_str()));
    let patterns = filter.include.iter().chain(&filter.exclude);
    patterns.filter(matches_nothing).map(String::as_str).collect()
}

/// Whether `text` matches `pattern`, in which `*` stands for any text, dots included.
fn glob(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut text) = text.strip_prefix(head) else {
        return false;
    };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let tail = parts.pop().unwrap_or_default();
    for part in parts {
        let Some(at) = text.find(part) else {
            return false;
        };
        text = &text[at + part.len()..];
    }
    text.ends_with(tail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use picoclaw_telemetry::words::HttpRejection;

    fn filter(least: Option<Level>, include: &[&str], exclude: &[&str]) -> EventFilter {
        let owned = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect();
        EventFilter::new(&Filter { min_level: least, include: owned(include), exclude: owned(exclude) })
    }

    const START: Event = Event::GatewayStart { version: "1", pid: 1 };
    const REJECTED: Event = Event::HttpRejected { reason: HttpRejection::Malformed };

    #[test]
    fn an_empty_filter_lets_everything_pass() {
        let all = filter(None, &[], &[]);
        assert!(all.passes(&START) && all.passes(&REJECTED) && all.passes(&Event::ReloadStarted));
    }

    #[test]
    fn level_and_patterns_exclude() {
        assert!(!filter(Some(Level::Info), &[], &[]).passes(&REJECTED));
        assert!(filter(Some(Level::Info), &[], &[]).passes(&START));
        assert!(filter(None, &["gateway.*"], &["*.http.*"]).passes(&START));
        assert!(!filter(None, &["gateway.*"], &["*.http.*"]).passes(&REJECTED));
        assert!(!filter(None, &["agent.*"], &[]).passes(&START));
    }

    #[test]
    fn stars_stand_for_any_text() {
        assert!(glob("*", "agent.turn.end"));
        assert!(glob("agent.*.end", "agent.turn.end"));
        assert!(glob("a*t*e*d", "agent.turn.end"));
        assert!(!glob("agent.*.start", "agent.turn.end"));
        assert!(!glob("turn", "agent.turn.end"));
        assert!(glob("log", "log"));
        assert!(!glob("a*a", "a"));
    }

    #[test]
    fn patterns_that_match_nothing_are_found() {
        let filter = Filter {
            include: vec!["agent.*".into(), "agnet.*".into()],
            exclude: vec!["logs".into()],
            min_level: None,
        };
        assert_eq!(idle_patterns(&filter), ["agnet.*", "logs"]);
    }
}
