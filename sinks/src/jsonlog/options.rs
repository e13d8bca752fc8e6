//! The settings of a log.

use picoclaw_telemetry::words::Level;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::deserialize_level;

/// How a line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Flat JSON.
    #[default]
    Json,
    /// Text for people.
    Text,
}

/// The options of a `jsonlog` sink.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// The file, or `stdout` or `stderr`. The configuration makes a relative path start at the home of PicoClaw.
    pub path: String,
    /// `json` or `text`.
    #[serde(default)]
    pub format: Format,
    /// The least important level that is written.
    #[serde(default = "info", deserialize_with = "deserialize_level")]
    #[schemars(with = "String", extend("format" = "level"))]
    pub level: Level,
    /// At which size the file is rotated, in MiB; 0: never.
    #[serde(default = "hundred")]
    #[schemars(range(min = 0))]
    pub max_size_mb: f64,
    /// How many rotated files are kept; 0: all that are young enough.
    #[serde(default = "three")]
    pub max_backups: usize,
    /// After how many days a rotated file is deleted; 0: never.
    #[serde(default = "four_weeks")]
    pub max_age_days: u32,
    /// Whether rotated files are compressed, all but the newest, which may still be read by a log shipper.
    #[serde(default = "yes")]
    pub compress: bool,
    /// The permissions of the files, in octal.
    #[serde(default = "owner_and_group")]
    pub mode: String,
}

impl Options {
    /// Finds what the types cannot express: the key that is wrong, and why.
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        if self.path.trim().is_empty() {
            return Err(("path", "empty; expected a file, stdout or stderr".to_owned()));
        }
        if self.path.ends_with('/') {
            return Err(("path", format!("{:?} is a directory; add the file's name", self.path)));
        }
        if !self.max_size_mb.is_finite() || self.max_size_mb < 0.0 {
            let message = format!("invalid value {}: expected a size in MiB, or 0", self.max_size_mb);
            return Err(("max_size_mb", message));
        }
        if self.permissions().is_none() {
            let message = format!("invalid value {:?}: expected an octal mode such as 0640", self.mode);
            return Err(("mode", message));
        }
        Ok(())
    }

    /// At which size the file is rotated.
    pub(super) fn max_size(&self) -> Option<u64> {
        // The cast saturates; a limit of less than a byte is one of a line.
        let bytes = (self.max_size_mb * 1024.0 * 1024.0) as u64;
        (self.max_size_mb > 0.0).then_some(bytes.max(1))
    }

    /// The permissions of the files.
    pub(super) fn permissions(&self) -> Option<u32> {
        u32::from_str_radix(&self.mode, 8).ok().filter(|mode| *mode <= 0o777)
    }
}

const fn info() -> Level {
    Level::Info
}

const fn hundred() -> f64 {
    100.0
}

const fn three() -> usize {
    3
}

const fn four_weeks() -> u32 {
    28
}

const fn yes() -> bool {
    true
}

fn owner_and_group() -> String {
    "0640".to_owned()
}
