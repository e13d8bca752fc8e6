//! Looks after one server: connects, notices the end, and connects again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::protocol::model::Tool as McpTool;
use crate::protocol::{CallError, Peer, RoleClient};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::connection::Connection;
use super::servers::Observer;
use super::spec::ServerSpec;

/// How long a server may take until its tools are known. The first start of one from a package registry is a download.
pub(super) const READY_WITHIN: Duration = Duration::from_secs(120);
/// How long a server may take to answer whether it is there.
const PONG_WITHIN: Duration = Duration::from_secs(10);
/// How often it is asked.
const PING_EVERY: Duration = Duration::from_secs(30);
/// The first pause before another try, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(60));
/// Who was connected for so long starts again with the first pause.
const STEADY: Duration = Duration::from_secs(60);
/// Most tools of a server.
const MAX_TOOLS: usize = 256;

/// A server, as its tools see it.
pub(super) struct Server {
    pub(super) spec: ServerSpec,
    state: Mutex<State>,
    /// Somebody found the server not answering: it is asked at once.
    pub(super) suspicion: Notify,
}

#[derive(Default)]
struct State {
    peer: Option<Peer<RoleClient>>,
    trouble: String,
    tools: Arc<[McpTool]>,
}

impl Server {
    pub(super) fn new(spec: ServerSpec) -> Self {
        let state = State { trouble: "it is starting".to_owned(), ..State::default() };
        Self { spec, state: Mutex::new(state), suspicion: Notify::new() }
    }

    /// The way to it.
    ///
    /// # Errors
    /// Why there is none now.
    pub(super) fn peer(&self) -> Result<Peer<RoleClient>, String> {
        let state = self.state();
        state.peer.clone().ok_or_else(|| state.trouble.clone())
    }

    /// The tools that it offered last: they stay known while it is away, so that a model does not lose them.
    pub(super) fn tools(&self) -> Arc<[McpTool]> {
        Arc::clone(&self.state().tools)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks after a server until it is told to stop. The server has ended when this completes.
pub(super) async fn keep(server: Arc<Server>, observer: Arc<dyn Observer>, stop: CancellationToken) {
    let name = server.spec.name.as_str();
    let mut attempt = 1;
    let mut failures = 0;
    let mut pause = PAUSES.0;
    loop {
        observer.starting(name, attempt);
        let began = Instant::now();
        let (lived, trouble) = live(&server, observer.as_ref(), &stop, began).await;
        if stop.is_cancelled() {
            break;
        }
        if lived > Duration::ZERO {
            failures = 0;
        }
        if lived > STEADY {
            pause = PAUSES.0;
        }
        failures += 1;
        attempt += 1;
        {
            let mut state = server.state();
            state.peer = None;
            state.trouble.clone_from(&trouble);
        }
        observer.failed(name, failures, &trouble);
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => break,
        }
        pause = (pause * 2).min(PAUSES.1);
    }
    server.state().peer = None;
    observer.stopped(name);
}

/// One connection from beginning to end: how long it was there, and what ended it.
async fn live(
    server: &Server,
    observer: &dyn Observer,
    stop: &CancellationToken,
    began: Instant,
) -> (Duration, String) {
    let changed = Arc::new(Notify::new());
    let opened = async {
        let connection = Connection::open(&server.spec.name, &server.spec.way, &changed).await?;
        let tools = list(&server.spec, connection.session.peer()).await;
        Ok::<_, String>((connection, tools))
    };
    let opened = tokio::select! {
        opened = tokio::time::timeout(READY_WITHIN, opened) => opened,
        () = stop.cancelled() => return (Duration::ZERO, "it was stopped".to_owned()),
    };
    let (connection, tools) = match opened {
        Ok(Ok(opened)) => opened,
        Ok(Err(trouble)) => return (Duration::ZERO, trouble),
        Err(_) => return (Duration::ZERO, format!("it was not ready within {} s", READY_WITHIN.as_secs())),
    };
    let Connection { session, program } = connection;
    let peer = session.peer().clone();
    let trouble = match tools {
        Ok(tools) => {
            {
                let mut state = server.state();
                state.peer = Some(peer.clone());
                state.tools = tools;
            }
            observer.connected(&server.spec.name, server.tools().len(), began.elapsed());
            let connected = Instant::now();
            let cancel = session.cancellation_token();
            let mut end = crate::protocol::ended(session);
            let trouble = loop {
                tokio::select! {
                    () = &mut end => break "it went away".to_owned(),
                    () = stop.cancelled() => break "it was stopped".to_owned(),
                    () = changed.notified() => match list(&server.spec, &peer).await {
                        Ok(tools) => {
                            let count = tools.len();
                            server.state().tools = tools;
                            observer.tools_changed(&server.spec.name, count);
                        }
                        Err(trouble) => break trouble,
                    },
                    () = server.suspicion.notified() => if let Err(trouble) = ping(server, &peer).await { break trouble },
                    () = tokio::time::sleep(PING_EVERY) => if let Err(trouble) = ping(server, &peer).await { break trouble },
                }
            };
            cancel.cancel();
            Ok((connected.elapsed(), trouble))
        }
        Err(trouble) => Err(trouble),
    };
    server.state().peer = None;
    if let Some(program) = program {
        program.end().await;
    }
    trouble.unwrap_or_else(|trouble| (Duration::ZERO, trouble))
}

/// The tools that a server offers.
pub(super) async fn list(spec: &ServerSpec, peer: &Peer<RoleClient>) -> Result<Arc<[McpTool]>, String> {
    // A server without tools is one that offers something else.
    let offers = peer.peer_info().is_none_or(|info| info.capabilities.tools.is_some());
    if !offers {
        return Ok(Arc::default());
    }
    let listed = tokio::time::timeout(READY_WITHIN, crate::protocol::tools(peer)).await;
    let mut tools = listed
        .map_err(|_| "it does not say which tools it has".to_owned())?
        .map_err(|error| format!("it does not say which tools it has: {}", spec.way.explain(&error)))?;
    tools.truncate(MAX_TOOLS);
    Ok(tools.into())
}

async fn ping(server: &Server, peer: &Peer<RoleClient>) -> Result<(), String> {
    match tokio::time::timeout(PONG_WITHIN, crate::protocol::ping(peer)).await {
        // Also who does not know the question is there.
        Ok(Ok(()) | Err(CallError::McpError(_) | CallError::UnexpectedResponse)) => Ok(()),
        Ok(Err(error)) => Err(server.spec.way.explain(&error)),
        Err(_) => Err(format!("it did not answer for {} s", PONG_WITHIN.as_secs())),
    }
}
