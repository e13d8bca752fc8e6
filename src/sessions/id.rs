//! Names of sessions, and the keys and file names derived from them.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::meta::Scope;
use crate::hex::Hex;

/// The agent that answers when none is configured.
const MAIN: &str = "main";
/// The account of a channel that has only one. The existing PicoClaw writes it out, so it is a part of the keys.
const ACCOUNT: &str = "default";
/// How the key of a session that was derived begins, and how long it is with its hash.
const DERIVED: &str = "sk_v1_";
const KEY_LENGTH: usize = DERIVED.len() + 64;
/// The dimension by which conversations differ unless configured otherwise.
const CHAT: &str = "chat";
/// Longest file name without its extension, in bytes: the file system's limit is 255 with it.
const MAX_STEM: usize = 180;

/// Which session: derived from where a message came from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SessionId {
    key: Arc<str>,
    origin: Arc<Origin>,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Origin {
    agent: Arc<str>,
    channel: String,
    /// By dimension, such as `chat` and `direct:42`.
    values: Vec<(&'static str, String)>,
}

impl SessionId {
    /// The session that the agent `main` has in a chat with one person. Case and surrounding space make no difference.
    pub fn derive(channel: &str, chat: &str) -> Self {
        Self::of(&MAIN.into(), channel, vec![(CHAT, format!("direct:{}", lower(chat.trim())))])
    }

    /// The session that an agent has on a channel, told from others by these values in this order, in lower case: by
    /// the `chat` (`direct:42`), the `sender`, ...
    pub fn of(agent: &Arc<str>, channel: &str, values: Vec<(&'static str, String)>) -> Self {
        let channel = lower(channel.trim()).into_owned();
        let mut canonical = format!("v=1|agent={agent}|channel={channel}|account={ACCOUNT}");
        for (dimension, value) in &values {
            canonical.extend(["|", dimension, "=", value]);
        }
        let digest = Sha256::digest(canonical.as_bytes());
        let mut key = String::with_capacity(KEY_LENGTH);
        let _ = write!(key, "{DERIVED}{}", Hex(&digest));
        Self { key: key.into(), origin: Arc::new(Origin { agent: Arc::clone(agent), channel, values }) }
    }

    /// The session with exactly this key, for a conversation that no person holds.
    pub fn exact(key: &str) -> Self {
        Self::known(key, "system", key.to_owned())
    }

    /// A session whose file bears a name that a test can read.
    #[cfg(test)]
    pub(super) fn named(key: &str) -> Self {
        Self::known(key, "test", format!("direct:{key}"))
    }

    fn known(key: &str, channel: &str, chat: String) -> Self {
        let origin = Origin { agent: MAIN.into(), channel: channel.to_owned(), values: vec![(CHAT, chat)] };
        Self { key: key.into(), origin: Arc::new(origin) }
    }

    /// The key by which the session is stored.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The session's file name without extension.
    pub(super) fn stem(&self) -> Arc<str> {
        match derived_digits(&self.key) {
            Some(_) => Arc::clone(&self.key),
            None => stem_of(&self.key),
        }
    }

    /// The name that older versions gave to this session's file.
    pub(super) fn legacy_stem(&self) -> Arc<str> {
        self.legacy_key().map_or_else(|| self.stem(), |key| stem_of(&key))
    }

    /// Other names under which other programs may look for a new session.
    pub(super) fn aliases(&self) -> Vec<String> {
        self.legacy_key().into_iter().collect()
    }

    /// Where a new session comes from, for its metadata.
    pub(super) fn scope(&self) -> Scope {
        let Origin { agent, channel, values } = self.origin.as_ref();
        Scope {
            version: 1,
            agent_id: agent.to_string(),
            channel: channel.clone(),
            account: ACCOUNT.to_owned(),
            dimensions: values.iter().map(|(dimension, _)| (*dimension).to_owned()).collect(),
            values: values
                .iter()
                .map(|(dimension, value)| ((*dimension).to_owned(), value.clone()))
                .collect(),
        }
    }

    /// `None` for sessions that several share who shared one in older versions: nobody may take it for their own.
    fn legacy_key(&self) -> Option<String> {
        let Origin { agent, channel, values } = self.origin.as_ref();
        match values.as_slice() {
            [(CHAT, chat)] => Some(format!("agent:{agent}:{channel}:{chat}")),
            _ => None,
        }
    }
}

/// The hexadecimal digits, in lower case, of a key that looks like a derived one.
pub(super) fn derived_digits(key: &str) -> Option<&[u8]> {
    let digits = key.strip_prefix(DERIVED).filter(|_| key.len() == KEY_LENGTH)?.as_bytes();
    digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')).then_some(digits)
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
        let group = SessionId::of(&"main".into(), "telegram", vec![("chat", "group:-100/42".to_owned())]);
        assert_ne!(group, SessionId::derive("telegram", "-100/42"));
        assert_eq!(group.aliases(), ["agent:main:telegram:group:-100/42"]);
        assert_eq!(group.scope().values["chat"], "group:-100/42");
    }

    #[test]
    fn agents_and_senders_have_sessions_of_their_own() {
        let chat = || ("chat", "group:1".to_owned());
        let of = |agent: &str, values| SessionId::of(&agent.into(), "telegram", values);
        let support = of("support", vec![chat()]);
        assert_ne!(support, of("main", vec![chat()]));
        assert_eq!(support.aliases(), ["agent:support:telegram:group:1"]);
        let sender = of("support", vec![chat(), ("sender", "42".to_owned())]);
        // printf 'v=1|agent=support|channel=telegram|account=default|chat=group:1|sender=42' | sha256sum
        let expected = "sk_v1_d618e43fb0ec5e5f8d64e72baf1625397abddefa07b60236c4880198b6755522";
        assert_eq!(sender.key(), expected);
        assert_eq!((sender.aliases(), sender.legacy_stem()), (Vec::new(), sender.stem()));
        let scope = sender.scope();
        assert_eq!(
            (scope.agent_id.as_str(), scope.dimensions),
            ("support", vec!["chat".into(), "sender".into()])
        );
        assert_eq!(scope.values["sender"], "42");
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
