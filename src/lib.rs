//! PicoClaw: an AI-assistant gateway that can be monitored, truthfully.
//!
//! What few messages need, and what everybody needs, are crates of their own. They are known by the names of their folders.
pub use picoclaw_chat as chat;
pub use picoclaw_config as config;
pub use picoclaw_mcp as mcp;
pub use picoclaw_tools as tools;
pub use picoclaw_tools::skills;

pub mod agent;
pub mod channels;
pub mod diagnostics;
pub mod gateway;
pub mod health;
mod hex;
pub mod hooks;
pub mod http;
pub mod jobs;
pub mod media;
pub mod pidfile;
pub mod providers;
pub mod quote;
pub mod service;
pub mod sessions;
