//! Rare happenings as Datadog events, through the `dogstatsd` crate.
//!
//! Only this: for metrics the crate sends one datagram per value, and its batching loses the last batch at exit.
//! The crate is used unbatched and from a thread that may block. With an absent Unix socket it would bind the
//! Agent's path itself, and the Agent could not start; so it never learns that path, but the name of a handle of
//! ours on the socket, which exists as long as we hold it and which nobody can bind.

use std::fs::File;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use dogstatsd::{Client, Options};
use rustix::fs::{Mode, OFlags};

/// How a frame that stands for an event begins; no metric's name begins so.
const MARK: &[u8] = b"_e\0";

/// The longest title and text, in bytes: with its tags an event must fit into a datagram.
const LONGEST: (usize, usize) = (100, 800);

/// A frame that stands for an event.
pub(super) fn frame(title: &str, text: &str) -> Bytes {
    let title = clean(title, LONGEST.0).replace('\n', " ");
    // The protocol ends an event at a line break; the Agent turns the escape back.
    let text = clean(text.trim_end(), LONGEST.1).replace('\n', "\\n");
    Bytes::from([MARK, title.as_bytes(), b"\0", text.as_bytes()].concat())
}

fn clean(text: &str, longest: usize) -> String {
    let text = &text[..text.floor_char_boundary(longest)];
    text.chars().map(|c| if c == '|' || (c.is_control() && c != '\n') { ' ' } else { c }).collect()
}

/// Title and text of a frame that stands for an event.
pub(super) fn parse(frame: &[u8]) -> Option<(String, String)> {
    let rest = std::str::from_utf8(frame.strip_prefix(MARK)?).ok()?;
    let (title, text) = rest.split_once('\0')?;
    Some((title.to_owned(), text.to_owned()))
}

/// Where the crate sends to.
#[derive(Clone, Debug)]
pub(super) enum Target {
    Udp(SocketAddr),
    Unix(PathBuf),
}

/// Sends one event. Blocks.
pub(super) fn send(target: &Target, tags: &[String], title: &str, text: &str) -> Result<(), String> {
    // As default tags, so that the crate sees that `env`, `service` and `version` are among them.
    let tags = tags.to_vec();
    let (options, _handle) = match target {
        Target::Udp(to) => {
            let from = if to.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" };
            (Options::new(from, &to.to_string(), "", tags, None, None), None)
        }
        Target::Unix(path) => {
            let handle = handle(path)?;
            let name = format!("/proc/self/fd/{}", handle.as_raw_fd());
            (Options::new("", "", "", tags, Some(name), None), Some(handle))
        }
    };
    let client = Client::new(options).map_err(|error| error.to_string())?;
    client.event(title, text, [""; 0]).map_err(|error| error.to_string())
}

/// A handle on a socket that listens; connecting to it has just worked, or it would not be worth a handle: the crate
/// prints to stdout when it cannot connect.
fn handle(path: &Path) -> Result<File, String> {
    let explain = |error: std::io::Error| format!("{}: {error}", path.display());
    let probe = std::os::unix::net::UnixDatagram::unbound().map_err(explain)?;
    probe.connect(path).map_err(explain)?;
    let handle = rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
    handle.map(File::from).map_err(|error| explain(error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_breaks_out_of_an_event() {
        let frame = frame("a|b\nc", "x: 1|2\r\ny\0z\n");
        assert_eq!(parse(&frame), Some(("a b c".into(), "x: 1 2 \\ny z".into())));
        assert_eq!(parse(b"picoclaw.messages:1|c"), None);
    }

    #[test]
    fn an_absent_agents_path_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("dsd.socket");
        assert!(send(&Target::Unix(path.clone()), &[], "a", "b").is_err());
        assert!(!path.exists());
        let agent = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
        send(&Target::Unix(path.clone()), &["team:x".into()], "a", "b").unwrap();
        let mut bytes = [0; 128];
        let n = agent.recv(&mut bytes).unwrap();
        let heard = std::str::from_utf8(&bytes[..n]).unwrap();
        assert!(heard.starts_with("_e{1,1}:a|b|#team:x"), "{heard}");
        // The socket file of an Agent that has died is still there, and nobody listens.
        drop(agent);
        assert!(send(&Target::Unix(path), &[], "a", "b").is_err());
    }
}
