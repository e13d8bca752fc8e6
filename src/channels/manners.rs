//! How a channel behaves towards people, which every network's entry in `channel_list` says in the same way.

use std::sync::Arc;

use super::allow::Allowed;
use super::channel::Channel;
use super::dialogue::Dialogue;
use super::group::GroupTrigger;
use super::link::Link;
use super::settings::{self, SettingError};
use picoclaw::config::ChannelConfig;

/// Who is answered, when, and what stands in until then.
pub(super) struct Manners {
    /// Who may write.
    pub(super) allowed: Allowed,
    /// When a group is answered.
    pub(super) group: GroupTrigger,
    typing: bool,
    placeholder: Option<String>,
}

impl Manners {
    /// As configured.
    ///
    /// # Errors
    /// When a setting cannot be used.
    pub(super) fn new(config: &ChannelConfig) -> Result<Self, SettingError> {
        Ok(Self {
            allowed: Allowed::new(&config.allow_from),
            group: settings::group_trigger(config)?,
            typing: settings::typing(config)?,
            placeholder: settings::placeholder(config)?,
        })
    }

    /// Conversations over this channel.
    pub(super) fn dialogue(&self, channel: Arc<dyn Channel>, link: &Arc<Link>) -> Dialogue {
        Dialogue::new(channel, Arc::clone(link), self.typing, self.placeholder.clone())
    }
}
