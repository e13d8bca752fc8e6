//! Which tools a model is shown: all but the deferred ones, and of those what the conversation has found.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::tool_calls::Tools;
use crate::chat::ToolSpecs;

/// Most conversations whose finds are remembered; the one that spoke longest ago is forgotten first.
const MAX_CONVERSATIONS: usize = 1_000;
/// Most tools that a conversation has found at a time.
const MAX_FOUND: usize = 64;

/// What conversations have found. It outlives reloads: tools are known by name.
#[derive(Debug, Default)]
pub(super) struct Discoveries(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// Counts turns, so that the oldest conversation is known.
    clock: u64,
    conversations: HashMap<String, Finds>,
}

#[derive(Debug, Default)]
struct Finds {
    turn: u64,
    last_spoke: u64,
    /// The last turn in which each tool is shown.
    until: BTreeMap<String, u64>,
}

impl Discoveries {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A turn of a conversation begins: what it is shown of what it has found.
    fn begin(&self, session: &str) -> Vec<String> {
        let mut known = self.lock();
        known.clock += 1;
        let now = known.clock;
        let Some(finds) = known.conversations.get_mut(session) else { return Vec::new() };
        finds.turn += 1;
        finds.last_spoke = now;
        let turn = finds.turn;
        finds.until.retain(|_, until| *until >= turn);
        let shown = finds.until.keys().cloned().collect::<Vec<_>>();
        if shown.is_empty() {
            known.conversations.remove(session);
        }
        shown
    }

    /// A conversation has found or used a tool: it is shown for so many turns, this one included.
    fn keep(&self, session: &str, tool: &str, turns: u32) {
        let mut known = self.lock();
        if !known.conversations.contains_key(session) && known.conversations.len() >= MAX_CONVERSATIONS {
            let oldest = known.conversations.iter().min_by_key(|(_, finds)| finds.last_spoke);
            if let Some(oldest) = oldest.map(|(session, _)| session.clone()) {
                known.conversations.remove(&oldest);
            }
        }
        let now = known.clock;
        let finds = known.conversations.entry(session.to_owned()).or_default();
        finds.last_spoke = now;
        finds.until.insert(tool.to_owned(), finds.turn + u64::from(turns.max(1)) - 1);
    }
}

/// What the model is shown in one turn.
pub(super) struct Offer<'a> {
    tools: &'a Tools,
    /// Where finds are remembered, and for which conversation; `None` where they are for the turn alone.
    memory: Option<(&'a Discoveries, &'a str)>,
    found: Vec<String>,
    /// With the finds, and what that weighs; `None` when there are none.
    more: Option<(ToolSpecs, u64)>,
}

impl<'a> Offer<'a> {
    /// A turn begins, of this conversation if it is a remembered one.
    pub(super) fn begin(tools: &'a Tools, discoveries: &'a Discoveries, session: Option<&'a str>) -> Self {
        // Without deferred tools there is nothing to remember.
        let memory = session.filter(|_| tools.has_deferred()).map(|session| (discoveries, session));
        let found = memory.map_or_else(Vec::new, |(discoveries, session)| discoveries.begin(session));
        let mut offer = Self { tools, memory, found: Vec::new(), more: None };
        offer.show(found);
        offer
    }

    /// What the model is shown.
    pub(super) fn specs(&self) -> &ToolSpecs {
        self.more.as_ref().map_or_else(|| self.tools.specs(), |(specs, _)| specs)
    }

    /// What that weighs, in bytes that a model reads.
    pub(super) fn bytes(&self) -> u64 {
        self.more.as_ref().map_or_else(|| self.tools.bytes(), |(_, bytes)| *bytes)
    }

    /// Takes note of what was called, and of what a search has found, for so many turns. A deferred tool that is called
    /// without a search counts as found: the model knows it from before.
    pub(super) fn learn(&mut self, called: &str, found: Vec<String>, turns: u32) {
        let called = self.tools.is_deferred(called).then(|| called.to_owned());
        let tools: Vec<String> = found.into_iter().chain(called).collect();
        if let Some((discoveries, session)) = self.memory {
            tools.iter().for_each(|tool| discoveries.keep(session, tool, turns));
        }
        self.show(tools);
    }

    fn show(&mut self, tools: Vec<String>) {
        let before = self.found.len();
        for tool in tools {
            if self.found.len() < MAX_FOUND && self.tools.is_deferred(&tool) && !self.found.contains(&tool) {
                self.found.push(tool);
            }
        }
        if self.found.len() > before {
            self.more = Some(self.tools.with(&self.found));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_stay_for_some_turns_after_their_last_use() {
        let discoveries = Discoveries::default();
        assert!(discoveries.begin("s").is_empty());
        discoveries.keep("s", "a", 2);
        discoveries.keep("s", "b", 3);
        assert_eq!(discoveries.begin("s"), ["a", "b"]);
        assert!(discoveries.begin("other").is_empty());
        discoveries.keep("s", "b", 3);
        assert_eq!(discoveries.begin("s"), ["b"], "the first had two turns");
        assert_eq!(discoveries.begin("s"), ["b"]);
        assert!(discoveries.begin("s").is_empty());
        assert!(discoveries.lock().conversations.is_empty(), "nothing is left of it");
    }

    #[test]
    fn the_conversation_that_spoke_longest_ago_is_forgotten() {
        let discoveries = Discoveries::default();
        for n in 0..=MAX_CONVERSATIONS {
            discoveries.begin(&n.to_string());
            discoveries.keep(&n.to_string(), "a", 5);
        }
        assert!(discoveries.begin("0").is_empty());
        assert_eq!(discoveries.begin("1"), ["a"]);
        assert_eq!(discoveries.lock().conversations.len(), MAX_CONVERSATIONS);
    }
}
