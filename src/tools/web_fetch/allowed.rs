//! Hosts that may be fetched although their addresses are not public.

use std::net::IpAddr;
use std::sync::Arc;

use super::address::is_public;

/// Names, addresses and networks that an operator allows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedHosts(Arc<[Entry]>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Entry {
    /// This name, whatever it resolves to.
    Name(String),
    /// The addresses whose first bits are these.
    Network { base: IpAddr, prefix: u32 },
}

/// An entry that is neither a name nor an address nor a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no host; give a name such as wiki.local, an address, or a network such as 10.0.0.0/8")]
pub struct InvalidHost(pub String);

impl AllowedHosts {
    /// The hosts of a configuration.
    ///
    /// # Errors
    /// The first entry that is neither a name nor an address nor a network.
    pub fn parse<'a>(entries: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidHost> {
        let parse = |entry: &'a str| parse(entry.trim()).ok_or_else(|| InvalidHost(entry.to_owned()));
        Ok(Self(entries.into_iter().map(parse).collect::<Result<_, _>>()?))
    }

    /// Whether an address may be connected to for this host.
    pub(crate) fn allows(&self, host: &str, ip: IpAddr) -> bool {
        is_public(ip) || self.0.iter().any(|entry| entry.contains(host, ip))
    }

    /// Whether an operator has named this host, or a network with this address.
    pub(crate) fn lists(&self, host: &str) -> bool {
        let ip: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
        self.0.iter().any(|entry| match (entry, ip) {
            (entry, Some(ip)) => entry.contains(host, ip),
            (Entry::Name(name), None) => host.trim_end_matches('.').eq_ignore_ascii_case(name),
            (Entry::Network { .. }, None) => false,
        })
    }
}

impl Entry {
    fn contains(&self, host: &str, ip: IpAddr) -> bool {
        match self {
            Self::Name(name) => host.trim_end_matches('.').eq_ignore_ascii_case(name),
            Self::Network { base, prefix } => match (base, ip.to_canonical()) {
                (IpAddr::V4(base), IpAddr::V4(ip)) => {
                    same(base.to_bits().into(), ip.to_bits().into(), 32 - prefix)
                }
                (IpAddr::V6(base), IpAddr::V6(ip)) => same(base.to_bits(), ip.to_bits(), 128 - prefix),
                _ => false,
            },
        }
    }
}

/// Whether two addresses are equal but for their last bits.
fn same(a: u128, b: u128, last: u32) -> bool {
    last >= 128 || a >> last == b >> last
}

fn parse(entry: &str) -> Option<Entry> {
    let (address, prefix) = match entry.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix.parse::<u32>().ok()?)),
        None => (entry, None),
    };
    if let Ok(base) = address.parse::<IpAddr>() {
        let width = if base.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.unwrap_or(width);
        return (prefix <= width).then_some(Entry::Network { base, prefix });
    }
    let name = entry.trim_end_matches('.');
    let valid = !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
    valid.then(|| Entry::Name(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(entries: &[&str], host: &str, ip: &str) -> bool {
        AllowedHosts::parse(entries.iter().copied()).unwrap().allows(host, ip.parse().unwrap())
    }

    #[test]
    fn names_addresses_and_networks_are_allowed() {
        assert!(allowed(&["Wiki.local"], "wiki.LOCAL", "10.0.0.1"));
        assert!(!allowed(&["wiki.local"], "evil.wiki.local", "10.0.0.1"));
        assert!(allowed(&["127.0.0.1"], "127.0.0.1", "127.0.0.1"));
        assert!(!allowed(&["127.0.0.1"], "127.0.0.2", "127.0.0.2"));
        assert!(allowed(&["10.0.0.0/8"], "x", "10.255.0.1"));
        assert!(!allowed(&["10.0.0.0/8"], "x", "11.0.0.1") || is_public("11.0.0.1".parse().unwrap()));
        assert!(!allowed(&["10.0.0.0/16"], "x", "10.1.0.1"));
        assert!(allowed(&["10.0.0.0/8"], "x", "::ffff:10.0.0.1"));
        assert!(allowed(&["fd00::/8"], "x", "fd12::1") && !allowed(&["fd00::/8"], "x", "fe80::1"));
        assert!(allowed(&["::/0"], "x", "fe80::1") && allowed(&["0.0.0.0/0"], "x", "127.0.0.1"));
        assert!(allowed(&[], "x", "8.8.8.8") && !allowed(&[], "x", "127.0.0.1"));
    }

    #[test]
    fn nonsense_is_named() {
        for entry in ["", "10.0.0.0/33", "a/b", "http://x", "10.0.0.0/x"] {
            assert_eq!(AllowedHosts::parse([entry]), Err(InvalidHost(entry.to_owned())));
        }
    }
}
