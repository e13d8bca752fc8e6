//! Loading as a whole: files and variables in, a checked configuration or all its problems out.

mod documents;
mod existing;
mod overlays;
mod problems;
mod scrape;
mod short_forms;

use std::path::Path;

use tempfile::TempDir;

use super::{ConfigErrors, Environment, Loaded, Report, Severity, load};

/// The sink types that exist, as far as these tests are concerned.
const SINK_TYPES: [&str; 4] = ["prometheus", "datadog", "newrelic", "jsonlog"];

/// A home of PicoClaw with some files in it.
struct Home {
    directory: TempDir,
    environment: Environment,
}

impl Home {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let home = directory.path().to_str().unwrap().to_owned();
        Self { directory, environment: Environment::new("/home/ann").with("PICOCLAW_HOME", home) }
    }

    /// A home whose `config.json` is `text`.
    fn with_config(text: impl std::fmt::Display) -> Self {
        Self::new().file("config.json", text)
    }

    fn file(self, name: &str, text: impl std::fmt::Display) -> Self {
        std::fs::write(self.path().join(name), text.to_string()).unwrap();
        self
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment = self.environment.with(name, value);
        self
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn try_load(&self) -> Result<Loaded, ConfigErrors> {
        load(&self.environment, &SINK_TYPES)
    }

    fn load(&self) -> Loaded {
        self.try_load().unwrap_or_else(|errors| panic!("{errors}"))
    }

    fn report(&self) -> Report {
        self.try_load().as_ref().map_or_else(Report::from, Report::from)
    }

    /// What the gateway says when it refuses to start.
    fn problems(&self) -> Vec<String> {
        let errors = self.try_load().expect_err("the configuration is wrong");
        errors.problems.iter().map(ToString::to_string).collect()
    }
}

/// The warnings of one severity as text.
fn remarks(loaded: &Loaded, severity: Severity) -> Vec<String> {
    loaded.warnings.iter().filter(|w| w.severity == severity).map(ToString::to_string).collect()
}
