//! Where the agent's tools come from beside the built-in ones, and what outlives a reload.

use std::sync::Arc;

use super::plugin_tools::PluginTools;
use crate::tools::{BackgroundCommands, Tool};

/// What the toolbox is filled with beside the built-in tools. Cheap to clone.
#[derive(Clone, Default)]
pub struct Supply {
    /// The tools of plugins.
    pub plugins: PluginTools,
    /// Commands that run in the background.
    pub background: BackgroundCommands,
}

impl Supply {
    /// All tools that are not built in.
    pub fn tools(&self) -> Vec<Arc<dyn Tool>> {
        self.plugins.iter().cloned().collect()
    }
}
