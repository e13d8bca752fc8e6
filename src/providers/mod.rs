//! Models: who answers a conversation.
//!
//! * [`provider`]: what a provider is, what it is asked and what it answers.
//! * [`error`]: why an attempt failed, in the closed set of words.
//! * [`spec`]: what a provider needs to know of a configured model. [`catalog`]: from there to a provider, with the defaults of the known vendors.
//! * [`openai`]: every server that speaks the OpenAI protocol, near or far; [`anthropic`] and
//!   [`gemini`]: the other two protocols.
//! * `exchange`: what every protocol over HTTP has in common.
//! * [`echo`]: the built-in provider, which needs no network and does what the message tells it.
//! * [`clients`]: the HTTP clients that providers share; [`transport`]: an exchange over one of them.
//!
//! A provider makes exactly one attempt per call: retries, fallbacks and their telemetry are the caller's.
//! Dropping the future of an attempt cancels it.

pub mod anthropic;
pub mod catalog;
pub mod clients;
pub mod echo;
pub mod error;
mod exchange;
pub mod gemini;
mod images;
pub mod openai;
mod price;
pub mod provider;
mod schema;
pub mod spec;
pub mod transport;
mod vendors;

pub use catalog::{BuildError, build, wants_key};
pub use clients::HttpClients;
pub use error::ProviderError;
pub use price::Price;
pub use provider::{ChatRequest, Completion, Delta, Deltas, Discard, Provider};
pub use spec::{ModelSpec, Thinking};
