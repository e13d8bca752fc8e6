//! What a person can tell the agent beside talking to the model: a message that begins with `/` and a known word.
//!
//! Commands are for conversations that the gateway remembers, on every channel; where callers send the whole history
//! themselves they are ordinary text, and so is what begins with `/` and is no command. A command counts as a message and
//! is no turn. All but `/clear` are carried out at once, also while a turn of the session runs.

mod answers;

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Instant;

use async_trait::async_trait;
use picoclaw_telemetry::words::Command;
use picoclaw_telemetry::{Detail, Event, Label};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use self::answers::Asked;
use super::assistant::Agent;
use super::gate::Place;
use super::inbound::{Inbound, Progress, Reply, TurnHandle};
use super::prompt::Prompt;
use super::setup::Setup;
use crate::chat::{FinishReason, Message, Role, Usage};
use crate::sessions::SessionId;

/// Most sessions for which a model was chosen.
const MAX_CHOICES: usize = 10_000;

/// Reads the configuration again, for `/reload`.
#[async_trait]
pub trait Reload: Send + Sync {
    /// What became of it, for a person.
    async fn reload_for_person(&self) -> String;
}

/// What commands need beside the agent's own parts.
#[derive(Default)]
pub(super) struct Desk {
    /// The models that people chose for their sessions, by key. They hold until the gateway stops.
    chosen: Mutex<HashMap<Arc<str>, String>>,
    reload: Mutex<Option<Weak<dyn Reload>>>,
}

/// A command with what stands behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Order<'a> {
    pub(super) command: Command,
    pub(super) arguments: &'a str,
}

impl<'a> Order<'a> {
    /// The command of a message, if it is one.
    fn of(text: &'a str) -> Option<Self> {
        let rest = text.trim().strip_prefix('/')?;
        let (word, arguments) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        // In groups Telegram writes the bot's name behind the command.
        let word = word.split_once('@').map_or(word, |(word, _)| word);
        let command = word.to_ascii_lowercase().parse().ok()?;
        Some(Self { command, arguments: arguments.trim() })
    }

    /// The skill that `/use` names, and what it is to be used for.
    fn skill(&self) -> Option<(&'a str, &'a str)> {
        self.arguments.split_once(char::is_whitespace).filter(|_| self.command == Command::Use)
    }
}

/// What is to become of a message.
pub(super) enum Meant {
    /// A turn.
    Turn,
    /// A turn that the conversation does not remember.
    Aside,
    /// An answer of the agent's own.
    Command(Command, String),
}

/// What the messages mean. A command that has the model do something is taken out of them, unless it asks for a skill
/// that there is not: a model would look for its file in vain.
pub(super) async fn meant(messages: &mut [Message], prompt: &Prompt) -> Meant {
    let order =
        messages.last().filter(|last| last.role == Role::User).and_then(|last| Order::of(&last.content));
    if let Some(order) = order
        && let Some((skill, _)) = order.skill()
        && !prompt.skills().await.iter().any(|known| known.name == skill)
    {
        return Meant::Command(order.command, order.arguments.to_owned());
    }
    read(messages)
}

fn read(messages: &mut [Message]) -> Meant {
    let Some(last) = messages.last_mut().filter(|message| message.role == Role::User) else {
        return Meant::Turn;
    };
    let Some(order) = Order::of(&last.content) else { return Meant::Turn };
    let Order { command, arguments } = order;
    match (command, order.skill()) {
        (Command::Btw, _) if !arguments.is_empty() => {
            last.content = arguments.to_owned();
            Meant::Aside
        }
        (Command::Use, Some((skill, request))) => {
            last.content = format!(
                "Use the skill \"{skill}\" for this: read its file first and follow it.\n\n{}",
                request.trim_start()
            );
            Meant::Turn
        }
        _ => Meant::Command(command, arguments.to_owned()),
    }
}

impl Desk {
    /// The model that was chosen for a session.
    pub(super) fn chosen(&self, key: &str) -> Option<String> {
        self.chosen.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    /// `None` goes back to the default. Says whether there was room.
    fn choose(&self, key: &str, model: Option<&str>) -> bool {
        let mut chosen = self.chosen.lock().unwrap_or_else(PoisonError::into_inner);
        match model {
            None => drop(chosen.remove(key)),
            Some(_) if chosen.len() >= MAX_CHOICES && !chosen.contains_key(key) => return false,
            Some(model) => drop(chosen.insert(key.into(), model.to_owned())),
        }
        true
    }

    fn reloader(&self) -> Option<Arc<dyn Reload>> {
        self.reload.lock().unwrap_or_else(PoisonError::into_inner).as_ref()?.upgrade()
    }
}

impl Agent {
    /// Lets people reload the configuration.
    pub fn reload_with(&self, reload: &Arc<dyn Reload>) {
        *self.0.desk.reload.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::downgrade(reload));
    }
}

/// A command on its way to its answer.
pub(super) struct Errand {
    pub(super) agent: Agent,
    pub(super) setup: Arc<Setup>,
    pub(super) command: Command,
    pub(super) arguments: String,
    pub(super) label: Label,
    pub(super) detail: Detail,
    pub(super) session: SessionId,
    /// A place in the session's queue, for what must not meet a turn.
    pub(super) place: Option<Place>,
    pub(super) inbound: Inbound,
}

