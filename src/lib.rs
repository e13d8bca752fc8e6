//! PicoClaw: an AI-assistant gateway that can be monitored, truthfully.
pub mod agent;
pub mod channels;
pub mod chat;
pub mod cli;
pub mod config;
pub mod diagnostics;
pub mod gateway;
pub mod health;
mod hex;
pub mod http;
pub mod integrations;
pub mod jobs;
pub mod pidfile;
pub mod providers;
pub mod quote;
pub mod service;
pub mod sessions;
pub mod tools;
