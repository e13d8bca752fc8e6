//! Which agent is for a message, and which of its conversations the message belongs to.

use std::sync::Arc;

use super::inbound::{Chat, Conversation};
use crate::sessions::SessionId;

/// The account of a channel; none has more than one.
const ACCOUNT: &str = "default";

/// Rules for messages. Without any the default agent is for all of them.
#[derive(Clone, Debug, Default)]
pub struct Dispatch {
    /// The place of the agent that answers when no rule says otherwise.
    pub default: usize,
    /// The first one that fits a message decides.
    pub rules: Vec<Rule>,
    /// By what the conversations in chats differ, unless a rule says otherwise: `chat`, `sender`, `topic`, `space`.
    pub dimensions: Vec<&'static str>,
    /// People with several ids: an id, and the name that stands for it.
    pub links: Vec<(String, String)>,
}

/// A rule that gives messages to an agent.
#[derive(Clone, Debug, Default)]
pub struct Rule {
    /// The agent's place.
    pub agent: usize,
    /// Which messages it fits.
    pub when: When,
    /// By what the conversations of these messages differ, if it is said.
    pub dimensions: Option<Vec<&'static str>>,
}

/// Which messages a rule fits. What is empty fits every message; what is not must be in lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct When {
    pub channel: String,
    pub account: String,
    pub space: String,
    pub chat: String,
    pub topic: String,
    pub sender: String,
    pub mentioned: Option<bool>,
}

/// A message as rules see it.
struct Seen {
    channel: String,
    space: String,
    /// The chat, and the chat without what follows a slash: a topic or a thread.
    chats: [String; 2],
    topic: String,
    /// The id, and the name that stands for it.
    senders: [String; 2],
    mentioned: bool,
}

impl Dispatch {
    /// The rule for a message.
    pub(super) fn rule(&self, channel: &str, conversation: &Conversation) -> Option<&Rule> {
        if self.rules.is_empty() {
            return None;
        }
        let named;
        let chat = match conversation {
            Conversation::Chat(chat) => chat,
            Conversation::Session(name) | Conversation::Single(name) => {
                named = Chat { kind: "direct", id: name.clone(), ..Chat::default() };
                &named
            }
            Conversation::Stateless => {
                named = Chat::default();
                &named
            }
            // Nobody sent it: it belongs to whom its session does.
            Conversation::Key(_) => return None,
        };
        let seen = self.see(channel, chat);
        self.rules.iter().find(|rule| rule.when.fits(&seen))
    }

    /// The session of a message for this agent; `None` when nothing is remembered.
    pub(super) fn session(
        &self,
        rule: Option<&Rule>,
        agent: &Arc<str>,
        channel: &str,
        conversation: &Conversation,
    ) -> Option<SessionId> {
        let values = match conversation {
            Conversation::Session(name) => vec![("chat", place("direct", name))],
            Conversation::Chat(chat) => {
                let dimensions = rule.and_then(|rule| rule.dimensions.as_ref()).unwrap_or(&self.dimensions);
                self.values(dimensions, channel, chat)
            }
            Conversation::Key(key) => return Some(SessionId::exact(key)),
            Conversation::Single(_) | Conversation::Stateless => return None,
        };
        Some(SessionId::of(agent, channel, values))
    }

    /// What a conversation is told from others by. What the network does not say is left out.
    fn values(&self, dimensions: &[&'static str], channel: &str, chat: &Chat) -> Vec<(&'static str, String)> {
        let value = |dimension: &&'static str| {
            let value = match *dimension {
                "chat" => place(chat.kind, &chat.id),
                "topic" if !chat.topic.is_empty() => place("topic", &chat.topic),
                "space" => lower(&chat.space),
                "sender" => self.person(channel, &chat.sender),
                _ => String::new(),
            };
            (!value.is_empty()).then_some((*dimension, value))
        };
        dimensions.iter().filter_map(value).collect()
    }

    fn see(&self, channel: &str, chat: &Chat) -> Seen {
        let whole = place(chat.kind, &chat.id);
        let without = whole.split_once('/').map_or_else(|| whole.clone(), |(chat, _)| chat.to_owned());
        Seen {
            channel: lower(channel),
            space: lower(&chat.space),
            chats: [whole, without],
            topic: place("topic", &chat.topic),
            senders: [lower(&chat.sender), self.person(channel, &chat.sender)],
            mentioned: chat.mentioned,
        }
    }

    /// The name that stands for an id, else the id.
    fn person(&self, channel: &str, id: &str) -> String {
        let id = lower(id);
        let is_linked = |link: &str| {
            link == id
                || link
                    .split_once(':')
                    .is_some_and(|(of, rest)| of.eq_ignore_ascii_case(channel) && rest == id)
        };
        match self.links.iter().find(|(link, _)| !id.is_empty() && is_linked(link)) {
            Some((_, name)) => name.clone(),
            None => id,
        }
    }
}

