//! Names of sessions, and the keys and file names derived from them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::meta::Scope;
use crate::hex::Hex;

/// The agent that sessions belong to.
const AGENT: &str = "main";
/// The account of a channel that has only one. The existing PicoClaw writes it out, so it is a part of the keys.
const ACCOUNT: &str = "default";
/// Of the key of a session that was derived.
const KEY_LENGTH: usize = "sk_v1_".len() + 64;
/// Longest file name without its extension, in bytes: the file system's limit is 255 with it.
const MAX_STEM: usize = 180;

/// Which session: derived from where a message came from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SessionId {
    key: Arc<str>,
    channel: Arc<str>,
    /// The kind of the chat and its id, `direct:42`.
    chat: Arc<str>,
}

impl SessionId {
    /// The session of a chat on a channel. Case and surrounding space make no difference.
    pub fn derive(channel: &str, chat: &str) -> Self {
        Self::of_chat(channel, "direct", chat)
    }

    /// The session of a chat of this kind (`direct`, `group`, `channel`) on a channel.
    pub fn of_chat(channel: &str, kind: &str, chat: &str) -> Self {
        let channel = lower(channel.trim());
        let chat = format!("{kind}:{}", lower(chat.trim()));
        let canonical = format!("v=1|agent={AGENT}|channel={channel}|account={ACCOUNT}|chat={chat}");
        let digest = Sha256::digest(canonical.as_bytes());
        let mut key = String::with_capacity(KEY_LENGTH);
        let _ = write!(key, "sk_v1_{}", Hex(&digest));
        Self { key: key.into(), channel: channel.into(), chat: chat.into() }
    }

    /// The session with exactly this key, for a conversation that no person holds.
    pub fn exact(key: &str) -> Self {
        Self { key: key.into(), channel: "system".into(), chat: key.into() }
    }

    /// A session whose file bears a name that a test can read.
    #[cfg(test)]
    pub(super) fn named(key: &str) -> Self {
        Self { key: key.into(), channel: "test".into(), chat: format!("direct:{key}").into() }
    }

    /// The key by which the session is stored.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The session's file name without extension.
    pub(super) fn stem(&self) -> Arc<str> {
        stem_of(&self.key)
    }

    /// The name that older versions gave to this session's file.
    pub(super) fn legacy_stem(&self) -> Arc<str> {
        stem_of(&self.legacy_key())
    }

    /// Other names under which other programs may look for a new session.
    pub(super) fn aliases(&self) -> Vec<String> {
        vec![self.legacy_key()]
    }

    /// Where a new session comes from, for its metadata.
    pub(super) fn scope(&self) -> Scope {
        Scope {
            version: 1,
            agent_id: AGENT.to_owned(),
            channel: self.channel.to_string(),
            account: ACCOUNT.to_owned(),
            dimensions: vec!["chat".to_owned()],
            values: BTreeMap::from([("chat".to_owned(), self.chat.to_string())]),
        }
    }

    fn legacy_key(&self) -> String {
        format!("agent:{AGENT}:{}:{}", self.channel, self.chat)
    }
}

/// Most names are in lower case already.
fn lower(text: &str) -> Cow<'_, str> {
    match text.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase()) {
        true => Cow::Borrowed(text),
        false => Cow::Owned(text.to_lowercase()),
    }
}

/// A file name without extension for a key: it stays inside its directory, is bounded and does not begin with a dot,
/// which is how the store's own files begin.
fn stem_of(key: &str) -> Arc<str> {
    let mut stem: String =
        key.chars().map(|c| if matches!(c, ':' | '/' | '\\') || c.is_control() { '_' } else { c }).collect();
    if stem.is_empty() || stem.starts_with('.') {
        stem.insert(0, '_');
    }
    if stem.len() > MAX_STEM {
        let digest = Hex(&Sha256::digest(key.as_bytes())).to_string();
        let mut cut = MAX_STEM - digest.len() - 1;
        while !stem.is_char_boundary(cut) {
            cut -= 1;
        }
        stem.truncate(cut);
        stem.push('-');
        stem.push_str(&digest);
    }
    stem.into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_key_is_the_hash_of_the_lower_cased_scope() {
        // printf 'v=1|agent=main|channel=pico|account=default|chat=direct:pico:abc' | sha256sum
        let expected = "sk_v1_e66331d40c796cecca3c1a5079574a702897440b572513e951addef32437f181";
        assert_eq!(SessionId::derive("pico", "pico:abc").key(), expected);
        assert_eq!(SessionId::derive("Pico", " pico:ABC\n").key(), expected);
        assert_ne!(SessionId::derive("pico", "pico:abd").key(), expected);
    }

    #[test]
    fn a_derived_session_remembers_where_it_comes_from() {
        let id = SessionId::derive("pico", "pico:ABC");
        assert_eq!(id.aliases(), ["agent:main:pico:direct:pico:abc"]);
        assert_eq!(&*id.legacy_stem(), "agent_main_pico_direct_pico_abc");
        let scope = id.scope();
        assert_eq!((scope.channel.as_str(), scope.account.as_str()), ("pico", "default"));
        assert_eq!(scope.values["chat"], "direct:pico:abc");
    }

    #[test]
    fn kinds_of_chats_stay_apart() {
        let group = SessionId::of_chat("telegram", "group", "-100/42");
        assert_ne!(group, SessionId::derive("telegram", "-100/42"));
        assert_eq!(group.aliases(), ["agent:main:telegram:group:-100/42"]);
        assert_eq!(group.scope().values["chat"], "group:-100/42");
    }

    #[test]
    fn separators_become_underscores() {
        assert_eq!(&*stem_of("agent:main:a/b\\c"), "agent_main_a_b_c");
        assert_eq!(&*stem_of(".journal"), "_.journal");
        assert_eq!(&*stem_of(""), "_");
    }

    #[test]
    fn long_keys_stay_apart() {
        let (a, b) = ("x".repeat(300), format!("{}y", "x".repeat(300)));
        assert_ne!(stem_of(&a), stem_of(&b));
        assert_eq!(stem_of(&a).len(), MAX_STEM);
    }

    proptest! {
        #[test]
        fn no_key_leaves_the_directory(key in "(\\PC|[./\\\\:\0\n]){0,300}") {
            let stem = stem_of(&key);
            prop_assert!(!stem.is_empty() && stem.len() <= MAX_STEM);
            prop_assert!(!stem.starts_with('.'));
            prop_assert!(!stem.contains(['/', '\\', ':', '\0', '\n']));
        }
    }
}