impl Errand {
    /// Carries it out as a task of its own.
    pub(super) fn begin(self) -> TurnHandle {
        let (progress, pieces) = mpsc::channel(1);
        let (answer, reply) = oneshot::channel();
        let cancel = self.agent.0.cancel_all.child_token();
        let agent = self.agent.clone();
        agent.0.turns.spawn({
            let cancel = cancel.clone();
            async move {
                tokio::select! {
                    biased;
                    () = cancel.cancelled() => {}
                    () = self.run(&cancel, progress, answer) => {}
                }
            }
        });
        TurnHandle { progress: pieces.into(), reply, cancel: cancel.drop_guard() }
    }

    async fn run(
        mut self,
        cancel: &CancellationToken,
        progress: mpsc::Sender<Progress>,
        answer: oneshot::Sender<Result<Reply, super::TurnError>>,
    ) {
        let began = Instant::now();
        let _entered = match self.place.take() {
            Some(place) => Some(place.enter(cancel).await),
            None => None,
        };
        let asked = Asked {
            agent: &self.agent,
            setup: &self.setup,
            channel: self.inbound.channel,
            session: &self.session,
            order: Order { command: self.command, arguments: &self.arguments },
        };
        let content = asked.answer().await;
        let bus = &self.agent.0.bus;
        let (channel, session) = (self.label, self.detail.clone());
        let duration = began.elapsed();
        bus.emit(Event::CommandRun { command: self.command, channel, session: session.clone(), duration });
        if self.inbound.stream {
            let _ = progress.try_send(Progress::Text(content.clone()));
        }
        let model_name = self.setup.models.list().into_iter().next().map_or_else(String::new, |m| m.name);
        let (usage, finish) = (Usage::default(), FinishReason::Stop);
        let reply = Reply { content, model_name, usage, finish, context: None, joined: false };
        // Before it is handed over: whoever has the reply finds it in the numbers.
        bus.emit(if answer.is_closed() {
            Event::ReplyFailed { channel, session, error: Detail::new("the caller went away") }
        } else {
            Event::ReplySent { channel, session, duration: self.inbound.received.elapsed() }
        });
        let _ = answer.send(Ok(reply));
    }
}

/// What the commands are for, in the order in which they are told.
fn purpose(command: Command) -> (&'static str, &'static str) {
    match command {
        Command::Start => ("", "say hello"),
        Command::Help => ("", "show this list"),
        Command::Stop => ("", "stop what I am doing for you"),
        Command::Clear => ("", "begin the conversation anew"),
        Command::Status => ("", "tell how things are"),
        Command::Context => ("", "tell how long the conversation is"),
        Command::Model => (" [name | default]", "show or choose the model of this conversation"),
        Command::Switch => (" model to <name>", "the same in other words"),
        Command::Show => (" model | channel | agents", "show what is in use"),
        Command::List => (" models | channels | agents | skills | tools", "list what there is"),
        Command::Check => (" channel <name>", "tell whether a channel is there"),
        Command::Use => (" <skill> <message>", "have a skill used"),
        Command::Btw => (" <question>", "ask something beside the conversation"),
        Command::Subagents => ("", "list the sub-agents of this conversation"),
        Command::Reload => ("", "read the configuration again"),
    }
}

fn help() -> String {
    let mut text = "What you can tell me beside talking to me:".to_owned();
    for command in Command::ALL {
        let (arguments, purpose) = purpose(*command);
        let _ = write!(text, "\n/{command}{arguments} - {purpose}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_begin_with_a_slash_and_a_known_word() {
        let of = |text| Order::of(text).map(|order| (order.command, order.arguments));
        assert_eq!(of("/help"), Some((Command::Help, "")));
        assert_eq!(of("  /Model@some_bot   gpt \n"), Some((Command::Model, "gpt")));
        assert_eq!(of("/show\nmodel"), Some((Command::Show, "model")));
        for text in ["", "/", "help", "/etc/passwd", "/helping", "say /help", "// help"] {
            assert_eq!(of(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_for_the_model_reaches_it() {
        let mut messages = [Message::new(Role::User, "/btw what time is it?")];
        assert!(matches!(read(&mut messages), Meant::Aside));
        assert_eq!(messages[0].content, "what time is it?");
        let mut messages = [Message::new(Role::User, "/use weather  Will it rain?")];
        assert!(matches!(read(&mut messages), Meant::Turn));
        assert!(
            messages[0].content.contains("\"weather\"") && messages[0].content.ends_with("Will it rain?")
        );
        for text in ["/btw", "/use weather", "/clear"] {
            let mut messages = [Message::new(Role::User, text)];
            assert!(matches!(read(&mut messages), Meant::Command(..)), "{text}");
        }
        let mut messages = [Message::new(Role::Assistant, "/clear")];
        assert!(matches!(read(&mut messages), Meant::Turn));
    }

    #[test]
    fn choices_are_bounded() {
        let desk = Desk::default();
        for n in 0..MAX_CHOICES {
            assert!(desk.choose(&n.to_string(), Some("m")));
        }
        assert!(!desk.choose("one more", Some("m")));
        assert!(desk.choose("1", None) && desk.choose("one more", Some("x")));
        assert_eq!((desk.chosen("one more").as_deref(), desk.chosen("1")), (Some("x"), None));
    }
}
