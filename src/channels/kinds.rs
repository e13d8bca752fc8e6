//! The types of channels.

use std::sync::Arc;

use super::channel::Channel;
use super::discord::DiscordChannel;
use super::irc::IrcChannel;
use super::matrix::MatrixChannel;
use super::pico::PicoChannel;
use super::pico_client::PicoClientChannel;
use super::posting::{Network, PostingChannel};
use super::settings::SettingError;
use super::slack::SlackChannel;
use super::telegram::TelegramChannel;
use super::webhook::WebhookChannel;
use picoclaw::config::ChannelConfig;
use picoclaw::http::Observer;
use picoclaw::media::Inbox;
use picoclaw::providers::HttpClients;

/// What channels are built with.
#[derive(Clone)]
pub struct Surroundings {
    /// Where files that people send are kept.
    pub inbox: Inbox,
    /// Clients for the servers of the networks.
    pub clients: HttpClients,
    /// Told of connections that are turned away.
    pub observer: Arc<dyn Observer>,
}

/// The channel that is configured under a name; `None` when its type is not supported.
///
/// # Errors
/// When a setting cannot be used.
pub fn build(
    name: &str,
    config: &ChannelConfig,
    around: &Surroundings,
) -> Result<Option<Arc<dyn Channel>>, SettingError> {
    Ok(Some(match config.kind(name) {
        "pico" => Arc::new(PicoChannel::new(config, around.inbox.clone(), Arc::clone(&around.observer))?),
        "discord" => Arc::new(DiscordChannel::new(config, around)?),
        "irc" => Arc::new(IrcChannel::new(config, around)?),
        "matrix" => Arc::new(MatrixChannel::new(name, config, around)?),
        "pico_client" => Arc::new(PicoClientChannel::new(config, around)?),
        "slack" => Arc::new(SlackChannel::new(config, around)?),
        "slack_webhook" => Arc::new(PostingChannel::new(Network::Slack, config, around)?),
        "teams_webhook" => Arc::new(PostingChannel::new(Network::Teams, config, around)?),
        "telegram" => Arc::new(TelegramChannel::new(name, config, around)?),
        "webhook" => Arc::new(WebhookChannel::new(name, config, around)?),
        _ => return Ok(None),
    }))
}

#[cfg(test)]
mod tests {
    use picoclaw_telemetry::words::HttpRejection;

    use super::*;
    use picoclaw::config::CHANNEL_TYPES;

    struct Deaf;

    impl Observer for Deaf {
        fn rejected(&self, _: HttpRejection) {}
        fn connections(&self, _: usize) {}
    }

    #[test]
    fn every_type_of_the_configuration_is_known_here_and_no_other() {
        let around =
            Surroundings { inbox: Inbox::new("."), clients: HttpClients::new(), observer: Arc::new(Deaf) };
        let known = |kind: &str| !matches!(build(kind, &ChannelConfig::default(), &around), Ok(None));
        assert!(CHANNEL_TYPES.iter().all(|kind| known(kind)));
        assert!(!known("carrier_pigeon"));
    }
}
