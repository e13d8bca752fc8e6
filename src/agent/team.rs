//! The agents, and which of them is for whom.

use std::sync::Arc;

use picoclaw_telemetry::Bus;
use picoclaw_telemetry::event::Declaration;

use super::dispatch::Dispatch;
use super::hooks::Hooks;
use super::inbound::Conversation;
use super::models::ModelTable;
use super::setup::{Member, Setup};
use crate::sessions::SessionId;

/// The agents of a configuration, before they work.
pub struct Team {
    /// The models that they share.
    pub models: ModelTable,
    /// The agents, at least one.
    pub members: Vec<Member>,
    /// Which of them is for whom.
    pub dispatch: Dispatch,
    /// Who may watch and change turns.
    pub hooks: Option<Arc<dyn Hooks>>,
}

impl Team {
    /// Goes to work, in the place of those `before`.
    pub(super) fn begin(mut self, bus: &Bus, before: Option<&Agents>) -> Agents {
        if let Some(before) = before {
            self.models.inherit(bus, &before.models);
        }
        let models = Arc::new(self.models);
        let setup = |member| Arc::new(Setup::new(bus, member, &models, self.hooks.clone()));
        let all: Vec<Arc<Setup>> = self.members.into_iter().map(setup).collect();
        Agents { models, all, dispatch: self.dispatch }
    }
}

/// The agents at work.
pub(super) struct Agents {
    pub(super) models: Arc<ModelTable>,
    all: Vec<Arc<Setup>>,
    dispatch: Dispatch,
}

impl Agents {
    /// The agent that answers when no rule says otherwise.
    pub(super) fn default(&self) -> &Arc<Setup> {
        &self.all[self.dispatch.default.min(self.all.len() - 1)]
    }

    /// The agent of this id.
    pub(super) fn get(&self, id: &str) -> Option<&Arc<Setup>> {
        self.all.iter().find(|setup| *setup.id == *id)
    }

    /// Their ids, in the order of the configuration.
    pub(super) fn ids(&self) -> Vec<&str> {
        self.all.iter().map(|setup| &*setup.id).collect()
    }

    /// Who is for a message, and the session that it belongs to, if it is remembered.
    pub(super) fn route(
        &self,
        channel: &str,
        conversation: &Conversation,
    ) -> (&Arc<Setup>, Option<SessionId>) {
        let rule = self.dispatch.rule(channel, conversation);
        let setup = rule.and_then(|rule| self.all.get(rule.agent)).unwrap_or_else(|| self.default());
        (setup, self.dispatch.session(rule, &setup.id, channel, conversation))
    }

    /// What there is, for declaring its series.
    pub(super) fn declarations(&self) -> Vec<Declaration> {
        let providers = self.models.all().flat_map(|candidate| {
            let (provider, model) = (candidate.provider_label, candidate.model_label);
            let priced = candidate.price.map(|_| Declaration::Priced(provider, model));
            [Declaration::Provider(provider), Declaration::Model(provider, model)].into_iter().chain(priced)
        });
        providers.chain(self.all.iter().flat_map(|setup| setup.declarations())).collect()
    }
}
