//! What the commands answer.

use picoclaw_telemetry::Label;
use picoclaw_telemetry::words::Command;

use super::super::assistant::Agent;
use super::super::setup::Setup;
use super::super::transcript::Transcript;
use super::{Order, help};
use crate::quote::quote;
use crate::sessions::{Forgotten, SessionId};

/// A command, by whom it was given, and where.
pub(super) struct Asked<'a> {
    pub(super) agent: &'a Agent,
    pub(super) setup: &'a Setup,
    pub(super) channel: &'a str,
    pub(super) session: &'a SessionId,
    pub(super) order: Order<'a>,
}

impl Asked<'_> {
    /// Carries it out.
    pub(super) async fn answer(&self) -> String {
        let arguments = self.order.arguments;
        match self.order.command {
            Command::Start => {
                "Hello! I am PicoClaw. Write to me, or send /help for what else I can do.".into()
            }
            Command::Help => help(),
            Command::Stop => self.stop(),
            Command::Clear => self.clear().await,
            Command::Status => self.status().await,
            Command::Context => self.context().await,
            Command::Model if arguments.is_empty() => self.model(),
            Command::Model => self.choose(arguments),
            Command::Switch => match arguments.strip_prefix("model to ").map(str::trim) {
                Some(name) => self.choose(name),
                None => usage(Command::Switch),
            },
            Command::Show => self.show(),
            Command::List => self.list().await,
            Command::Check => self.check(),
            Command::Use => match self.order.skill() {
                Some((skill, _)) => format!("There is no skill {}. {}", quote(skill), self.skills().await),
                None => usage(Command::Use),
            },
            Command::Btw => usage(Command::Btw),
            Command::Subagents => match self.agent.0.roster.status(self.session.key(), None) {
                none if none.is_empty() => "No sub-agent works for this conversation.".to_owned(),
                tasks => tasks.join("\n"),
            },
            Command::Reload => match self.agent.0.desk.reloader() {
                Some(reload) => reload.reload_for_person().await,
                None => "There is no gateway to reload: I run in your terminal.".to_owned(),
            },
        }
    }

    fn stop(&self) -> String {
        let key = self.session.key();
        match self.agent.0.gates.stop(key) + self.agent.0.roster.stop(key) {
            0 => "Nothing to stop: I am not working on anything for you.".to_owned(),
            1 => "Stopped.".to_owned(),
            stopped => format!("Stopped, and {} more that waited or worked for you.", stopped - 1),
        }
    }

    async fn clear(&self) -> String {
        let store = &self.setup.store;
        let cleared = async {
            let history = store.history(self.session).await?;
            let messages = history.omitted + history.messages.len() as u64;
            if messages == 0 && history.summary.is_empty() {
                return Ok(true);
            }
            store
                .forget(self.session, Forgotten { since: history.skip, messages, summary: String::new() })
                .await
        };
        match cleared.await {
            Ok(true) => "Cleared: we begin anew. What was said stays in the session's file.".to_owned(),
            Ok(false) => "Somebody else has just shortened this conversation: send /clear again.".to_owned(),
            Err(error) => format!("The conversation could not be cleared: {error}"),
        }
    }

    async fn status(&self) -> String {
        let busy = if self.agent.0.gates.is_busy(self.session.key()) { "yes" } else { "no" };
        let turns = self.agent.0.turns.len().saturating_sub(1);
        format!(
            "PicoClaw {}\n{}\nChannel: {}\nWorking for you: {busy}\nTurns in flight: {turns}\n{}",
            env!("CARGO_PKG_VERSION"),
            self.model(),
            self.channel,
            self.context().await,
        )
    }

    async fn context(&self) -> String {
        let history = match self.setup.store.history(self.session).await {
            Ok(history) => history,
            Err(error) => return format!("The conversation could not be read: {error}"),
        };
        let summed_up = if history.summary.is_empty() { "" } else { ", and a summary of what came before" };
        let messages = history.messages.len();
        let prompt = self.setup.prompt.message().await;
        let bytes = Transcript::new(Some(prompt), history, Vec::new()).bytes() + self.setup.tools.bytes();
        let context = &self.setup.limits.context;
        let candidates = self.setup.models.candidates(self.chosen().as_deref()).unwrap_or_default();
        let tokens = candidates.first().map_or(0, |first| self.setup.correction(first).tokens(bytes));
        format!(
            "Context: about {tokens} of {} tokens ({} %), {messages} messages{summed_up}; it is summed up beyond {} \
             messages or {} tokens",
            context.window,
            tokens.saturating_mul(100) / context.window.max(1),
            context.summarize_messages,
            context.summarize_tokens(),
        )
    }

    /// The model of this conversation, unless it is the default one.
    fn chosen(&self) -> Option<String> {
        let chosen = self.agent.0.desk.chosen(self.session.key())?;
        self.setup.models.is_known(&chosen).then_some(chosen)
    }

    fn model(&self) -> String {
        match self.chosen() {
            Some(chosen) => format!("Model: {chosen} (chosen for this conversation)"),
            None => format!("Model: {}", self.models().first().map_or("none", String::as_str)),
        }
    }

    fn choose(&self, name: &str) -> String {
        let wanted = (name != "default").then_some(name);
        if wanted.is_some_and(|name| !self.setup.models.is_known(name)) {
            return format!("There is no model {}. There are: {}", quote(name), self.models().join(", "));
        }
        if !self.agent.0.desk.choose(self.session.key(), wanted) {
            return "Too many conversations have a model of their own; set the default in the configuration."
                .into();
        }
        format!("{}, until the gateway is started again.", self.model())
    }

    fn models(&self) -> Vec<String> {
        self.setup.models.list().into_iter().map(|model| model.name).collect()
    }

    /// Those that are always there, and those that run now: a reload may have changed them.
    fn channels(&self) -> Vec<String> {
        let inner = &self.agent.0;
        let others = inner.courier.get().map(|courier| courier.destinations()).unwrap_or_default();
        inner.channels.iter().map(|(name, _)| (*name).to_owned()).chain(others).collect()
    }

    fn agents(&self) -> String {
        let agents = self.agent.0.agents.load();
        let ids = agents.ids();
        let here = if ids.len() > 1 { format!("; {} answers here", self.setup.id) } else { String::new() };
        format!("{}{here}", listed("Agents", ids))
    }

    fn show(&self) -> String {
        match self.order.arguments {
            "model" => self.model(),
            "channel" => format!("Channel: {}", self.channel),
            "agents" => self.agents(),
            _ => usage(Command::Show),
        }
    }

    async fn list(&self) -> String {
        match self.order.arguments {
            "models" => listed("Models", self.models()),
            "channels" => listed("Channels", self.channels()),
            "agents" => self.agents(),
            "tools" => {
                let labels = self.setup.tools.labels().chain(self.setup.crew.labels());
                listed("Tools", labels.map(Label::as_str))
            }
            "skills" => self.skills().await,
            _ => usage(Command::List),
        }
    }

    async fn skills(&self) -> String {
        let skills = self.setup.prompt.skills().await;
        listed("Skills", skills.iter().map(|skill| skill.name.as_str()))
    }

    fn check(&self) -> String {
        match self.order.arguments.strip_prefix("channel ").map(str::trim) {
            Some(name) if self.channels().iter().any(|channel| channel == name) => {
                format!("The channel {name} is there.")
            }
            Some(name) => {
                format!("There is no channel {}. {}", quote(name), listed("Channels", self.channels()))
            }
            None => usage(Command::Check),
        }
    }
}

fn listed<T: AsRef<str>>(what: &str, names: impl IntoIterator<Item = T>) -> String {
    let names: Vec<T> = names.into_iter().collect();
    let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    if names.is_empty() { format!("{what}: none") } else { format!("{what}: {}", names.join(", ")) }
}

fn usage(command: Command) -> String {
    format!("Send /{command}{}", super::purpose(command).0)
}