impl When {
    fn fits(&self, seen: &Seen) -> bool {
        let fits = |wanted: &String, found: &[&String]| wanted.is_empty() || found.contains(&wanted);
        let [chat, without] = &seen.chats;
        let [id, name] = &seen.senders;
        *self != Self::default()
            && fits(&self.channel, &[&seen.channel])
            && (self.account.is_empty() || self.account == ACCOUNT)
            && fits(&self.space, &[&seen.space])
            && fits(&self.chat, &[chat, without])
            && fits(&self.topic, &[&seen.topic])
            && fits(&self.sender, &[id, name])
            && self.mentioned.is_none_or(|mentioned| mentioned == seen.mentioned)
    }
}

fn lower(text: &str) -> String {
    text.trim().to_lowercase()
}

fn place(kind: &str, id: &str) -> String {
    let mut place = String::with_capacity(kind.len() + 1 + id.len());
    place.push_str(kind);
    place.push(':');
    let id = id.trim();
    if id.is_ascii() {
        place.push_str(id);
        place.make_ascii_lowercase();
        place
    } else {
        place.push_str(&id.to_lowercase());
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chat(id: &str, sender: &str) -> Chat {
        Chat { kind: "group", id: id.to_owned(), sender: sender.to_owned(), ..Chat::default() }
    }

    fn rule(agent: usize, when: When) -> Rule {
        Rule { agent, when, dimensions: None }
    }

    #[test]
    fn the_first_rule_that_fits_decides() {
        let group = When { channel: "telegram".into(), chat: "group:-1".into(), ..When::default() };
        let dispatch = Dispatch {
            rules: vec![
                rule(1, When { sender: "ann".into(), ..group.clone() }),
                rule(2, group),
                rule(3, When { mentioned: Some(true), ..When::default() }),
                rule(4, When { account: "other".into(), ..When::default() }),
                rule(5, When::default()),
                rule(6, When { chat: "direct:mine".into(), ..When::default() }),
            ],
            links: vec![("telegram:42".into(), "ann".into())],
            ..Dispatch::default()
        };
        let of = |channel: &str, conversation| dispatch.rule(channel, &conversation).map(|rule| rule.agent);
        assert_eq!(of("Telegram", Conversation::Chat(chat("-1", "42"))), Some(1));
        assert_eq!(of("telegram", Conversation::Chat(chat("-1", "43"))), Some(2));
        assert_eq!(of("telegram", Conversation::Chat(chat("-1/7", "43"))), Some(2), "a topic of the group");
        assert_eq!(of("slack", Conversation::Chat(chat("-1", "42"))), None);
        let mentioned = Chat { mentioned: true, ..chat("9", "1") };
        assert_eq!(of("slack", Conversation::Chat(mentioned)), Some(3));
        assert_eq!(of("http", Conversation::Session("Mine".into())), Some(6));
        assert_eq!(of("http", Conversation::Key("direct:mine".into())), None);
        assert_eq!(of("http", Conversation::Stateless), None);
    }

    #[test]
    fn conversations_differ_by_what_is_configured() {
        let agent: Arc<str> = "main".into();
        let key = |dispatch: &Dispatch, rule: Option<&Rule>, chat: Chat| {
            let conversation = Conversation::Chat(chat);
            dispatch.session(rule, &agent, "telegram", &conversation).unwrap().key().to_owned()
        };
        let by_chat = Dispatch { dimensions: vec!["chat"], ..Dispatch::default() };
        assert_eq!(key(&by_chat, None, chat("1", "a")), key(&by_chat, None, chat("1", "b")));
        let both = Rule { dimensions: Some(vec!["chat", "sender"]), ..Rule::default() };
        assert_ne!(key(&by_chat, Some(&both), chat("1", "a")), key(&by_chat, Some(&both), chat("1", "b")));
        let by_person = Dispatch {
            dimensions: vec!["sender"],
            links: vec![("a".into(), "ann".into()), ("telegram:b".into(), "ann".into())],
            ..Dispatch::default()
        };
        assert_eq!(key(&by_person, None, chat("1", "A")), key(&by_person, None, chat("2", "b")));
        assert_ne!(key(&by_person, None, chat("1", "a")), key(&by_person, None, chat("1", "c")));
        let named = by_person.session(None, &agent, "http", &Conversation::Session("x".into()));
        assert_eq!(named.unwrap(), SessionId::derive("http", "x"), "who names a session means that one");
    }
}
