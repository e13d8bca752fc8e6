//! The answer to "is my configuration right?".

use std::fmt;
use std::path::PathBuf;

use picoclaw_sinks::config::SinkConfig;

use super::load::Loaded;
use super::problem::{ConfigErrors, Problem, Severity, Warning};

/// What a check of the configuration found.
#[derive(Clone, Debug)]
pub struct Report {
    /// The main configuration file, whether or not it exists.
    pub file: PathBuf,
    /// With what the gateway cannot start.
    pub problems: Vec<Problem>,
    /// What is worth knowing.
    pub warnings: Vec<Warning>,
    /// The sinks that would run; empty if there are problems.
    pub sinks: Vec<SinkConfig>,
    /// The model that would answer; empty if there are problems.
    pub default_model: String,
}

impl Report {
    /// Whether the gateway can start with this configuration.
    pub fn is_usable(&self) -> bool {
        self.problems.is_empty()
    }

    /// Whether nothing is surely wrong with it.
    pub fn is_sound(&self) -> bool {
        self.is_usable() && self.warnings.iter().all(|warning| warning.severity != Severity::Grave)
    }
}

impl From<&Loaded> for Report {
    fn from(loaded: &Loaded) -> Self {
        Self {
            sinks: loaded.config.effective_sinks(&loaded.paths),
            default_model: loaded.config.default_model().to_owned(),
            file: loaded.paths.config_file.clone(),
            problems: Vec::new(),
            warnings: loaded.warnings.clone(),
        }
    }
}

impl From<&ConfigErrors> for Report {
    fn from(errors: &ConfigErrors) -> Self {
        Self {
            file: errors.file.clone(),
            problems: errors.problems.clone(),
            warnings: errors.warnings.clone(),
            sinks: Vec::new(),
            default_model: String::new(),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.problems {
            writeln!(f, "error: {problem}")?;
        }
        for warning in &self.warnings {
            let word = match warning.severity {
                Severity::Grave => "error",
                Severity::Warning => "warning",
                Severity::Notice => "notice",
            };
            writeln!(f, "{word}: {warning}")?;
        }
        if !self.is_usable() {
            return write!(f, "{} cannot be used", self.file.display());
        }
        if self.is_sound() {
            write!(f, "{} can be used", self.file.display())?;
        } else {
            write!(f, "the gateway would start in spite of that, with:")?;
        }
        write!(f, "\ndefault model: {}", self.default_model)?;
        write!(f, "\nsinks:")?;
        for sink in &self.sinks {
            write!(f, "\n  {}", sink.name())?;
            if sink.name() != sink.kind {
                write!(f, " ({})", sink.kind)?;
            }
            if let Some(path) = sink.options.get("path").and_then(|path| path.as_str()) {
                write!(f, " at {path}")?;
            }
            f.write_str(if sink.enabled { "" } else { ", not enabled" })?;
        }
        Ok(())
    }
}
