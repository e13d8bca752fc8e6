//! Log levels as words.

use picoclaw_telemetry::words::Level;
use serde::{Deserializer, Serialize, Serializer};

pub(super) fn serialize<S: Serializer>(level: &Level, to: S) -> Result<S::Ok, S::Error> {
    level.as_str().serialize(to)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Level, D::Error> {
    picoclaw_sinks::config::deserialize_level(from)
}
