//! A POST over plain HTTP/1.1, one connection each.

use std::fmt;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// The longest status line that is read.
const STATUS_LINE: u64 = 1024;

/// Where to post.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url {
    host: String,
    port: u16,
    path: String,
}

impl Url {
    /// Reads `http://host[:port][/path]`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("url: invalid value \"{text}\": expected http://host:port/path");
        let rest = text.strip_prefix("http://").ok_or_else(wrong)?;
        if rest.contains(|c: char| c.is_control() || c == ' ') {
            return Err(wrong());
        }
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().map_err(|_| wrong())?),
            _ => (authority, 80),
        };
        if host.is_empty() || host.contains('@') {
            return Err(wrong());
        }
        Ok(Self { host: host.to_owned(), port, path: path.to_owned() })
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}:{}", self.host, self.port)
    }
}

/// Posts a JSON body; anything but a status of success is an error.
pub(crate) fn post(url: &Url, body: &str, timeout: Duration) -> Result<(), String> {
    let say = |error: std::io::Error| error.to_string();
    let host = url.host.trim_matches(['[', ']']);
    let address = (host, url.port).to_socket_addrs().map_err(say)?.next().ok_or("no such host")?;
    let mut stream = TcpStream::connect_timeout(&address, timeout).map_err(say)?;
    stream.set_read_timeout(Some(timeout)).map_err(say)?;
    stream.set_write_timeout(Some(timeout)).map_err(say)?;
    let request = format!(
        "POST {} HTTP/1.1\r\nHost: {}:{}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        url.path,
        url.host,
        url.port,
        body.len()
    );
    stream.write_all(request.as_bytes()).map_err(say)?;
    let mut line = String::new();
    BufReader::new(stream.take(STATUS_LINE)).read_line(&mut line).map_err(say)?;
    match line.split(' ').nth(1) {
        Some(status) if status.starts_with('2') => Ok(()),
        Some(status) => Err(format!("it answered {}", status.trim())),
        None => Err("it did not answer".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read() {
        let url = |host: &str, port, path: &str| Url { host: host.to_owned(), port, path: path.to_owned() };
        assert_eq!(Url::parse("http://a/b?c"), Ok(url("a", 80, "/b?c")));
        assert_eq!(Url::parse("http://a:8080"), Ok(url("a", 8080, "/")));
        assert_eq!(Url::parse("http://[::1]:1/x"), Ok(url("[::1]", 1, "/x")));
        for wrong in ["https://a", "a", "http://", "http://a:x", "http://u@a", "http://a/ b", "http://a\r\n"]
        {
            assert!(Url::parse(wrong).is_err(), "{wrong}");
        }
    }
}
