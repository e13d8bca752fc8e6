//! Plugins: libraries that the build left beside the tests, and C files.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::{Gateway, Home, Scrape, wait_for};

/// A copy of a Rust plugin's library in this home.
pub(crate) fn library(home: &Home, name: &str) -> PathBuf {
    let file = format!("libpicoclaw_plugin_{name}.so");
    let built = std::env::current_exe().expect("a path").with_file_name(&file);
    let copy = home.join(&file);
    if !copy.exists() {
        fs::copy(&built, &copy).unwrap_or_else(|error| panic!("{}: {error}", built.display()));
        fs::set_permissions(&copy, PermissionsExt::from_mode(0o755)).expect("our own file");
    }
    copy
}

/// A C file of `plugins/`, compiled into this home.
pub(crate) fn c_library(home: &Home, source: &str, name: &str, flags: &[&str]) -> PathBuf {
    let plugins = Path::new(env!("CARGO_MANIFEST_DIR")).join("plugins");
    let library = home.join(name);
    let status = Command::new("cc")
        .args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-O1", "-I"])
        .arg(plugins.join("sdk/include"))
        .args(flags)
        .arg("-o")
        .arg(&library)
        .arg(plugins.join(source))
        .status();
    assert!(status.expect("a C compiler, as rustc needs one to link").success());
    fs::set_permissions(&library, PermissionsExt::from_mode(0o755)).expect("our own file");
    library
}

/// An entry of `telemetry.sinks`.
pub(crate) fn plugin(name: &str, options: Value) -> Value {
    let retry = json!({ "initial_ms": 20, "max_ms": 200 });
    json!({ "type": "plugin", "name": name, "retry": retry, "options": options })
}

/// A configuration with these sinks beside those that the tests ask.
pub(crate) fn with_sinks(plugins: &[Value]) -> Value {
    let mut sinks =
        vec![json!({ "type": "prometheus" }), json!({ "type": "newrelic" }), json!({ "type": "jsonlog" })];
    sinks.extend_from_slice(plugins);
    json!({ "telemetry": { "sinks": sinks } })
}

/// What became of the events that one sink was offered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Account {
    pub(crate) delivered: f64,
    pub(crate) filtered: f64,
    pub(crate) dropped: f64,
    pub(crate) restarts: f64,
    pub(crate) up: bool,
}

impl Account {
    fn read(scrape: &Scrape, sink: &str) -> Option<Self> {
        let outcome = |outcome: &str| {
            scrape.get(&format!(r#"picoclaw_sink_events_total{{sink="{sink}",outcome="{outcome}"}}"#))
        };
        let own = |metric: &str| scrape.get(&format!(r#"picoclaw_sink_{metric}{{sink="{sink}"}}"#));
        let account = Self {
            delivered: outcome("delivered"),
            filtered: outcome("filtered"),
            dropped: outcome("dropped"),
            restarts: own("restarts_total"),
            up: own("up") == 1.0,
        };
        let accounted = account.delivered + account.filtered + account.dropped + outcome("lagged");
        let settled = own("buffer_events") == 0.0 && own("lag_events") == 0.0;
        (settled && accounted == scrape.get("picoclaw_telemetry_events_total")).then_some(account)
    }
}

impl Gateway {
    /// Waits until every event that was emitted is accounted for in this sink.
    pub(crate) fn settled(&self, sink: &str) -> Account {
        wait_for(&format!("the events of {sink}"), || Account::read(&self.scrape(), sink))
    }

    /// Waits until a line of the log has this text in it; the line.
    pub(crate) fn logged(&self, text: &str) -> String {
        wait_for(&format!("{text:?} in the log"), || {
            let log = fs::read_to_string(self.home.join("logs/picoclaw.log")).unwrap_or_default();
            log.lines().find(|line| line.contains(text)).map(str::to_owned)
        })
    }

    /// A number of a sink.
    pub(crate) fn sink(&self, metric: &str, sink: &str) -> f64 {
        self.scrape().get(&format!(r#"picoclaw_sink_{metric}{{sink="{sink}"}}"#))
    }

    /// The processes that this gateway has started.
    pub(crate) fn children(&self) -> Vec<u32> {
        let path = format!("/proc/{0}/task", self.pid());
        let tasks = fs::read_dir(path).into_iter().flatten().flatten();
        let lists = tasks.map(|task| fs::read_to_string(task.path().join("children")).unwrap_or_default());
        let lists: Vec<String> = lists.collect();
        lists.iter().flat_map(|list| list.split_whitespace()).filter_map(|pid| pid.parse().ok()).collect()
    }
}
