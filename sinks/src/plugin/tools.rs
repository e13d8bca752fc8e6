//! Plugins whose tools the agent uses: the extension `picoclaw.tool/1`, with the isolation of every plugin.

use std::sync::Arc;
use std::time::Duration;

use picoclaw_telemetry::SinkStats;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::hello::Tool;
use super::keep;
use super::keeper::Keeper;
use super::options::Options;
use super::request::Request;
use crate::mask::Masker;

/// How long the gateway waits at its start for a plugin to say which tools it has.
const START_TIME: Duration = Duration::from_secs(10);

/// The longest arguments of a call: a frame that is too long would cost the plugin its life.
const LONGEST_ARGUMENTS: usize = 1024 * 1024;

/// How long a plugin may take to stop.
const STOP_TIME: Duration = Duration::from_secs(2);

/// A plugin with tools, at work. It stops when this is dropped; calls come one at a time.
#[derive(Debug)]
pub struct ToolPlugin {
    stats: Arc<SinkStats>,
    requests: mpsc::Sender<Request>,
    tools: Vec<Tool>,
    options: Options,
    /// What tells its files from other versions of them.
    version: Option<String>,
}

impl ToolPlugin {
    /// Starts a plugin and learns which tools it offers; must be called within a tokio runtime. Its name is that of
    /// `stats`, which say from now on whether it is up.
    ///
    /// # Errors
    /// When an option is wrong, or the plugin does not start. It is stopped then.
    pub async fn start(
        options: &Options,
        masker: Arc<Masker>,
        stats: Arc<SinkStats>,
    ) -> Result<Self, String> {
        options.check().map_err(|(key, message)| format!("{key}: {message}"))?;
        // Before it is loaded: a file that is replaced meanwhile is taken as a change later.
        let version = options.version();
        let kept = Arc::clone(&stats);
        let (requests, keeper) = keep(&stats.name, options, masker, move |_| kept);
        tokio::spawn(Keeper { judges: true, ..keeper() }.run());
        let (reply, answer) = oneshot::channel();
        let ready = async {
            requests.send(Request::Ready(reply)).await.ok()?;
            answer.await.ok()
        };
        match timeout(START_TIME, ready).await {
            Ok(Some(Ok(ready))) => {
                Ok(Self { stats, requests, tools: ready.tools, options: options.clone(), version })
            }
            Ok(Some(Err(trouble))) => Err(trouble.message),
            Ok(None) => Err("it was stopped".to_owned()),
            Err(_) => Err(format!("it was not ready within {} s", START_TIME.as_secs())),
        }
    }

    /// The name under which it is configured.
    pub fn name(&self) -> &str {
        &self.stats.name
    }

    /// How it is.
    pub fn stats(&self) -> &Arc<SinkStats> {
        &self.stats
    }

    /// Whether it is what a configuration asks for, from the files that are there now.
    pub fn is(&self, name: &str, options: &Options) -> bool {
        self.name() == name && self.options == *options && self.version == options.version()
    }

    /// Lets the plugin flush, and ends it, when it has answered what it was asked before.
    pub async fn stop(&self) {
        let (reply, stopped) = oneshot::channel();
        if self.requests.send(Request::Stop { within: STOP_TIME, reply }).await.is_ok() {
            // It is over in any case.
            let _ = stopped.await;
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
        if arguments.len() > LONGEST_ARGUMENTS {
            return Err(format!(
                "the arguments have {} bytes, at most {LONGEST_ARGUMENTS} are allowed",
                arguments.len()
            ));
        }
        let (reply, answer) = oneshot::channel();
        let request = Request::Call { name: name.to_owned(), arguments: arguments.to_owned(), reply };
        let stopped = || "the plugin of this tool was stopped".to_owned();
        self.requests.send(request).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?.map_err(|trouble| trouble.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::frame::{Frame, LONGEST};

    #[tokio::test]
    async fn a_call_always_fits_into_a_frame() {
        let (requests, mut asked) = mpsc::channel(1);
        let options: Options = serde_json::from_value(serde_json::json!({ "path": "/x.so" })).unwrap();
        let plugin = ToolPlugin {
            stats: Arc::new(SinkStats::new("p")),
            requests,
            tools: Vec::new(),
            options,
            version: None,
        };
        let refused = plugin.call("t", &"x".repeat(LONGEST_ARGUMENTS + 1)).await.unwrap_err();
        assert!(refused.contains("1048577 bytes"), "{refused}");
        assert!(asked.try_recv().is_err(), "nobody was asked");
        let longest = "x".repeat(LONGEST_ARGUMENTS);
        let mut bytes = Vec::new();
        Frame::Call { id: 1, name: &longest, arguments: &longest }.push(&mut bytes);
        assert!(bytes.len() < LONGEST);
    }
}
