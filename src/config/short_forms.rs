//! The sinks that run: the list in `telemetry.sinks`, and the short forms `gateway.metrics`, `gateway.health_check` and
//! `logging`.

use picoclaw_sinks::config::SinkConfig;
use serde_json::{Map, Value, json};

use super::paths::Paths;
use super::sections::{Config, LoggingConfig};

/// The type of the sink that elaborates the health endpoint: the only one that may answer in its place.
pub const HEALTH_SINK: &str = "newrelic";

/// A sink as its short form describes it.
struct ShortForm {
    kind: &'static str,
    enabled: bool,
    /// Whether the user wrote the short form.
    written: bool,
    options: Map<String, Value>,
}

impl Config {
    /// The sinks that run, those of the list first.
    ///
    /// Without a list there is one sink for each short form that is enabled. With a list, a short form that was written
    /// adds its sink if the list has none of that type; in a sink of that type it fills in the options that are not
    /// given.
    pub fn effective_sinks(&self, paths: &Paths) -> Vec<SinkConfig> {
        let has_list = self.telemetry.sinks.is_some();
        let mut sinks = self.telemetry.sinks.clone().unwrap_or_default();
        let listed = sinks.len();
        for form in self.short_forms(paths) {
            let mut in_list = false;
            for sink in sinks[..listed].iter_mut().filter(|sink| sink.kind == form.kind) {
                in_list = true;
                if let Value::Object(options) = &mut sink.options {
                    for (key, value) in &form.options {
                        options.entry(key).or_insert_with(|| value.clone());
                    }
                }
            }
            if !in_list && form.enabled && (form.written || !has_list) {
                sinks.push(SinkConfig::new(form.kind).with_options(form.options));
            }
        }
        sinks.iter_mut().filter(|sink| sink.kind == "jsonlog").for_each(|sink| settle_in(sink, paths));
        sinks
    }

    fn short_forms(&self, paths: &Paths) -> [ShortForm; 3] {
        let metrics = self.gateway.metrics();
        let health = &self.gateway.health_check;
        let path = |path: &str| Map::from_iter([("path".to_owned(), json!(path))]);
        [
            ShortForm {
                kind: "prometheus",
                enabled: metrics.enabled,
                written: self.gateway.metrics.is_some(),
                options: path(&metrics.path),
            },
            ShortForm {
                kind: HEALTH_SINK,
                enabled: health.enabled,
                written: false,
                options: path(&health.path),
            },
            ShortForm {
                kind: "jsonlog",
                enabled: true,
                written: self.logging.is_some(),
                options: log_options(&self.logging.clone().unwrap_or_default(), paths),
            },
        ]
    }
}

/// A log's relative path starts at the home in a listed sink too, not wherever the gateway was started.
fn settle_in(sink: &mut SinkConfig, paths: &Paths) {
    if let Some(Value::String(path)) = sink.options.get_mut("path")
        && !matches!(path.as_str(), "" | "stdout" | "stderr")
    {
        *path = paths.home.join(path.as_str()).to_string_lossy().into_owned();
    }
}

fn log_options(logging: &LoggingConfig, paths: &Paths) -> Map<String, Value> {
    let path = match logging.output.as_str() {
        "" => paths.log_dir.join("picoclaw.log").to_string_lossy().into_owned(),
        stream @ ("stdout" | "stderr") => stream.to_owned(),
        file => paths.home.join(file).to_string_lossy().into_owned(),
    };
    Map::from_iter([
        ("path".to_owned(), json!(path)),
        ("format".to_owned(), json!(logging.format.as_str())),
        ("level".to_owned(), json!(logging.level.as_str())),
        ("max_size_mb".to_owned(), json!(logging.max_size)),
        ("max_backups".to_owned(), json!(logging.max_backups)),
        ("max_age_days".to_owned(), json!(logging.max_age)),
        ("compress".to_owned(), json!(logging.compress)),
    ])
}
