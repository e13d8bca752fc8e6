//! Posts to a URL when a provider starts failing, and again when it has recovered.
//!
//! ```json
//! { "type": "plugin", "name": "alerts", "options": { "path": "/usr/lib/picoclaw/libpicoclaw_plugin_webhook.so",
//!     "config": { "url": "http://127.0.0.1:9000/alerts", "after": 3 } } }
//! ```
//!
//! A provider fails when `after` requests to it failed in a row, and has recovered with the first that succeeds. The body
//! is `{"provider", "state": "failing" | "recovered", "failures", "reason", "time"}`. Plain HTTP, for a relay on this
//! machine or in this network. A post that fails is tried again with the next flush.

mod post;
mod watch;

use std::time::Duration;

use picoclaw_plugin::{Batch, Failure, Host, Level, Plugin};
use serde::Deserialize;

use post::Url;
use watch::{Change, Watch};

/// How many changes may wait for the receiver; the oldest goes first.
const MOST_WAITING: usize = 100;

/// The settings.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    url: String,
    #[serde(default = "three")]
    after: u32,
    #[serde(default = "five_seconds")]
    timeout_ms: u64,
}

const fn three() -> u32 {
    3
}

const fn five_seconds() -> u64 {
    5_000
}

struct Webhook {
    host: Host,
    url: Url,
    timeout: Duration,
    watch: Watch,
    waiting: Vec<Change>,
}

impl Plugin for Webhook {
    fn create(host: Host, config: &str) -> Result<Self, Failure> {
        let config: Config =
            serde_json::from_str(config).map_err(|error| Failure::Config(error.to_string()))?;
        let url = Url::parse(&config.url).map_err(Failure::Config)?;
        if config.after == 0 || config.timeout_ms == 0 {
            return Err(Failure::Config("`after` and `timeout_ms` must be at least 1".to_owned()));
        }
        let timeout = Duration::from_millis(config.timeout_ms);
        Ok(Self { host, url, timeout, watch: Watch::new(config.after), waiting: Vec::new() })
    }

    fn on_events(&mut self, batch: &Batch<'_>) -> Result<(), Failure> {
        for event in batch.events() {
            if self.waiting.len() == MOST_WAITING {
                self.waiting.remove(0);
            }
            self.waiting.extend(self.watch.see(&event));
        }
        // The events are counted: what failed now is posted with the next flush.
        if let Err(error) = self.post_all() {
            self.host.log(Level::Warn, &error);
        }
        Ok(())
    }

    fn flush(&mut self, _within: Duration) -> Result<(), Failure> {
        self.post_all().map_err(Failure::Retry)
    }

    fn health(&mut self) -> Result<(), Failure> {
        self.post_all().map_err(Failure::Retry)
    }
}

impl Webhook {
    fn post_all(&mut self) -> Result<(), String> {
        while let Some(change) = self.waiting.first() {
            post::post(&self.url, &change.body(), self.timeout)
                .map_err(|error| format!("{} could not be told: {error}", self.url))?;
            self.waiting.remove(0);
        }
        Ok(())
    }
}

picoclaw_plugin::export!(Webhook);
