//! Channels: the ways by which messages reach the agent and answers come back.
//!
//! A channel speaks its own protocol to the outside and [`Assistant`](crate::agent::Assistant) to the inside.
//!
//! * [`http`]: the OpenAI-compatible channel.
//! * [`courier`]: how tools and jobs send messages to chats.

pub mod courier;
pub mod http;

pub use courier::{Attachment, Courier, DeliveryError, Outgoing, Receipt};
