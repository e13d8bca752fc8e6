//! The tools of plugins.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::join_all;
use picoclaw_sinks::mask::Masker;
use picoclaw_sinks::plugin;
use picoclaw_sinks::plugin::tools::ToolPlugin;
use picoclaw_telemetry::SinkStats;
use serde_json::Value;

use picoclaw::chat::ToolSpec;
use picoclaw::config::Config;
use picoclaw::tools::{Tool, ToolOutput};

/// The longest name of a tool that models of all providers take.
const LONGEST_NAME: usize = 64;

/// The plugins with tools that are at work. Cheap to clone; one stops when the last of its tools is dropped.
#[derive(Clone, Default)]
pub struct PluginTools {
    plugins: Vec<Arc<ToolPlugin>>,
    /// Of all that are configured, also of those that did not start.
    stats: Vec<Arc<SinkStats>>,
    tools: Vec<Arc<dyn Tool>>,
}

/// Starts the configured plugins, but for those of `before` that did not change: they go on. One that does not start is
/// left out, and the log says why: the gateway works without it.
pub async fn start(config: &Config, masker: &Arc<Masker>, before: &PluginTools) -> PluginTools {
    let starting = config.tools.plugins.iter().map(|(name, options)| async move {
        if let Some(running) = before.plugins.iter().find(|plugin| plugin.is(name, options)) {
            return (Arc::clone(running.stats()), Some(Arc::clone(running)));
        }
        let stats = Arc::new(SinkStats::new(name));
        match ToolPlugin::start(options, Arc::clone(masker), Arc::clone(&stats)).await {
            Ok(plugin) => (stats, Some(Arc::new(plugin))),
            Err(error) => {
                tracing::error!(plugin = name, error, "Plugin does not start; its tools are left out.");
                stats.mark_down();
                (stats, None)
            }
        }
    });
    let (stats, plugins): (Vec<_>, Vec<_>) = join_all(starting).await.into_iter().unzip();
    let plugins: Vec<Arc<ToolPlugin>> = plugins.into_iter().flatten().collect();
    let tools = plugins.iter().flat_map(tools).collect();
    PluginTools { plugins, stats, tools }
}

/// Says which plugin of a configuration cannot be taken over while this process runs.
///
/// # Errors
/// When there is one.
pub(super) fn replaceable(config: &Config) -> Result<(), String> {
    for (name, options) in &config.tools.plugins {
        if let Some(message) = options.outdated() {
            return Err(format!("tools.plugins.{name}.path: {message}"));
        }
    }
    Ok(())
}

impl PluginTools {
    /// Their tools.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<dyn Tool>> {
        self.tools.iter()
    }

    /// How they are, also those that did not start.
    pub fn stats(&self) -> &[Arc<SinkStats>] {
        &self.stats
    }

    /// Ends the plugins in good order: each may flush what it has.
    pub async fn stop(&self) {
        join_all(self.plugins.iter().map(|plugin| plugin.stop())).await;
    }
}

fn tools(host: &Arc<ToolPlugin>) -> Vec<Arc<dyn Tool>> {
    let plugin = host.name();
    let mut tools: Vec<Arc<dyn Tool>> = Vec::new();
    for tool in host.tools() {
        match spec(tool) {
            Some(spec) => tools.push(Arc::new(PluginTool { spec, host: Arc::clone(host) })),
            None => tracing::warn!(
                plugin,
                tool = tool.name,
                "A tool has a name or a schema that models do not take, and is left out."
            ),
        }
    }
    if tools.is_empty() {
        tracing::warn!(plugin, "Plugin offers no tools.");
    }
    tools
}

fn spec(tool: &plugin::Tool) -> Option<ToolSpec> {
    let sound = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let name = (1..=LONGEST_NAME).contains(&tool.name.len()) && tool.name.chars().all(sound);
    (name && tool.parameters["type"] == "object").then(|| ToolSpec {
        name: tool.name.clone(),
        description: tool.description.clone(),
        parameters: tool.parameters.clone(),
    })
}

/// One tool of a plugin.
struct PluginTool {
    spec: ToolSpec,
    host: Arc<ToolPlugin>,
}

#[async_trait]
impl Tool for PluginTool {
    fn spec(&self) -> ToolSpec {
        self.spec.clone()
    }

    async fn call(&self, arguments: Value) -> ToolOutput {
        match self.host.call(&self.spec.name, &arguments.to_string()).await {
            Ok(text) => ToolOutput::success(text),
            Err(error) => ToolOutput::error(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_models_take_becomes_a_tool() {
        let tool = |name: &str, parameters: Value| plugin::Tool {
            name: name.to_owned(),
            description: String::new(),
            parameters,
        };
        assert!(spec(&tool("read-it_2", json!({ "type": "object" }))).is_some());
        for name in ["", "a b", "ü", &"x".repeat(65)] {
            assert!(spec(&tool(name, json!({ "type": "object" }))).is_none(), "{name}");
        }
        assert!(spec(&tool("a", json!({ "type": "string" }))).is_none());
        assert!(spec(&tool("a", Value::Null)).is_none());
    }
}
