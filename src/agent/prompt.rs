//! What opens every conversation: who the assistant is, and what the workspace's files say.
//!
//! | File | What it is for |
//! |---|---|
//! | `AGENT.md`, or `AGENTS.md` | how the assistant works |
//! | `IDENTITY.md`, `SOUL.md`, `USER.md` | who it is, how it speaks, whom it speaks with |
//! | `memory/MEMORY.md` | what it has noted down |
//! | `skills/*/SKILL.md` | instructions for certain tasks: only name and description, the model reads the rest when it needs it |
//!
//! All of them may be missing. They are looked at when a conversation goes on, but not more often than every two
//! seconds, and read again when one of them has changed; neither happens on the event loop, and a disk that hangs
//! delays a turn once, and then the last known text is used.

mod files;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::chat::{Message, Role};
use crate::skills::Skill;
use crate::tools::Workspace;

/// How long what was seen of the files is taken for the truth.
const TRUST: Duration = Duration::from_secs(2);
/// How long a turn waits for the files.
const PATIENCE: Duration = Duration::from_secs(2);

/// What opens the conversations of one agent. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Prompt(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// The part that no file says.
    opening: String,
    /// What is said besides in chats of networks; may be empty.
    in_chats: String,
    workspace: Workspace,
    /// The only skills to be offered; all of them when empty.
    skills: Vec<String>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    message: Arc<Message>,
    in_chats: Arc<Message>,
    skills: Arc<[Skill]>,
    /// What the files looked like when they were read.
    stamp: Option<u64>,
    looked: Option<Instant>,
    /// Somebody looks right now.
    looking: bool,
}

impl Prompt {
    /// The prompt of an agent that works in this directory. Of the skills there only those in the list are offered,
    /// unless the list is empty.
    pub fn new(opening: impl Into<String>, workspace: Workspace, skills: Vec<String>) -> Self {
        Self::with_rule_for_chats(opening, String::new(), workspace, skills)
    }

    /// The same with a rule that holds in chats of networks alone.
    pub fn with_rule_for_chats(
        opening: impl Into<String>,
        in_chats: String,
        workspace: Workspace,
        skills: Vec<String>,
    ) -> Self {
        let opening = opening.into();
        let (message, chats) = messages(opening.clone(), &in_chats);
        let state = State {
            message,
            in_chats: chats,
            skills: Arc::new([]),
            stamp: None,
            looked: None,
            looking: false,
        };
        Self(Arc::new(Inner { opening, in_chats, workspace, skills, state: Mutex::new(state) }))
    }

    /// The message that opens a conversation now.
    pub async fn message(&self) -> Arc<Message> {
        self.look().await;
        Arc::clone(&self.0.lock().message)
    }

    /// The message that opens a chat of a network now.
    pub async fn message_in_chats(&self) -> Arc<Message> {
        self.look().await;
        Arc::clone(&self.0.lock().in_chats)
    }

    /// The skills that are offered now.
    pub async fn skills(&self) -> Arc<[Skill]> {
        self.look().await;
        Arc::clone(&self.0.lock().skills)
    }

    /// Sees to it that what is known of the files is new enough, if the disk lets it.
    async fn look(&self) {
        {
            let mut state = self.0.lock();
            if state.looking || state.looked.is_some_and(|looked| looked.elapsed() < TRUST) {
                return;
            }
            state.looking = true;
        }
        let inner = Arc::clone(&self.0);
        let looking = tokio::task::spawn_blocking(move || inner.refresh());
        // Given up, it goes on in the background, and nobody else looks until it is done.
        if tokio::time::timeout(PATIENCE, looking).await.is_err() {
            tracing::warn!(
                workspace = %self.0.workspace.path().display(),
                "The workspace's files could not be read in time; conversations go on with what is known of them."
            );
        }
    }
}

impl Inner {
    fn refresh(&self) {
        // A panic must not keep all others from looking for ever.
        let _done = Looked(self);
        let seen = files::stamp(&self.workspace);
        if self.lock().stamp == Some(seen) {
            return;
        }
        let mut skills = self.workspace.read_skills();
        skills.retain(|skill| self.skills.is_empty() || self.skills.contains(&skill.name));
        let text = files::compose(&self.opening, self.workspace.path(), &skills);
        let skills: Arc<[Skill]> = skills.into();
        let (message, in_chats) = messages(text, &self.in_chats);
        let mut state = self.lock();
        state.message = message;
        state.in_chats = in_chats;
        state.skills = skills;
        state.stamp = Some(seen);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The message that opens conversations, and that which opens chats.
fn messages(text: String, in_chats: &str) -> (Arc<Message>, Arc<Message>) {
    let chats = (!in_chats.is_empty()).then(|| format!("{text}\n\n{in_chats}"));
    let message = Arc::new(Message::new(Role::System, text));
    let chats = chats.map_or_else(|| Arc::clone(&message), |text| Arc::new(Message::new(Role::System, text)));
    (message, chats)
}

struct Looked<'a>(&'a Inner);

impl Drop for Looked<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.looking = false;
        state.looked = Some(Instant::now());
    }
}

#[cfg(test)]
mod tests;
