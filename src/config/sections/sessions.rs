//! `session`: how conversations are kept.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How conversations are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SessionConfig {
    /// Whether conversations survive the process.
    pub persistence: Persistence,
    /// By what conversations of one channel differ: `chat`, `sender`, `topic`, `space`. Empty means by what `dm_scope`
    /// says, else by the chat.
    pub dimensions: Vec<String>,
    /// The same in one word: `per-channel` (by chat), `per-channel-peer` (by chat and sender), `per-peer` (by sender),
    /// or `global` (one conversation for each channel).
    pub dm_scope: String,
    /// People with several ids: a name, and the ids that mean the same person, such as `u123` or `slack:u123`.
    pub identity_links: BTreeMap<String, Vec<String>>,
}

/// By what conversations can differ.
pub const SESSION_DIMENSIONS: [&str; 4] = ["space", "chat", "topic", "sender"];
/// The values of `session.dm_scope`.
pub const DM_SCOPES: [&str; 4] = ["per-channel", "per-channel-peer", "per-peer", "global"];

impl SessionConfig {
    /// By what conversations differ.
    pub fn dimensions(&self) -> Vec<&'static str> {
        match (known_dimensions(&self.dimensions), self.dm_scope.as_str()) {
            (given, _) if !given.is_empty() => given,
            (_, "per-channel-peer") => vec!["chat", "sender"],
            (_, "per-peer") => vec!["sender"],
            (_, "global") => Vec::new(),
            _ => vec!["chat"],
        }
    }
}

/// Those of the names that are dimensions, each once.
pub fn known_dimensions(names: &[String]) -> Vec<&'static str> {
    let mut known = Vec::new();
    for name in names {
        let name = name.trim().to_ascii_lowercase();
        if let Some(dimension) = SESSION_DIMENSIONS.into_iter().find(|known| *known == name)
            && !known.contains(&dimension)
        {
            known.push(dimension);
        }
    }
    known
}

/// Whether conversations survive the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Persistence {
    /// Every message is on disk before the reply is sent.
    #[default]
    Durable,
    /// Conversations are forgotten when the process ends.
    Memory,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dimensions_count_more_than_the_scope() {
        let of = |dimensions: &[&str], dm_scope: &str| {
            let dimensions = dimensions.iter().map(|name| (*name).to_owned()).collect();
            SessionConfig { dimensions, dm_scope: dm_scope.to_owned(), ..SessionConfig::default() }
                .dimensions()
        };
        assert_eq!(of(&[], ""), ["chat"]);
        assert_eq!(of(&[], "per-channel-peer"), ["chat", "sender"]);
        assert_eq!(of(&[], "per-peer"), ["sender"]);
        assert_eq!(of(&[], "global"), [""; 0]);
        assert_eq!(of(&["Sender", "x", "chat", "sender"], "global"), ["sender", "chat"]);
    }
}
