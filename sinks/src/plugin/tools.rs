//! Plugins whose tools the agent uses: the extension `picoclaw.tool/1`, with the isolation of every plugin.

use std::sync::Arc;
use std::time::Duration;

use picoclaw_telemetry::SinkStats;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::hello::Tool;
use super::keep;
use super::options::Options;
use super::request::Request;
use crate::mask::Masker;

/// How long the gateway waits at its start for a plugin to say which tools it has.
const START_TIME: Duration = Duration::from_secs(10);

/// A plugin with tools, at work. It stops when this is dropped; calls come one at a time.
#[derive(Debug)]
pub struct ToolPlugin {
    requests: mpsc::Sender<Request>,
    tools: Vec<Tool>,
}

impl ToolPlugin {
    /// Starts a plugin and learns which tools it offers; must be called within a tokio runtime.
    ///
    /// # Errors
    /// When an option is wrong, or the plugin does not start. It is stopped then.
    pub async fn start(name: &str, options: &Options, masker: Arc<Masker>) -> Result<Self, String> {
        options.check().map_err(|(key, message)| format!("{key}: {message}"))?;
        let (requests, keeper) = keep(name, options, masker, |name| Arc::new(SinkStats::new(name)));
        tokio::spawn(keeper().run());
        let (reply, answer) = oneshot::channel();
        let ready = async {
            requests.send(Request::Ready(reply)).await.ok()?;
            answer.await.ok()
        };
        match timeout(START_TIME, ready).await {
            Ok(Some(Ok(ready))) => Ok(Self { requests, tools: ready.tools }),
            Ok(Some(Err(trouble))) => Err(trouble.message),
            Ok(None) => Err("it was stopped".to_owned()),
            Err(_) => Err(format!("it was not ready within {} s", START_TIME.as_secs())),
        }
    }

    /// The tools that it offers.
    pub fn tools(&self) -> &[Tool] {
        &self.tools
    }

    /// Calls a tool with arguments, a JSON object. Dropping the future leaves the call to itself.
    ///
    /// # Errors
    /// A text for the model: what the tool says went wrong, or how its plugin ended.
    pub async fn call(&self, name: &str, arguments: &str) -> Result<String, String> {
        let (reply, answer) = oneshot::channel();
        let request = Request::Call { name: name.to_owned(), arguments: arguments.to_owned(), reply };
        let stopped = || "the plugin of this tool was stopped".to_owned();
        self.requests.send(request).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?.map_err(|trouble| trouble.message)
    }
}
