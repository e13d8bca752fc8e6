//! Channels: the ways by which messages reach the agent and answers come back. One is not here, because it is always there:
//! the API of OpenAI, [`picoclaw::http::channel`].
//!
//! A channel speaks its own protocol to the outside and [`Assistant`](picoclaw::agent::Assistant) to the inside.
//!
//! * [`pico`]: the WebSocket of the web page.
//! * [`telegram`]: bots, by long polling.
//! * [`discord`]: a bot, over the gateway of the network.
//! * [`slack`]: an app, by Socket Mode.
//! * [`webhook`]: any program, by signed requests.
//! * [`posting`]: the webhooks of Slack and of Microsoft Teams, outwards only.
//! * [`pico_client`]: the WebSocket of another server that speaks as the web page does.
//! * [`matrix`]: rooms and people of a homeserver.
//! * [`irc`]: rooms and people of an IRC network.
//! * [`manager`]: starts, reloads and stops the channels of `channel_list`; [`kinds`] knows which types there are.
//! * [`channel`]: what a channel is; [`link`]: what it has of the gateway.
//! * `life`: runs a channel, and again after a pause when it broke off. `outbound`: its queue to the network.
//! * [`last_chat`]: the chat in which a person last wrote.
//! * `dialogue`: one message of a network, from its arrival to the answer. `feedback`: which tools are called meanwhile.
//! * `manners`: who is answered, and how. `marker`: where an answer becomes several messages. `settings`, `allow`, `form`, `group`, `split`, `lenient`, `websocket`, `socket`, `wire`: what channels share.

mod allow;
pub mod channel;
mod dialogue;
pub mod discord;
mod feedback;
mod form;
mod group;
pub mod irc;
pub mod kinds;
pub mod last_chat;
mod lenient;
mod life;
pub mod link;
pub mod manager;
mod manners;
mod marker;
pub mod matrix;
mod outbound;
pub mod pico;
pub mod pico_client;
pub mod posting;
mod settings;
pub mod slack;
mod socket;
mod split;
pub mod telegram;
#[cfg(test)]
mod testing;
pub mod webhook;
mod websocket;
mod wire;

pub use kinds::Surroundings;
pub use last_chat::LastChat;
pub use manager::Channels;
pub use marker::MARKER;
pub use settings::SettingError;
