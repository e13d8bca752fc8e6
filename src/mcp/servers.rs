//! The servers of a configuration.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::artifacts::Artifacts;
use super::keeper::{Server, keep};
use super::spec::ServerSpec;
use super::tool::ServerTool;
use picoclaw_tools::Tool;

/// Who wants to know what happens to servers. Called from their tasks: it must not block.
pub trait Observer: Send + Sync {
    /// A server is started, or connected to, for the n-th time since it is configured.
    fn starting(&self, server: &str, attempt: u32);
    /// A server is ready, with so many tools.
    fn connected(&self, server: &str, tools: usize, elapsed: Duration);
    /// A server offers other tools than before.
    fn tools_changed(&self, server: &str, tools: usize);
    /// A server could not be connected to, or ended; the n-th time since it was last connected.
    fn failed(&self, server: &str, failures: u32, error: &str);
    /// A server was stopped because somebody wanted that.
    fn stopped(&self, server: &str);
}

/// The servers of a configuration. Cheap to clone; they stop with the last clone.
#[derive(Clone)]
pub struct Servers(Arc<Inner>);

struct Inner {
    observer: Arc<dyn Observer>,
    running: Mutex<BTreeMap<String, Running>>,
}

struct Running {
    server: Arc<Server>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Servers {
    /// No servers yet.
    pub fn new(observer: Arc<dyn Observer>) -> Self {
        Self(Arc::new(Inner { observer, running: Mutex::default() }))
    }

    /// Runs these servers from now on: starts the new ones, stops those that are gone or different, and leaves the
    /// others alone. Waits for nothing; must be called within a runtime.
    pub fn configure(&self, specs: Vec<ServerSpec>) {
        let mut running = self.running();
        let mut before = std::mem::take(&mut *running);
        for spec in specs {
            let one = match before.remove(&spec.name) {
                Some(same) if same.server.spec == spec => same,
                other => self.start(spec, other),
            };
            running.insert(one.server.spec.name.clone(), one);
        }
    }

    /// Starts a server, after its predecessor of the same name has ended: what is said of the two must not mix.
    fn start(&self, spec: ServerSpec, predecessor: Option<Running>) -> Running {
        let server = Arc::new(Server::new(spec));
        let stop = CancellationToken::new();
        let (kept, observer, stopped) = (Arc::clone(&server), Arc::clone(&self.0.observer), stop.clone());
        let task = tokio::spawn(async move {
            if let Some(mut predecessor) = predecessor {
                predecessor.stop.cancel();
                // A panic has ended it too.
                let _ = (&mut predecessor.task).await;
            }
            keep(kept, observer, stopped).await;
        });
        Running { server, stop, task }
    }

    fn running(&self) -> MutexGuard<'_, BTreeMap<String, Running>> {
        self.0.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The tools that are known at this moment; those of the servers that `defers` names are only shown when they are
    /// searched for. What they return beside text goes to `artifacts`.
    pub fn tools(&self, artifacts: &Artifacts, defers: impl Fn(&str) -> bool) -> Vec<Arc<dyn Tool>> {
        let tools_of = |running: &Running| {
            let server = Arc::clone(&running.server);
            let tools = server.tools();
            let deferred = defers(&server.spec.name);
            let make = |tool| ServerTool::new(Arc::clone(&server), tool, artifacts.clone(), deferred);
            tools.iter().map(|tool| Arc::new(make(tool)) as Arc<dyn Tool>).collect::<Vec<_>>()
        };
        self.running().values().flat_map(tools_of).collect()
    }

    /// Stops all of them and waits for that, up to `patience`.
    pub async fn close(&self, patience: Duration) {
        let mut running: Vec<Running> = std::mem::take(&mut *self.running()).into_values().collect();
        running.iter().for_each(|running| running.stop.cancel());
        let ended = join_all(running.iter_mut().map(|running| &mut running.task));
        // Who does not end in time is killed with the runtime.
        let _ = tokio::time::timeout(patience, ended).await;
    }
}

impl fmt::Debug for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.running().keys()).finish()
    }
}
