//! UDP and Unix datagram sockets, connected.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use tokio::net::{UdpSocket, UnixDatagram, lookup_host};

use super::client::Target;
use super::options::Destination;

/// How long an Agent whose queue is full may take to make room.
const SLOW_AGENT: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) enum Socket {
    Udp { socket: UdpSocket, to: SocketAddr, same_machine: bool },
    Unix { socket: UnixDatagram, path: PathBuf },
}

impl Socket {
    /// Connects. Names are resolved anew each time, for an Agent in a container moves; of several addresses each
    /// `attempt` takes the next one, for `localhost` may be `::1` where the Agent listens on 127.0.0.1.
    pub(super) async fn connect(destination: &Destination, attempt: usize) -> io::Result<Self> {
        match destination {
            Destination::Udp(address) => {
                let found: Vec<SocketAddr> = lookup_host(address).await?.collect();
                let no_address = || io::Error::new(io::ErrorKind::NotFound, "the name has no address");
                let to = choose(&found, attempt).ok_or_else(no_address)?;
                let from: SocketAddr = match to {
                    SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
                    SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
                };
                let socket = UdpSocket::bind(from).await?;
                socket.connect(to).await?;
                let same_machine = socket.local_addr()?.ip() == to.ip();
                Ok(Self::Udp { socket, to, same_machine })
            }
            Destination::Unix(path) => {
                // Connecting never creates the path: that is the Agent's to do.
                let socket = UnixDatagram::unbound()?;
                socket.connect(path)?;
                Ok(Self::Unix { socket, path: path.clone() })
            }
        }
    }

    /// Whether a refusal is noted before the send returns, though not told by it.
    pub(super) fn refuses_at_once(&self) -> bool {
        matches!(self, Self::Udp { same_machine: true, .. })
    }

    /// Whether the receiver makes the sender wait when it cannot follow, instead of losing what it cannot take.
    pub(super) fn has_backpressure(&self) -> bool {
        matches!(self, Self::Unix { .. })
    }

    /// Sends one datagram.
    pub(super) async fn send(&self, datagram: &[u8]) -> io::Result<()> {
        match self {
            Self::Udp { socket, .. } => socket.send(datagram).await.map(drop),
            Self::Unix { socket, .. } => {
                let sent = tokio::time::timeout(SLOW_AGENT, socket.send(datagram)).await;
                sent.unwrap_or_else(|_| {
                    Err(io::Error::new(io::ErrorKind::TimedOut, "the Agent does not read its socket"))
                })
                .map(drop)
            }
        }
    }

    /// A refusal that came after a send, of that datagram or of one before.
    pub(super) fn refused(&self) -> io::Result<()> {
        let error = match self {
            Self::Udp { socket, .. } => socket.take_error()?,
            Self::Unix { socket, .. } => socket.take_error()?,
        };
        error.map_or(Ok(()), Err)
    }

    /// The same place, for the `dogstatsd` crate.
    pub(super) fn target(&self) -> Target {
        match self {
            Self::Udp { to, .. } => Target::Udp(*to),
            Self::Unix { path, .. } => Target::Unix(path.clone()),
        }
    }
}

fn choose(found: &[SocketAddr], attempt: usize) -> Option<SocketAddr> {
    found.get(attempt.checked_rem(found.len())?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_attempt_takes_the_next_address() {
        let (a, b) = (([127, 0, 0, 1], 1).into(), ([127, 0, 0, 2], 1).into());
        assert_eq!([0, 1, 2].map(|attempt| choose(&[a, b], attempt)), [Some(a), Some(b), Some(a)]);
        assert_eq!(choose(&[], 3), None);
    }
}
