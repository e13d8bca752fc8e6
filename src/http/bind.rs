//! From `gateway.host` and `gateway.port` to listening sockets.

use std::collections::BTreeSet;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, lookup_host};

/// Connections that the kernel keeps for us until they are accepted.
const BACKLOG: i32 = 1024;
/// How often another port is tried when the one that the kernel chose for the first address is taken at
/// the second.
const PORT_ATTEMPTS: usize = 16;

/// Listening sockets.
#[derive(Debug)]
pub struct Bound {
    /// One per address.
    pub listeners: Vec<TcpListener>,
    /// Where they listen; the port is the real one, also when 0 was asked for.
    pub addresses: Vec<SocketAddr>,
}

impl Bound {
    /// The port that all listeners share.
    pub fn port(&self) -> u16 {
        self.addresses.first().map_or(0, SocketAddr::port)
    }

    /// Whether only programs on this machine can connect.
    pub fn is_local(&self) -> bool {
        self.addresses.iter().all(|address| address.ip().to_canonical().is_loopback())
    }
}

/// Why the gateway cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another program listens there.
    #[error(
        "cannot listen on {0}: the address is in use, probably by another gateway (`picoclaw status` shows it) or \
         another program (`ss -ltnp 'sport = :{port}'` names it); stop it or set another gateway.port (for probes: \
         gateway.health_check.port)",
        port = .0.port()
    )]
    InUse(SocketAddr),
    /// The system does not let this user.
    #[error(
        "cannot listen on {0}: permission denied; ports below 1024 need privileges, set another gateway.port"
    )]
    Denied(SocketAddr),
    /// The address is not one of this machine.
    #[error("cannot listen on {0}: this machine does not have the address; correct gateway.host")]
    NotHere(SocketAddr),
    /// The name has no address.
    #[error("cannot resolve gateway.host \"{host}\"; give an address, a name that resolves, or `localhost`")]
    Unresolved {
        /// The name.
        host: String,
        /// What the resolver said.
        #[source]
        source: Option<io::Error>,
    },
    /// Anything else.
    #[error("cannot listen on {address}")]
    Other {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// One address to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Wish {
    ip: IpAddr,
    /// Whether it is left out where the machine does not have it.
    optional: bool,
    /// Whether an IPv6 socket takes IPv4 too.
    dual: bool,
}

impl Wish {
    fn must(ip: IpAddr) -> Self {
        Self { ip, optional: false, dual: false }
    }
}

/// Listens on every address that `host` means: `localhost` (both loopback addresses), `*` (all addresses),
/// a literal with or without brackets, a name, or several of them with commas between. Port 0 lets the kernel
/// choose one port for all.
pub async fn bind(host: &str, port: u16) -> Result<Bound, BindError> {
    let wishes = wishes(host).await?;
    let mut attempts = if port == 0 && wishes.len() > 1 { PORT_ATTEMPTS } else { 1 };
    loop {
        attempts -= 1;
        match bind_all(&wishes, port) {
            Err(BindError::InUse(_)) if attempts > 0 => {}
            result => return result,
        }
    }
}

fn bind_all(wishes: &[Wish], port: u16) -> Result<Bound, BindError> {
    let mut bound = Bound { listeners: Vec::new(), addresses: Vec::new() };
    let mut missing = None;
    for wish in wishes {
        let address = SocketAddr::new(wish.ip, if port == 0 { bound.port() } else { port });
        match listen(address, wish.dual) {
            Ok(listener) => {
                bound.addresses.push(listener.local_addr().map_err(|source| explain(address, source))?);
                bound.listeners.push(listener);
            }
            Err(error) if wish.optional && is_unavailable(&error) => missing = Some(explain(address, error)),
            Err(error) => return Err(explain(address, error)),
        }
    }
    match missing {
        Some(error) if bound.listeners.is_empty() => Err(error),
        _ => Ok(bound),
    }
}

async fn wishes(hosts: &str) -> Result<Vec<Wish>, BindError> {
    let mut wishes = BTreeSet::new();
    for host in hosts.split(',').map(str::trim).filter(|host| !host.is_empty()) {
        let literal = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        if host.eq_ignore_ascii_case("localhost") {
            wishes.insert(Wish::must(Ipv4Addr::LOCALHOST.into()));
            wishes.insert(Wish { optional: true, ..Wish::must(Ipv6Addr::LOCALHOST.into()) });
        } else if host == "*" {
            wishes.insert(Wish { optional: true, ..Wish::must(Ipv4Addr::UNSPECIFIED.into()) });
            wishes.insert(Wish { optional: true, ..Wish::must(Ipv6Addr::UNSPECIFIED.into()) });
        } else if let Ok(ip) = literal.parse() {
            // `::` alone means IPv4 too, as it does in other programs.
            wishes.insert(Wish { dual: ip == IpAddr::V6(Ipv6Addr::UNSPECIFIED), ..Wish::must(ip) });
        } else {
            let unresolved = |source| BindError::Unresolved { host: host.to_owned(), source };
            let found = lookup_host((host, 0)).await.map_err(|error| unresolved(Some(error)))?;
            let found: Vec<_> = found.map(|address| Wish::must(address.ip())).collect();
            if found.is_empty() {
                return Err(unresolved(None));
            }
            wishes.extend(found);
        }
    }
    if wishes.is_empty() {
        return Err(BindError::Unresolved { host: hosts.to_owned(), source: None });
    }
    let mut distinct: Vec<Wish> = Vec::new();
    for wish in wishes {
        match distinct.iter_mut().find(|other| other.ip == wish.ip) {
            Some(other) => other.optional &= wish.optional,
            None => distinct.push(wish),
        }
    }
    if distinct.iter().any(|wish| wish.ip == IpAddr::V4(Ipv4Addr::UNSPECIFIED)) {
        distinct.iter_mut().for_each(|wish| wish.dual = false);
    }
    Ok(distinct)
}

fn listen(address: SocketAddr, dual: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(!dual)?;
    }
    // A gateway that is started again at once must not fail on its own old connections.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

fn is_unavailable(error: &io::Error) -> bool {
    // The second one: the system was built or booted without IPv6.
    error.kind() == ErrorKind::AddrNotAvailable
        || error.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error())
}

fn explain(address: SocketAddr, source: io::Error) -> BindError {
    match source.kind() {
        ErrorKind::AddrInUse => BindError::InUse(address),
        ErrorKind::PermissionDenied => BindError::Denied(address),
        ErrorKind::AddrNotAvailable => BindError::NotHere(address),
        _ => BindError::Other { address, source },
    }
}

#[cfg(test)]
mod tests;
