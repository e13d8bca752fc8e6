//! Lines and datagrams.

use std::io::Write;

use bytes::Bytes;
use picoclaw_telemetry::metric::MetricInfo;

use super::client;
use super::options::Settings;
use super::tags;

/// Fills datagrams with whole lines.
#[derive(Debug)]
pub(super) struct Packer {
    prefix: String,
    /// `tag,tag`: what every line has.
    tags: String,
    /// `|c:ci-…`: what every line ends with.
    origin: String,
    max: usize,
    pack_values: bool,
    datagram: Vec<u8>,
    /// Where in the datagram the present line begins.
    line: usize,
    full: Vec<Bytes>,
    warned: bool,
}

impl Packer {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            prefix: settings.prefix.clone(),
            tags: settings.tags.join(","),
            origin: settings.origin.as_ref().map_or_else(String::new, |origin| format!("|c:{origin}")),
            max: settings.max_datagram,
            pack_values: settings.pack_values,
            datagram: Vec::with_capacity(2 * settings.max_datagram),
            line: 0,
            full: Vec::new(),
            warned: false,
        }
    }

    /// What of a line follows its value: type, tags, origin.
    pub(super) fn ending(&self, kind: &str, info: &MetricInfo, labels: &[&str]) -> String {
        let own = info.labels.iter().zip(labels).map(|(key, value)| tags::tag(&format!("{key}:{value}")));
        let tags: Vec<String> = own.chain((!self.tags.is_empty()).then(|| self.tags.clone())).collect();
        let tags = if tags.is_empty() { String::new() } else { format!("|#{}", tags.join(",")) };
        format!("|{kind}{tags}{}", self.origin)
    }

    /// A counter's growth.
    pub(super) fn count(&mut self, name: &str, n: u64, ending: &str) {
        self.begin(name);
        self.datagram.push(b':');
        self.datagram.extend_from_slice(itoa::Buffer::new().format(n).as_bytes());
        self.end(ending);
    }

    /// A value of a gauge, or the growth of a counter that is not whole. What is no number is not told.
    pub(super) fn number(&mut self, name: &str, x: f64, ending: &str) {
        if x.is_finite() {
            self.begin(name);
            self.value(x);
            self.end(ending);
        }
    }

    /// A line with observations of a distribution, in seconds: one, or as many as fit. Returns how many.
    pub(super) fn observations(&mut self, name: &str, seconds: &[f64], ending: &str) -> usize {
        let Some((first, more)) = seconds.split_first() else { return 0 };
        self.begin(name);
        self.seconds(*first);
        let mut n = 1;
        if self.pack_values {
            for x in more {
                let before = self.datagram.len();
                self.seconds(*x);
                if self.datagram.len() - self.line + ending.len() > self.max {
                    self.datagram.truncate(before);
                    break;
                }
                n += 1;
            }
        }
        self.end(ending);
        n
    }

    /// A Datadog event: a frame of its own, which the transport hands to the `dogstatsd` crate.
    pub(super) fn event(&mut self, title: &str, text: &str) {
        self.close_datagram();
        self.full.push(client::frame(title, text));
    }

    /// The number of the frame that holds the last line.
    pub(super) fn frame(&self) -> usize {
        self.full.len()
    }

    /// The datagrams.
    pub(super) fn finish(&mut self) -> Vec<Bytes> {
        self.close_datagram();
        std::mem::take(&mut self.full)
    }

    /// Forgets what was written.
    pub(super) fn discard(&mut self) {
        self.datagram.clear();
        self.full.clear();
    }

    fn begin(&mut self, name: &str) {
        if !self.datagram.is_empty() {
            self.datagram.push(b'\n');
        }
        self.line = self.datagram.len();
        self.datagram.extend_from_slice(self.prefix.as_bytes());
        self.datagram.extend_from_slice(name.as_bytes());
    }

    fn value(&mut self, x: f64) {
        // Writing to a vector cannot fail.
        let _ = if x.fract() == 0.0 && x.abs() < 1e15 {
            self.datagram.push(b':');
            self.datagram.write_all(itoa::Buffer::new().format(x as i64).as_bytes())
        } else {
            write!(self.datagram, ":{x}")
        };
    }

    /// Whole microseconds, without zeros at the end.
    fn seconds(&mut self, seconds: f64) {
        let micros = (seconds * 1e6).round() as u64;
        let mut buffer = itoa::Buffer::new();
        self.datagram.push(b':');
        self.datagram.extend_from_slice(buffer.format(micros / 1_000_000).as_bytes());
        let fraction = micros % 1_000_000;
        if fraction > 0 {
            // The leading digit keeps the zeros behind it, and is not written.
            let digits = &buffer.format(1_000_000 + fraction)[1..];
            self.datagram.push(b'.');
            self.datagram.extend_from_slice(digits.trim_end_matches('0').as_bytes());
        }
    }

    /// Ends the line. When the datagram is then too long, the line is the first of the next one.
    fn end(&mut self, ending: &str) {
        self.datagram.extend_from_slice(ending.as_bytes());
        if self.datagram.len() <= self.max {
            return;
        }
        if self.datagram.len() - self.line > self.max {
            self.drop_line();
        } else if self.line > 0 {
            self.full.push(Bytes::copy_from_slice(&self.datagram[..self.line - 1]));
            self.datagram.drain(..self.line);
            self.line = 0;
        }
    }

    /// The options leave room for every line; only a sink's name, which is free, can be too long for it.
    fn drop_line(&mut self) {
        if !std::mem::replace(&mut self.warned, true) {
            let line = String::from_utf8_lossy(&self.datagram[self.line..]);
            tracing::warn!(
                line = &*line,
                max = self.max,
                "A line is longer than a datagram and is not sent."
            );
        }
        self.datagram.truncate(self.line.saturating_sub(1));
    }

    fn close_datagram(&mut self) {
        if !self.datagram.is_empty() {
            self.full.push(Bytes::copy_from_slice(&self.datagram));
            self.datagram.clear();
        }
    }
}
