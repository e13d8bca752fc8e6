//! PicoClaw: an AI-assistant gateway that can be monitored, truthfully.
//!
//! This is what messages run through. The crates that it stands on are known here by the names of their folders; chat
//! networks, jobs, hooks, and what puts everything together, are crates that stand on this one. MCP servers stand beside
//! it: to an agent what they offer are tools like any other.

pub use picoclaw_chat as chat;
pub use picoclaw_config as config;
pub use picoclaw_tools as tools;
pub use picoclaw_tools::skills;

pub mod agent;
pub mod diagnostics;
pub mod health;
pub mod hex;
pub mod http;
pub mod ids;
pub mod media;
pub mod pidfile;
pub mod providers;
pub mod quote;
pub mod service;
pub mod sessions;
