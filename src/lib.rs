//! PicoClaw: an AI-assistant gateway that can be monitored, truthfully.
/// The configuration, which is a crate of its own.
pub use picoclaw_config as config;

pub mod agent;
pub mod channels;
pub mod chat;
pub mod diagnostics;
pub mod gateway;
mod group;
pub mod health;
mod hex;
pub mod hooks;
pub mod http;
mod http_client;
pub mod image_type;
pub mod jobs;
pub mod mcp;
pub mod media;
pub mod pidfile;
pub mod providers;
pub mod quote;
pub mod service;
pub mod sessions;
mod signals;
pub mod skills;
pub mod tools;
