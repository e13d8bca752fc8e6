//! The tree keeps its shape: crates depend in one direction, and the tables in the docs are those of the code.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

use picoclaw_telemetry::words::Level;
use picoclaw_telemetry::{Kind, Metric, MetricKind};
use serde_json::Value;

#[test]
fn crates_depend_in_one_direction() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut allowed = BTreeMap::new();
    let examples = [
        "picoclaw-plugin-clock",
        "picoclaw-plugin-drill",
        "picoclaw-plugin-influx",
        "picoclaw-plugin-webhook",
    ];
    // The program knows the examples in its tests only.
    let mut program = vec!["picoclaw-cli", "picoclaw-sinks", "picoclaw-telemetry"];
    program.extend(examples);
    allowed.insert("picoclaw", program);
    let (core, telemetry) = ("picoclaw-core", "picoclaw-telemetry");
    let cli = ["picoclaw-gateway", "picoclaw-jobs", "picoclaw-mcp", core, "picoclaw-sinks", telemetry];
    allowed.insert("picoclaw-cli", cli.to_vec());
    let parts = ["picoclaw-channels", "picoclaw-hooks", "picoclaw-jobs"];
    let mut gateway = vec![core, "picoclaw-mcp", "picoclaw-sinks", telemetry];
    gateway.extend(parts);
    allowed.insert("picoclaw-gateway", gateway);
    for part in parts {
        allowed.insert(part, vec![core, telemetry]);
    }
    let below = ["picoclaw-chat", "picoclaw-config", "picoclaw-tools", "picoclaw-sinks", telemetry];
    allowed.insert(core, below.to_vec());
    allowed.insert("picoclaw-mcp", vec!["picoclaw-chat", "picoclaw-tools"]);
    allowed.insert("picoclaw-tools", vec!["picoclaw-chat", "picoclaw-telemetry"]);
    allowed.insert("picoclaw-chat", vec![]);
    for example in examples {
        allowed.insert(example, vec!["picoclaw-plugin"]);
    }
    allowed.insert("picoclaw-config", vec!["picoclaw-sinks", "picoclaw-telemetry"]);
    allowed.insert("picoclaw-sinks", vec!["picoclaw-telemetry", "picoclaw-plugin"]);
    allowed.insert("picoclaw-telemetry", vec![]);
    // Also of itself: its tests play both sides.
    allowed.insert("picoclaw-plugin", vec!["picoclaw-plugin"]);
    let bench = ["picoclaw-sinks", "picoclaw-telemetry", "picoclaw-plugin", "picoclaw-plugin-drill"];
    allowed.insert("picoclaw-bench", bench.to_vec());
    for package in metadata["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        let allowed = allowed.get(name).unwrap_or_else(|| panic!("{name} has no place in the layout"));
        for dependency in package["dependencies"].as_array().unwrap() {
            let of = dependency["name"].as_str().unwrap();
            assert!(!of.starts_with("picoclaw") || allowed.contains(&of), "{name} must not depend on {of}");
        }
    }
}

#[test]
fn only_the_composition_root_and_the_command_line_name_the_sinks() {
    for file in rust_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        let text = fs::read_to_string(&file).unwrap();
        let path = file.display().to_string();
        let may = ["src/gateway/", "src/cli/", "src/config/", "src/health/"];
        assert!(
            !text.contains("picoclaw_sinks::") || may.iter().any(|part| path.contains(part)),
            "{path} must not know the sinks"
        );
    }
}

