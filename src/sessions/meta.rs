//! What is known of a session beside its messages: the `.meta.json` file.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::id::SessionId;

/// Metadata of a session.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Meta {
    /// The session's key.
    pub key: String,
    /// A summary of the messages that `skip` leaves out.
    pub summary: String,
    /// How many lines from the beginning are no longer part of the conversation.
    pub skip: u64,
    /// How many lines the file has.
    pub count: u64,
    /// When the session began, RFC 3339 in UTC.
    pub created_at: String,
    /// When the last line was added, RFC 3339 in UTC.
    pub updated_at: String,
    /// Where the session comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// Other names under which the session can be found.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_default")]
    pub aliases: Vec<String>,
    /// Fields that this gateway does not read, kept so that nothing is lost.
    #[serde(flatten)]
    pub other: serde_json::Map<String, serde_json::Value>,
}

/// Where a session comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Scope {
    /// Version of the key's derivation.
    pub version: u32,
    /// The agent it belongs to.
    pub agent_id: String,
    /// The channel's name.
    pub channel: String,
    /// The account on the channel; `default` when there is only one.
    pub account: String,
    /// Which of the values distinguish the session.
    #[serde(deserialize_with = "null_is_default")]
    pub dimensions: Vec<String>,
    /// The values, by dimension.
    #[serde(deserialize_with = "null_is_default")]
    pub values: BTreeMap<String, String>,
}

/// Where a conversation begins, and what stands for the lines before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) skip: u64,
    pub(super) summary: String,
}

impl Meta {
    /// Reads the document; a damaged one counts as absent, because the messages matter more than it does.
    pub(super) fn parse(document: &[u8]) -> Option<Self> {
        serde_json::from_slice(document).ok()
    }

    /// The metadata after lines were added, with what others wrote into it.
    pub(super) fn updated(
        found: Option<Self>,
        id: &SessionId,
        new: bool,
        added: u64,
        at: jiff::Timestamp,
    ) -> Self {
        let updated_at = at.to_string();
        match found {
            // The messages were deleted and the metadata was not: the summary speaks of what is gone.
            Some(meta) if new => Self { summary: String::new(), skip: 0, count: added, updated_at, ..meta },
            Some(meta) => Self { count: meta.count + added, updated_at, ..meta },
            None => Self {
                key: id.key().to_owned(),
                count: added,
                created_at: updated_at.clone(),
                updated_at,
                scope: Some(id.scope()),
                aliases: id.aliases(),
                ..Self::default()
            },
        }
    }

    /// The document, indented as people find it in existing directories.
    pub(super) fn document(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).expect("strings, numbers and JSON values always serialise")
    }
}

/// Go writes an empty slice or map as `null`.
fn null_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_existing_format_is_read_and_nothing_is_lost() {
        let document = r#"{"key":"sk_v1_a","summary":"s","skip":2,"count":5,"created_at":"2026-01-01T00:00:00+01:00",
            "updated_at":"2026-01-02T00:00:00Z","scope":{"version":1,"agent_id":"main","channel":"pico","account":"default",
            "dimensions":["chat"],"values":{"chat":"direct:pico:a"}},"aliases":null,"pinned":true}"#;
        let meta = Meta::parse(document.as_bytes()).unwrap();
        assert_eq!((meta.skip, meta.count, meta.aliases.len()), (2, 5, 0));
        assert_eq!(meta.other["pinned"], true);
        assert_eq!(Meta::parse(&meta.document()).unwrap(), meta);
    }

    #[test]
    fn a_summary_does_not_outlive_the_messages_that_it_sums_up() {
        let old =
            Meta { key: "a".to_owned(), summary: "s".to_owned(), skip: 9, count: 12, ..Meta::default() };
        let at = "2026-01-02T03:04:05Z".parse().unwrap();
        let meta = Meta::updated(Some(old.clone()), &SessionId::named("a"), true, 1, at);
        assert_eq!((meta.summary.as_str(), meta.skip, meta.count), ("", 0, 1));
        let meta = Meta::updated(Some(old), &SessionId::named("a"), false, 1, at);
        assert_eq!((meta.summary.as_str(), meta.skip, meta.count), ("s", 9, 13));
    }

    #[test]
    fn a_damaged_document_counts_as_absent() {
        assert_eq!(Meta::parse(b"{\"key\":"), None);
    }
}
