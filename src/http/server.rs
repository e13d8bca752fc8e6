//! The accept loop.

use std::convert::Infallible;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;
use picoclaw_telemetry::words::HttpRejection;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use warp::{Filter, Reply};

use super::connection;
use super::observer::{ConnInfo, Observer};

/// What the server allows a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at the same time; more get a 503 and are closed.
    pub max_connections: usize,
    /// Longest head of a request in bytes; a longer one gets a 431.
    pub max_head_bytes: usize,
    /// How long a request's head may take from its first byte, and how long a new connection may send nothing.
    pub header_timeout: Duration,
    /// How long a connection is kept without a request.
    pub idle_timeout: Duration,
    /// How long a peer may take no byte of its answer.
    pub write_timeout: Duration,
    /// How long exchanges may go on once the server stops.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 1024,
            max_head_bytes: 32 << 10,
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            write_timeout: Duration::from_secs(60),
            drain: Duration::from_secs(10),
        }
    }
}

/// How a server ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Exchanges that were still going on at the deadline and were cut.
    pub cut: usize,
}

/// How one connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// By itself, or by the peer.
    Finished,
    /// In the middle of an exchange, at the drain deadline.
    Cut,
}

/// Connections over the limit that are told so at the same time; further ones are closed without a word.
const MAX_REFUSALS: usize = 64;
/// How long such a connection may take to read its refusal.
const REFUSAL_TIME: Duration = Duration::from_millis(500);
const REFUSAL: &str = concat!(
    "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 1\r\n",
    "connection: close\r\ncontent-length: 109\r\n\r\n",
    r#"{"error":{"message":"too many connections","type":"server_error","param":null,"code":"too_many_connections"}}"#,
);

/// Longest pause after a failed accept.
const MAX_ACCEPT_PAUSE: Duration = Duration::from_secs(1);
/// Connections that had reached the backlog when the server stopped and are still served, per listener.
const MAX_LAST_ACCEPTS: usize = 128;

/// Serves `routes` on all `listeners` until `stop`, then lets exchanges finish within `limits.drain`.
///
/// The listeners are closed as soon as `stop` is cancelled, so that new connections are refused while the
/// last answers are still being written. Returns when the last connection is gone.
pub async fn serve<F>(
    listeners: Vec<TcpListener>,
    routes: F,
    limits: Limits,
    observer: Arc<dyn Observer>,
    stop: CancellationToken,
) -> Drained
where
    F: Filter<Error = Infallible> + Clone + Send + Sync + 'static,
    F::Extract: Reply,
    F::Future: Send,
{
    let server = Arc::new(Server {
        limits: Arc::new(limits),
        observer,
        stop,
        tasks: TaskTracker::new(),
        open: Mutex::new(0),
        refusing: AtomicUsize::new(0),
        cut: AtomicUsize::new(0),
    });
    join_all(listeners.into_iter().map(|listener| Arc::clone(&server).accept(listener, routes.clone())))
        .await;
    server.tasks.close();
    // A connection looks at the deadline by itself; a handler that blocks its thread is not waited for.
    let _ = timeout(limits.drain + Duration::from_secs(1), server.tasks.wait()).await;
    Drained { cut: server.cut.load(SeqCst) }
}

struct Server {
    limits: Arc<Limits>,
    observer: Arc<dyn Observer>,
    stop: CancellationToken,
    tasks: TaskTracker,
    /// A lock, not an atomic: the observer must hear of the counts in their order.
    open: Mutex<usize>,
    refusing: AtomicUsize,
    cut: AtomicUsize,
}

impl Server {
    fn open(&self) -> MutexGuard<'_, usize> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn accept<F>(self: Arc<Self>, listener: TcpListener, routes: F)
    where
        F: Filter<Error = Infallible> + Clone + Send + Sync + 'static,
        F::Extract: Reply,
        F::Future: Send,
    {
        let Ok(address) = listener.local_addr() else {
            return;
        };
        let mut pause = Duration::ZERO;
        loop {
            let accepted = tokio::select! {
                biased;
                () = self.stop.cancelled() => break,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    if !pause.is_zero() {
                        tracing::info!(%address, "Connections are accepted again.");
                        pause = Duration::ZERO;
                    }
                    self.admit(stream, ConnInfo { peer, listener: address }, routes.clone());
                }
                // The peer gave up while it waited: nothing is wrong here.
                Err(error) if is_peers_fault(&error) => {}
                Err(error) => {
                    if pause.is_zero() {
                        tracing::warn!(%address, %error, "No connection can be accepted; trying again.");
                    }
                    pause = (pause * 2).clamp(Duration::from_millis(20), MAX_ACCEPT_PAUSE);
                    tokio::select! {
                        () = self.stop.cancelled() => break,
                        () = sleep(pause) => {}
                    }
                }
            }
        }
        for _ in 0..MAX_LAST_ACCEPTS {
            let Some(Ok((stream, peer))) = listener.accept().now_or_never() else {
                break;
            };
            self.admit(stream, ConnInfo { peer, listener: address }, routes.clone());
        }
    }

    /// Starts the connection's task, if there is a place for it.
    fn admit<F>(self: &Arc<Self>, stream: TcpStream, info: ConnInfo, routes: F)
    where
        F: Filter<Error = Infallible> + Clone + Send + Sync + 'static,
        F::Extract: Reply,
        F::Future: Send,
    {
        let Some(place) = Place::take(self) else {
            self.refuse(stream);
            return;
        };
        // Without it a streamed piece waits for the acknowledgement of the one before, up to 40 ms.
        let _ = stream.set_nodelay(true);
        self.tasks.spawn(async move {
            let server = &place.0;
            let run = connection::run(
                stream,
                info,
                routes,
                Arc::clone(&server.limits),
                Arc::clone(&server.observer),
                // A token of its own: the common one would be a lock that all connections share.
                server.stop.child_token(),
            );
            if run.await == End::Cut {
                server.cut.fetch_add(1, SeqCst);
            }
        });
    }

    fn refuse(self: &Arc<Self>, mut stream: TcpStream) {
        self.observer.rejected(HttpRejection::ConnectionLimit);
        if self.refusing.fetch_add(1, SeqCst) >= MAX_REFUSALS {
            self.refusing.fetch_sub(1, SeqCst);
            return;
        }
        let server = Arc::clone(self);
        self.tasks.spawn(async move {
            let _ = timeout(REFUSAL_TIME, async {
                stream.write_all(REFUSAL.as_bytes()).await?;
                stream.shutdown().await?;
                // Closing with unread bytes would reset the connection, and the peer would lose the refusal.
                let mut buffer = vec![0; 1024];
                while stream.read(&mut buffer).await? > 0 {}
                io::Result::Ok(())
            })
            .await;
            server.refusing.fetch_sub(1, SeqCst);
        });
    }
}

fn is_peers_fault(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// A place among the open connections, given back on drop, also by a panic.
struct Place(Arc<Server>);

impl Place {
    fn take(server: &Arc<Server>) -> Option<Self> {
        let mut open = server.open();
        if *open >= server.limits.max_connections {
            return None;
        }
        *open += 1;
        server.observer.connections(*open);
        drop(open);
        Some(Self(Arc::clone(server)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.0.open();
        *open -= 1;
        self.0.observer.connections(*open);
    }
}
