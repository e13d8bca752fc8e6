//! Where the agent's tools come from beside the built-in ones, and what outlives a reload.

use std::sync::Arc;

use super::plugin_tools::PluginTools;
use picoclaw::chat::courier::Courier;
use picoclaw::config::{Config, McpServerConfig, McpTransport, Paths, SecretString};
use picoclaw::sessions::Stores;
use picoclaw::tools::{BackgroundCommands, Tool, command_environment};
use picoclaw_mcp::{Artifacts, ServerSpec, Servers, Way};

/// What the toolbox is filled with beside the built-in tools. Cheap to clone.
#[derive(Clone, Default)]
pub struct Supply {
    /// The tools of plugins.
    pub plugins: PluginTools,
    /// The tool for scheduled jobs.
    pub cron: Option<Arc<dyn Tool>>,
    /// Commands that run in the background.
    pub background: BackgroundCommands,
    /// Who takes messages to chats.
    pub courier: Option<Arc<dyn Courier>>,
    /// MCP servers, whose tools come and go.
    pub mcp: Option<Servers>,
    /// Where the conversations of the agents are.
    pub stores: Stores,
}

impl Supply {
    /// All tools that are not built in, as they are now.
    pub fn tools(&self, config: &Config, paths: &Paths) -> Vec<Arc<dyn Tool>> {
        let defers = |server: &str| config.tools.mcp.defers(server);
        let artifacts = Artifacts::new(&paths.workspace);
        let mcp = self.mcp.iter().flat_map(|servers| servers.tools(&artifacts, defers));
        self.plugins.iter().chain(&self.cron).cloned().chain(mcp).collect()
    }
}

/// The MCP servers of a configuration.
pub(super) fn mcp_servers(config: &Config, paths: &Paths) -> Vec<ServerSpec> {
    let mcp = &config.tools.mcp;
    mcp.used().filter_map(|(name, server)| mcp_server(config, paths, name, server)).collect()
}

/// How one of them is reached; `None` when what that needs is missing.
pub fn mcp_server(
    config: &Config,
    paths: &Paths,
    name: &str,
    server: &McpServerConfig,
) -> Option<ServerSpec> {
    let way = match server.transport()? {
        McpTransport::Stdio => Way::Program {
            command: server.command.clone(),
            arguments: server.args.clone(),
            environment: command_environment(&[]).into_iter().chain(exposed(&server.env)).collect(),
            environment_file: (!server.env_file.is_empty()).then(|| paths.workspace.join(&server.env_file)),
            directory: paths.workspace.clone(),
        },
        _ => Way::Http { url: server.url.clone(), headers: exposed(&server.headers).collect() },
    };
    let max_inline_chars = config.tools.mcp.max_inline_text_chars as usize;
    Some(ServerSpec { name: name.to_owned(), way, max_inline_chars })
}

fn exposed(
    secrets: &std::collections::BTreeMap<String, SecretString>,
) -> impl Iterator<Item = (String, String)> + '_ {
    secrets.iter().map(|(name, secret)| (name.clone(), secret.expose().to_owned()))
}
