//! The files that people read are what the code says.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::{Home, remarks};
use crate::{ECHO, Severity, example, reference, schema};

fn in_repository(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name)
}

/// Compares the file with `text`, or writes it when `UPDATE_DOCS` is set.
fn assert_fresh(name: &str, text: &str) {
    let path = in_repository(name);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == text, "{name} is stale: run UPDATE_DOCS=1 cargo test -p picoclaw-config");
}

#[test]
fn the_schema_is_fresh() {
    assert_fresh(
        "config/picoclaw.schema.json",
        &format!("{}\n", serde_json::to_string_pretty(&schema()).unwrap()),
    );
}

#[test]
fn the_reference_is_fresh() {
    assert_fresh("docs/config.md", &reference());
}

#[test]
fn every_setting_has_a_description() {
    let missing: Vec<_> =
        reference().lines().filter(|line| line.contains("|  | `PICOCLAW")).map(str::to_owned).collect();
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn the_schema_says_type_range_default_and_meaning() {
    let schema = schema();
    let port = &schema["properties"]["gateway"]["properties"]["port"];
    assert_eq!(port["maximum"], 65_535);
    assert_eq!(port["default"], 18_790);
    assert!(port["description"].as_str().unwrap().contains("listens"));
}

#[test]
fn the_example_loads_without_remarks() {
    let home = Home::with_config(example());
    let loaded = home.load();
    assert_eq!(loaded.warnings, []);
    assert_eq!(loaded.config.default_model(), ECHO);
    let sinks: Vec<_> =
        loaded.config.effective_sinks(&loaded.paths).iter().map(|s| s.name().to_owned()).collect();
    assert_eq!(sinks, ["prometheus", "newrelic", "jsonlog", "datadog"]);
}

#[test]
fn the_snippet_of_the_monitoring_guide_loads_without_remarks() {
    let home = Home::with_config(json!({"gateway": {"metrics": {"enabled": true, "path": "/metrics"}}}));
    let loaded = home.load();
    assert_eq!(loaded.warnings, []);
    assert!(loaded.config.gateway.metrics().enabled);
    assert_eq!(remarks(&loaded, Severity::Warning), Vec::<String>::new());
}
