//! What the two sides say of themselves, as JSON.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::frame::PROTOCOL;

/// The gateway's first words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Hello {
    /// Which frames it speaks.
    pub(super) protocol: u32,
    /// The sink's name.
    pub(super) name: String,
    /// What the plugin is configured to do. Absent when it is only asked what it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) config: Option<Map<String, Value>>,
    /// The library to load; a program has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) path: Option<PathBuf>,
    /// What the library must be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sha256: Option<String>,
}

impl Hello {
    pub(super) fn new(name: &str) -> Self {
        Self { protocol: PROTOCOL, name: name.to_owned(), config: None, path: None, sha256: None }
    }
}

/// The answer. A program needs to say no more than `{"protocol": 1}`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ready {
    /// Which frames it speaks.
    pub protocol: u32,
    /// What the plugin calls itself.
    pub name: String,
    /// Its own version.
    pub version: String,
    /// Which ABI a library was built for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub abi: Option<String>,
    /// Whether it takes events.
    pub events: bool,
    /// The tools that it offers.
    pub tools: Vec<Tool>,
    /// How many signals it took over from the process.
    pub signals_taken: u32,
    /// Why it is of no use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A tool that a plugin offers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// What it does, and when to use it.
    pub description: String,
    /// A JSON schema of an object: its arguments.
    pub parameters: Value,
}

impl Ready {
    /// The answer of somebody who is of no use.
    pub(super) fn refuse(error: impl Into<String>) -> Self {
        Self { protocol: PROTOCOL, error: Some(error.into()), ..Self::default() }
    }
}
