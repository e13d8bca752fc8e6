//! Channels: the ways by which messages reach the agent and answers come back.
//!
//! A channel speaks its own protocol to the outside and [`Assistant`](crate::agent::Assistant) to the inside.

pub mod http;
