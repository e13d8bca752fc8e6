//! Messages to the service manager.

use std::fmt;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram as StdDatagram};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::net::UnixDatagram;

use crate::config::Environment;

/// How long the service manager may be too busy to take a message.
const PATIENCE: Duration = Duration::from_secs(1);

/// Something that the service manager is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State<'a> {
    /// The gateway accepts messages.
    Ready,
    /// It is about to take over another configuration.
    Reloading,
    /// It stops.
    Stopping,
    /// How it is, one line for people.
    Status(&'a str),
    /// It is not stuck.
    Watchdog,
}

impl fmt::Display for State<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready => f.write_str("READY=1"),
            // The time tells this reload from an earlier one that was asked for by the same signal.
            Self::Reloading => write!(f, "RELOADING=1\nMONOTONIC_USEC={}", monotonic_usec()),
            Self::Stopping => f.write_str("STOPPING=1"),
            Self::Status(text) => write!(f, "STATUS={}", text.replace('\n', " ")),
            Self::Watchdog => f.write_str("WATCHDOG=1"),
        }
    }
}

/// The way to the service manager, if there is one.
#[derive(Debug, Default)]
pub struct Notifier {
    address: Option<SocketAddr>,
    stage: AtomicU8,
    failing: AtomicBool,
}

const STARTING: u8 = 0;
const READY: u8 = 1;
const STOPPING: u8 = 2;

impl Notifier {
    /// Speaks to the socket that `NOTIFY_SOCKET` names: a path, or with `@` in front an abstract name. Any other address
    /// is warned about and not used.
    pub fn from_environment(environment: &Environment) -> Self {
        let address = environment.get("NOTIFY_SOCKET").and_then(|name| match address(name) {
            Ok(address) => Some(address),
            Err(error) => {
                tracing::warn!(socket = name, %error, "NOTIFY_SOCKET cannot be used; the service manager is told nothing.");
                None
            }
        });
        Self { address, ..Self::default() }
    }

    /// Whether anybody listens.
    pub fn is_enabled(&self) -> bool {
        self.address.is_some()
    }

    /// The gateway accepts messages: told once.
    pub async fn ready(&self) {
        if self.stage.compare_exchange(STARTING, READY, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            self.tell(&[State::Ready]).await;
        }
    }

    /// A reload begins. Before the gateway is ready the service manager waits for that.
    pub async fn reload_began(&self) {
        if self.stage.load(Ordering::Acquire) == READY {
            self.tell(&[State::Reloading]).await;
        }
    }

    /// A reload ended, whether or not it took the new configuration.
    pub async fn reload_ended(&self) {
        if self.stage.load(Ordering::Acquire) == READY {
            self.tell(&[State::Ready]).await;
        }
    }

    /// The gateway stops: from now on it is neither ready nor reloading.
    pub async fn stopping(&self) {
        if self.stage.swap(STOPPING, Ordering::AcqRel) != STOPPING {
            self.tell(&[State::Stopping]).await;
        }
    }

    /// Sends a message. A failure is logged once until a message gets through again; the gateway works without.
    pub async fn tell(&self, states: &[State<'_>]) {
        let Some(address) = &self.address else { return };
        let message: String = states.iter().map(|state| format!("{state}\n")).collect();
        match tokio::time::timeout(PATIENCE, send(address, message.as_bytes())).await {
            Ok(Ok(())) => self.failing.store(false, Ordering::Relaxed),
            outcome => {
                if !self.failing.swap(true, Ordering::Relaxed) {
                    let error = match outcome {
                        Ok(Err(error)) => error.to_string(),
                        _ => "it takes no messages".to_owned(),
                    };
                    tracing::warn!(%error, "The service manager cannot be told how the gateway is.");
                }
            }
        }
    }
}

fn address(name: &str) -> io::Result<SocketAddr> {
    match name.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name),
        None if name.starts_with('/') => SocketAddr::from_pathname(name),
        None => Err(io::Error::new(io::ErrorKind::Unsupported, "expected a path or @ and an abstract name")),
    }
}

/// A socket for each message, because the service manager's may be a new one after it was updated.
async fn send(address: &SocketAddr, message: &[u8]) -> io::Result<()> {
    let socket = StdDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.connect_addr(address)?;
    UnixDatagram::from_std(socket)?.send(message).await.map(drop)
}

fn monotonic_usec() -> i64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec * 1_000_000 + now.tv_nsec / 1000
}
