//! The options, completed by the environment.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::environment;
use super::tags;
use crate::config::OptionsError;

/// What fits into one Ethernet frame.
const UDP_DATAGRAM: usize = 1432;
/// What Datadog's clients send at most through a Unix socket.
const UNIX_DATAGRAM: usize = 8192;

/// What a line needs besides prefix, tags and origin: the longest name, three labels of ordinary length, a number.
const ROOM_FOR_A_LINE: usize = 200;
/// The kernel's limit.
const LONGEST_SOCKET_PATH: usize = 107;

/// Where the Agent is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Destination {
    /// `host:port`.
    Udp(String),
    /// The path of a Unix datagram socket.
    Unix(PathBuf),
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Options {
    /// `host:port` of the Agent.
    address: Option<String>,
    /// The Agent's Unix datagram socket, instead of `address`.
    socket: Option<PathBuf>,
    /// What every name begins with.
    prefix: String,
    /// Tags of every metric, `key:value`.
    tags: Vec<String>,
    flush_interval_seconds: f64,
    max_datagram_bytes: Option<usize>,
    /// Whether several observations may share a line (`name:1:2:3|d`), which Agents from 7.25 on understand.
    pack_values: bool,
    /// Whether starts, stops, health changes and refused reloads become Datadog events.
    events: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            address: None,
            socket: None,
            prefix: "picoclaw.".to_owned(),
            tags: Vec::new(),
            flush_interval_seconds: 10.0,
            max_datagram_bytes: None,
            pack_values: false,
            events: false,
        }
    }
}

/// The options with everything decided.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) destination: Destination,
    pub(super) prefix: String,
    /// Clean, each one once.
    pub(super) tags: Vec<String>,
    pub(super) interval: Duration,
    pub(super) max_datagram: usize,
    pub(super) pack_values: bool,
    pub(super) events: bool,
    /// The container that we run in, as `ci-…` or `in-…`.
    pub(super) origin: Option<String>,
}

impl Options {
    /// Options go before the environment, the environment before the defaults.
    pub(super) fn settings(
        self,
        index: usize,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Settings, OptionsError> {
        let wrong = |key: &'static str, what: &str| Err(OptionsError::new(index, key, what));
        if !(0.1..=3600.0).contains(&self.flush_interval_seconds) {
            return wrong("flush_interval_seconds", "expected a number of seconds between 0.1 and 3600");
        }
        let destination = match (self.socket, self.address) {
            (Some(_), Some(_)) => return wrong("socket", "expected either socket or address, not both"),
            (Some(socket), None) if socket.is_absolute() => Destination::Unix(socket),
            (Some(_), None) => return wrong("socket", "expected an absolute path"),
            (None, Some(address)) if is_address(&address) => Destination::Udp(address),
            (None, Some(_)) => {
                return wrong("address", "expected host:port, such as 127.0.0.1:8125 or [::1]:8125");
            }
            (None, None) => environment::destination(variable)
                .map_err(|message| OptionsError::new(index, "address", message))?,
        };
        if let Destination::Unix(path) = &destination
            && path.as_os_str().len() > LONGEST_SOCKET_PATH
        {
            return wrong("socket", "expected a path of at most 107 bytes, the most that a socket can have");
        }
        let usual = match destination {
            Destination::Udp(_) => UDP_DATAGRAM,
            Destination::Unix(_) => UNIX_DATAGRAM,
        };
        let max_datagram = self.max_datagram_bytes.unwrap_or(usual);
        if !(512..=65_507).contains(&max_datagram) {
            return wrong("max_datagram_bytes", "expected a number of bytes between 512 and 65507");
        }
        let configured = self.tags.into_iter().chain(environment::tags(variable));
        let mut prefix = tags::name(&self.prefix);
        if !prefix.is_empty() && !prefix.ends_with('.') {
            prefix.push('.');
        }
        let tags = tags::clean(configured);
        let origin = environment::origin(variable);
        let on_every_line = prefix.len() + tags.iter().map(|tag| tag.len() + 1).sum::<usize>();
        if on_every_line + origin.as_ref().map_or(0, String::len) + ROOM_FOR_A_LINE > max_datagram {
            return wrong("tags", "the prefix and the tags leave no room in a datagram; shorten them");
        }
        Ok(Settings {
            destination,
            prefix,
            tags,
            interval: Duration::from_secs_f64(self.flush_interval_seconds),
            max_datagram,
            pack_values: self.pack_values,
            events: self.events,
            origin,
        })
    }
}

/// Whether a text is `host:port`; an IPv6 address stands in brackets.
pub(super) fn is_address(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| {
        let bracketed = host.starts_with('[') && host.ends_with(']');
        !host.is_empty()
            && (bracketed || !host.contains([':', '/']))
            && port.parse::<u16>().is_ok_and(|p| p > 0)
    })
}
