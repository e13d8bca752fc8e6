//! `logging`: the log file.

use picoclaw_telemetry::words::Level;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::level;

/// The log file. These settings are the short form of a `jsonlog` sink; what the terminal shows is
/// `gateway.log_level`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct LoggingConfig {
    /// The least important level of what is logged.
    #[serde(with = "level")]
    #[schemars(with = "String", extend("format" = "level"))]
    pub level: Level,
    /// The form of a line.
    pub format: LogFormat,
    /// A file, `stdout` or `stderr`. A relative path starts at the home of PicoClaw; empty means `logs/picoclaw.log`
    /// there.
    pub output: String,
    /// The size at which the file is rotated, in megabytes; 0 leaves that to others, for example logrotate.
    #[schemars(range(max = 1_048_576))]
    pub max_size: u64,
    /// How many rotated files are kept; 0 keeps all.
    pub max_backups: u64,
    /// How many days a rotated file is kept; 0 keeps it for ever.
    #[schemars(range(max = 36_500))]
    pub max_age: u64,
    /// Whether rotated files are compressed.
    pub compress: bool,
}

impl Default for LoggingConfig {
    fn default() -> Self {
        Self {
            level: Level::Info,
            format: LogFormat::Json,
            output: String::new(),
            max_size: 100,
            max_backups: 3,
            max_age: 28,
            compress: true,
        }
    }
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// A flat JSON object.
    #[default]
    Json,
    /// For people.
    Text,
}

impl LogFormat {
    /// The word in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Text => "text",
        }
    }
}
