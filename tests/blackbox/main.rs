//! Promises to operators, kept by the real binary: a module per promise.
//!
//! Every test starts a gateway of its own in a home of its own, on ports that the system chooses, and waits for
//! conditions, never for time.

#![allow(clippy::unwrap_used, clippy::print_stderr, clippy::needless_pass_by_value)] // A test that fails should say so at once.

mod support;

mod agent_cli;
mod agents;
mod broken_config;
mod catalogue;
mod chat;
mod commands;
mod context;
mod cooldown;
mod courier;
mod crash;
mod crew;
mod datadog;
mod discord;
mod exactness;
mod exec;
mod faults;
mod feedback;
mod hanging_disk;
mod health;
mod hooks;
mod hostile;
mod images;
mod irc;
mod jobs;
mod lifecycle;
mod logs;
mod marker;
mod matrix;
mod mcp;
mod media;
mod metrics;
mod native;
mod onboarding;
mod operator_cli;
mod pico;
mod pico_client;
mod plugins;
mod posting;
mod protocol;
mod reload;
mod scrape_auth;
mod service;
mod sessions;
mod skills;
mod slack;
mod startup;
mod steering;
mod telegram;
mod tool_search;
mod tree;
mod webhook;
mod workspace_files;
