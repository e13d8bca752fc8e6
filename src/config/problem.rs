//! What is said about a configuration: where, what is wrong, and what would be right.

use std::fmt;
use std::path::{Path, PathBuf};

/// Where a setting comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file.
    File(PathBuf),
    /// An environment variable.
    Variable(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => match path.file_name() {
                Some(name) => f.write_str(&name.to_string_lossy()),
                None => write!(f, "{}", path.display()),
            },
            Self::Variable(name) => f.write_str(name),
        }
    }
}

/// Something in the configuration with which the gateway cannot start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file or variable.
    pub source: Source,
    /// The setting, such as `model_list[1].model`; empty for a file as a whole.
    pub path: String,
    /// What is wrong and what would be right.
    pub message: String,
}

impl Problem {
    pub(super) fn new(source: &Source, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { source: source.clone(), path: path.into(), message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Line(&self.source, &self.path, &self.message).fmt(f)
    }
}

/// How much a remark about a configuration matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Good to know; nothing needs to be done.
    Notice,
    /// Probably a mistake.
    Warning,
    /// Surely a mistake: a check fails, though the gateway starts, because a start that fails could be worse.
    Grave,
}

/// Something in the configuration that an operator should know, though the gateway can start with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// How much it matters.
    pub severity: Severity,
    /// The file or variable.
    pub source: Source,
    /// The setting; empty for a file as a whole.
    pub path: String,
    /// What was found and what became of it.
    pub message: String,
}

impl Warning {
    pub(super) fn new(source: &Source, path: impl Into<String>, message: impl Into<String>) -> Self {
        let (source, path, message) = (source.clone(), path.into(), message.into());
        Self { severity: Severity::Warning, source, path, message }
    }

    pub(super) fn grave(source: &Source, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Grave, ..Self::new(source, path, message) }
    }

    pub(super) fn notice(source: &Source, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Notice, ..Self::new(source, path, message) }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Line(&self.source, &self.path, &self.message).fmt(f)
    }
}

/// Why a configuration cannot be used: every problem that was found, not only the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors {
    /// The main configuration file.
    pub file: PathBuf,
    /// What is wrong, at least one thing.
    pub problems: Vec<Problem>,
    /// What else was noticed.
    pub warnings: Vec<Warning>,
}

impl ConfigErrors {
    pub(super) fn new(file: &Path, problems: Vec<Problem>, warnings: Vec<Warning>) -> Self {
        Self { file: file.to_owned(), problems, warnings }
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the configuration {} cannot be used:", self.file.display())?;
        self.problems.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl std::error::Error for ConfigErrors {}

/// `source: path: message`, without the path where there is none.
struct Line<'a>(&'a Source, &'a str, &'a str);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(source, path, message) = self;
        match *path {
            "" => write!(f, "{source}: {message}"),
            path => write!(f, "{source}: {path}: {message}"),
        }
    }
}
