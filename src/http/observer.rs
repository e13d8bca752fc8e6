//! What the server tells about itself.

use std::net::SocketAddr;

use picoclaw_telemetry::words::HttpRejection;

/// Learns what the HTTP server turns away and how many connections it holds.
///
/// Called on the hot path: implementations neither block nor wait.
pub trait Observer: Send + Sync {
    /// A connection or a request was turned away.
    fn rejected(&self, why: HttpRejection);

    /// The number of open connections changed to `open`.
    fn connections(&self, open: usize);
}

/// Both ends of a connection; the server puts it into the extensions of every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnInfo {
    /// Who connected.
    pub peer: SocketAddr,
    /// The address that the gateway listens on. For a wildcard it is the wildcard, not the address that the
    /// peer happened to use: whether the gateway can be reached from elsewhere depends on this one.
    pub listener: SocketAddr,
}

impl ConnInfo {
    /// Whether nobody but programs on this machine can have sent the request.
    pub fn is_local(&self) -> bool {
        is_loopback(self.peer) && is_loopback(self.listener)
    }
}

fn is_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(peer: &str, listener: &str) -> ConnInfo {
        ConnInfo { peer: peer.parse().unwrap(), listener: listener.parse().unwrap() }
    }

    #[test]
    fn local_needs_both_ends_on_loopback() {
        assert!(info("127.0.0.1:5", "127.0.0.1:1").is_local());
        assert!(info("[::1]:5", "[::1]:1").is_local());
        assert!(info("[::ffff:127.0.0.1]:5", "127.0.0.1:1").is_local());
        assert!(!info("127.0.0.1:5", "0.0.0.0:1").is_local());
        assert!(!info("10.0.0.2:5", "10.0.0.1:1").is_local());
    }
}
