//! Events as InfluxDB line protocol, to a file that Telegraf tails or to a UDP listener.
//!
//! ```json
//! { "type": "plugin", "name": "influx", "options": { "path": "/usr/lib/picoclaw/libpicoclaw_plugin_influx.so",
//!     "config": { "udp": "127.0.0.1:8089" } } }
//! ```
//!
//! An event is a point: its kind is the measurement, names of bounded sets (`provider`, `channel`, ...) are tags, and
//! everything else is a field. Without attributes the point counts itself: `count=1i`.

mod destination;
mod line;

use std::time::Duration;

use picoclaw_plugin::{Batch, Failure, Host, Plugin};
use serde::Deserialize;

use destination::Destination;

/// The settings.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// The file to append to.
    #[serde(default)]
    file: Option<std::path::PathBuf>,
    /// The `host:port` to send datagrams to.
    #[serde(default)]
    udp: Option<String>,
    /// What every measurement begins with.
    #[serde(default = "prefix")]
    prefix: String,
}

fn prefix() -> String {
    "picoclaw.".to_owned()
}

struct Influx {
    prefix: String,
    destination: Destination,
}

impl Plugin for Influx {
    fn create(_host: Host, config: &str) -> Result<Self, Failure> {
        let config: Config =
            serde_json::from_str(config).map_err(|error| Failure::Config(error.to_string()))?;
        let destination = match (config.file, config.udp) {
            (Some(file), None) => Destination::file(&file)?,
            (None, Some(address)) => Destination::udp(&address)?,
            _ => return Err(Failure::Config("give either `file` or `udp`".to_owned())),
        };
        Ok(Self { prefix: config.prefix, destination })
    }

    fn on_events(&mut self, batch: &Batch<'_>) -> Result<(), Failure> {
        for event in batch.events() {
            self.destination.push(|out| line::push(&self.prefix, &event, out))?;
        }
        self.destination.send()
    }

    fn flush(&mut self, _within: Duration) -> Result<(), Failure> {
        self.destination.sync()
    }
}

picoclaw_plugin::export!(Influx);
