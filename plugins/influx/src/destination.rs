//! Where lines go.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::net::{SocketAddr, ToSocketAddrs, UdpSocket};
use std::path::Path;

use picoclaw_plugin::Failure;

/// The largest datagram that fits into an Ethernet frame.
const DATAGRAM: usize = 1432;

/// A file or a socket, and the lines that wait for it.
pub(crate) struct Destination {
    to: To,
    lines: Vec<u8>,
}

enum To {
    File(File),
    Udp(UdpSocket),
}

impl Destination {
    /// A file, which grows.
    pub(crate) fn file(path: &Path) -> Result<Self, Failure> {
        let file = OpenOptions::new().append(true).create(true).open(path);
        let file = file.map_err(|error| Failure::Retry(format!("{}: {error}", path.display())))?;
        Ok(Self { to: To::File(file), lines: Vec::new() })
    }

    /// A receiver of datagrams.
    pub(crate) fn udp(address: &str) -> Result<Self, Failure> {
        let found =
            address.to_socket_addrs().map_err(|error| Failure::Retry(format!("{address}: {error}")))?;
        let found = found.into_iter().next();
        let receiver = found.ok_or_else(|| Failure::Retry(format!("{address}: no such address")))?;
        let own: SocketAddr = match receiver {
            SocketAddr::V4(_) => ([0, 0, 0, 0], 0).into(),
            SocketAddr::V6(_) => ([0_u16; 8], 0).into(),
        };
        let socket = UdpSocket::bind(own)?;
        socket.connect(receiver)?;
        Ok(Self { to: To::Udp(socket), lines: Vec::new() })
    }

    /// Adds a line; a datagram that is full is sent before.
    pub(crate) fn push(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), Failure> {
        let before = self.lines.len();
        write(&mut self.lines);
        if let To::Udp(socket) = &self.to
            && self.lines.len() > DATAGRAM
            && before > 0
        {
            send(socket, &self.lines[..before]);
            self.lines.drain(..before);
        }
        Ok(())
    }

    /// Sends what there is.
    pub(crate) fn send(&mut self) -> Result<(), Failure> {
        let lines = std::mem::take(&mut self.lines);
        match &mut self.to {
            To::File(file) => file.write_all(&lines)?,
            To::Udp(socket) if !lines.is_empty() => send(socket, &lines),
            To::Udp(_) => {}
        }
        // The memory is used again.
        self.lines = lines;
        self.lines.clear();
        Ok(())
    }

    /// Makes durable what was written.
    pub(crate) fn sync(&mut self) -> Result<(), Failure> {
        match &self.to {
            To::File(file) => Ok(file.sync_data()?),
            To::Udp(_) => Ok(()),
        }
    }
}

/// UDP promises nothing: a receiver that is away hears nothing, and a repetition would count twice.
fn send(socket: &UdpSocket, datagram: &[u8]) {
    let _ = socket.send(datagram);
}