fn rust_files(directory: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { rust_files(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

/// Compares the table between the markers `name` of a document with the code's; `UPDATE_DOCS=1` writes it.
fn assert_table(file: &str, name: &str, table: &str) {
    // One document at a time: it may have several tables.
    static WRITING: Mutex<()> = Mutex::new(());
    let _writing = WRITING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let text = fs::read_to_string(&path).unwrap();
    let (begin, end) = (format!("<!-- {name}: begin -->\n"), format!("<!-- {name}: end -->"));
    let from = text.find(&begin).expect("a beginning") + begin.len();
    let to = text.find(&end).expect("an end");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, format!("{}{table}{}", &text[..from], &text[to..])).unwrap();
    } else {
        assert_eq!(
            &text[from..to],
            table,
            "{file} is stale: run UPDATE_DOCS=1 cargo test --test blackbox tree"
        );
    }
}

#[test]
fn the_metric_reference_is_the_catalogue() {
    let mut table = String::from("| Metric | Type | Labels | Meaning | DogStatsD |\n|---|---|---|---|---|\n");
    for metric in Metric::ALL {
        let info = metric.info();
        let labels = if info.labels.is_empty() { "–".to_owned() } else { info.labels.join(", ") };
        let kind = match info.kind {
            MetricKind::Counter => "c",
            MetricKind::Gauge => "g",
            MetricKind::Histogram(_) => "d",
        };
        table.push_str(&format!(
            "| `{}` | {} | {labels} | {} | `picoclaw.{}` {kind} |\n",
            info.name,
            info.kind.as_str(),
            info.help,
            info.statsd
        ));
    }
    assert_table("docs/metrics.md", "table", &table);
}

#[test]
fn the_event_reference_is_the_set_of_kinds() {
    let source =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("telemetry/src/event/kind.rs"))
            .unwrap();
    let mut table = String::from("| Kind | Meaning |\n|---|---|\n");
    for kind in Kind::ALL {
        // The meaning is the doc comment in front of the word.
        let word = format!("= \"{}\",", kind.as_str());
        let at = source.find(&word).unwrap();
        let comment = source[..at].rfind("/// ").unwrap() + 4;
        let meaning = source[comment..].lines().next().unwrap();
        table.push_str(&format!("| `{}` | {meaning} |\n", kind.as_str()));
    }
    assert_table("docs/events.md", "table", &table);
    assert_eq!(Level::ALL.len(), 4);
}

/// The words of a closed set with their meaning, which is the doc comment in front of each.
fn words_of(file: &str, set: &str) -> Vec<(String, String)> {
    let source = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
    let at = source.find(&format!("    {set} {{\n")).unwrap_or_else(|| panic!("{set} in {file}"));
    let body = source[at..].split("\n    }").next().unwrap();
    let mut meaning = "";
    let mut words = Vec::new();
    for line in body.lines().map(str::trim) {
        if let Some(comment) = line.strip_prefix("/// ") {
            meaning = comment;
        } else if let Some((_, word)) = line.split_once(" = \"") {
            words.push((word.trim_end_matches("\",").to_owned(), meaning.to_owned()));
        }
    }
    assert!(!words.is_empty(), "{set} in {file}");
    words
}

#[test]
fn the_values_of_labels_are_the_closed_sets() {
    const WORDS: &str = "telemetry/src/words.rs";
    const STATS: &str = "telemetry/src/stats.rs";
    let mut table = String::from("| Label | Of | Value | Meaning |\n|---|---|---|---|\n");
    for (label, of, file, set) in [
        ("status", "`picoclaw_turns_total`", WORDS, "TurnStatus"),
        ("origin", "`picoclaw_turns_total`", WORDS, "Origin"),
        ("reason", "`picoclaw_provider_failures_total`", WORDS, "FailureReason"),
        ("direction", "`picoclaw_provider_tokens_total`", WORDS, "Direction"),
        ("status", "`picoclaw_tool_results_total`", WORDS, "ToolStatus"),
        ("reason", "`picoclaw_messages_rejected_total`", WORDS, "Rejection"),
        ("reason", "`picoclaw_http_rejected_total`", WORDS, "HttpRejection"),
        ("outcome", "`picoclaw_session_writes_total`, `picoclaw_config_reloads_total`", WORDS, "Outcome"),
        ("status", "`picoclaw_cron_runs_total`", WORDS, "JobStatus"),
        ("reason", "`picoclaw_cron_missed_total`", WORDS, "Missed"),
        ("state", "`picoclaw_cron_jobs`", WORDS, "JobState"),
        ("outcome", "`picoclaw_heartbeats_total`", WORDS, "HeartbeatOutcome"),
        ("outcome", "`picoclaw_hook_calls_total`", WORDS, "HookOutcome"),
        ("level", "`picoclaw_log_lines_total`", WORDS, "Level"),
        ("status", "`picoclaw_health_status`", WORDS, "HealthStatus"),
        ("reason", "`picoclaw_sink_events_dropped_total`", STATS, "DropReason"),
        ("kind", "`picoclaw_sink_send_errors_total`", STATS, "SendErrorKind"),
    ] {
        for (word, meaning) in words_of(file, set) {
            table.push_str(&format!("| `{label}` | {of} | `{word}` | {meaning} |\n"));
        }
    }
    assert_table("docs/metrics.md", "values", &table);
}
