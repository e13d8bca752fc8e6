//! When the agent answers in a group.

use serde::Deserialize;

/// The rules. Without any, it answers everything that the network shows it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct GroupTrigger {
    /// Only when it is mentioned.
    mention_only: bool,
    /// When a message begins with one of these.
    prefixes: Vec<String>,
}

impl GroupTrigger {
    /// What the agent is to read of a message in a group, from which a mention has been taken out; `None` when the
    /// message is not for it. A mention is always for it.
    pub(super) fn heard(&self, text: &str, mentioned: bool) -> Option<String> {
        let text = text.trim();
        if mentioned {
            return Some(text.to_owned());
        }
        let mut prefixes = self.prefixes.iter().filter(|prefix| !prefix.is_empty());
        if let Some(rest) = prefixes.find_map(|prefix| text.strip_prefix(prefix.as_str())) {
            return Some(rest.trim().to_owned());
        }
        let open = !self.mention_only && self.prefixes.is_empty();
        open.then(|| text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_answered_when_it_asks() {
        let trigger = |mention_only, prefixes: &[&str]| GroupTrigger {
            mention_only,
            prefixes: prefixes.iter().map(ToString::to_string).collect(),
        };
        let heard = |trigger: &GroupTrigger, text: &str, mentioned| trigger.heard(text, mentioned);
        assert_eq!(heard(&trigger(false, &[]), " hi ", false).as_deref(), Some("hi"));
        assert_eq!(heard(&trigger(true, &[]), "hi", false), None);
        assert_eq!(heard(&trigger(true, &[]), "hi", true).as_deref(), Some("hi"));
        assert_eq!(heard(&trigger(false, &["/ask"]), "/ask why", false).as_deref(), Some("why"));
        assert_eq!(heard(&trigger(true, &["/ask"]), "/ask why", false).as_deref(), Some("why"));
        assert_eq!(heard(&trigger(false, &["/ask"]), "why", false), None);
    }
}
