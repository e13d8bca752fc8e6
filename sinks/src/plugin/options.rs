//! The settings of a plugin.

use std::fmt;
use std::path::{Path, PathBuf};

use picoclaw_plugin::loader::{Library, Stamp, stamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Where a plugin runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Isolation {
    /// In a process of its own: whatever it does, the gateway goes on.
    #[default]
    Process,
    /// On a thread of the gateway: a crash of it is a crash of the gateway.
    InProcess,
}

/// The options of a `plugin` sink, and of a plugin with tools.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// The library: an absolute path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "PathBuf")]
    pub path: Option<PathBuf>,
    /// Instead of a library, a program that speaks the frames, with its arguments.
    #[serde(default)]
    pub command: Vec<String>,
    /// Where the plugin runs.
    #[serde(default)]
    pub isolation: Isolation,
    /// The SHA-256 of the library, in hexadecimal digits; another one is not loaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub sha256: Option<String>,
    /// What the plugin is told.
    #[serde(default)]
    pub config: Map<String, Value>,
    /// How long one call of the plugin may take, in milliseconds.
    #[serde(default = "ten_seconds")]
    #[schemars(range(min = 1, max = 3_600_000))]
    pub call_timeout_ms: u64,
    /// How often the plugin is asked to flush, in milliseconds.
    #[serde(default = "five_seconds")]
    #[schemars(range(min = 1, max = 3_600_000))]
    pub flush_interval_ms: u64,
    /// Bounds of the plugin's process.
    #[serde(default)]
    pub limits: Limits,
}

/// Bounds of a plugin's process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Most memory, in MiB.
    #[schemars(range(min = 16, max = 1_048_576))]
    pub memory_mb: u64,
    /// Most open files.
    #[schemars(range(min = 16, max = 1_048_576))]
    pub open_files: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { memory_mb: 256, open_files: 256 }
    }
}

/// What the plugin is told shows its keys only: a value may be a secret.
impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("path", &self.path)
            .field("command", &self.command)
            .field("isolation", &self.isolation)
            .field("config", &self.config.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// What runs where.
impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            Some(path) => path.display().fmt(f)?,
            None => f.write_str(self.command.first().map_or("nothing", String::as_str))?,
        }
        f.write_str(match self.isolation {
            Isolation::Process => " in a process of its own",
            Isolation::InProcess => " in the gateway's process",
        })
    }
}

impl Options {
    /// Finds what the types cannot express: the key that is wrong, and why.
    ///
    /// # Errors
    /// When there is one.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        match (&self.path, self.command.first()) {
            (Some(_), Some(_)) => {
                let message = "a library and a program; give either path or command";
                return Err(("command", message.to_owned()));
            }
            (None, None) => {
                return Err((
                    "path",
                    "missing; give the absolute path of a library, or a command".to_owned(),
                ));
            }
            (Some(path), None) if !path.is_absolute() => {
                return Err(("path", format!("\"{}\" is not an absolute path", path.display())));
            }
            (None, Some(program)) if !program.starts_with('/') => {
                let example = program.rsplit('/').next().unwrap_or_default();
                let remedy = format!("give the whole path, such as /usr/bin/{example}");
                return Err(("command", format!("\"{program}\" is not an absolute path; {remedy}")));
            }
            (None, Some(_)) if self.isolation == Isolation::InProcess => {
                return Err(("isolation", "a program always runs in a process of its own".to_owned()));
            }
            _ => {}
        }
        if let Some(digest) = &self.sha256
            && (self.path.is_none() || digest.len() != 64 || !digest.bytes().all(|b| b.is_ascii_hexdigit()))
        {
            return Err(("sha256", "expected the 64 hexadecimal digits of a library".to_owned()));
        }
        for (key, value) in
            [("call_timeout_ms", self.call_timeout_ms), ("flush_interval_ms", self.flush_interval_ms)]
        {
            if !(1..=3_600_000).contains(&value) {
                return Err((key, format!("invalid value {value}: expected 1 to 3600000")));
            }
        }
        for (key, value) in
            [("limits.memory_mb", self.limits.memory_mb), ("limits.open_files", self.limits.open_files)]
        {
            if !(16..=1_048_576).contains(&value) {
                return Err((key, format!("invalid value {value}: expected 16 to 1048576")));
            }
        }
        Ok(())
    }
}

impl Options {
    /// What tells the files that would run now from other versions of them: the library, or the program with the scripts
    /// among its arguments. Nothing when none of them is there.
    pub fn version(&self) -> Option<String> {
        let words = self.command.iter().map(Path::new).filter(|word| word.is_absolute());
        let stamps: Vec<Stamp> = self.path.as_deref().into_iter().chain(words).filter_map(stamp).collect();
        (!stamps.is_empty()).then(|| format!("{stamps:?}"))
    }

    /// Why a plugin with these options cannot run in this process any more: it holds another version of the library.
    pub fn outdated(&self) -> Option<String> {
        let path = self.path.as_deref().filter(|_| self.isolation == Isolation::InProcess)?;
        Library::is_outdated(path).then(|| {
            format!(
                "{} was replaced; a library that runs in the gateway's process is replaced by a restart of the gateway \
                 only",
                path.display()
            )
        })
    }
}

const fn ten_seconds() -> u64 {
    10_000
}

const fn five_seconds() -> u64 {
    5_000
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn problem(options: Value) -> String {
        let options: Options = serde_json::from_value(options).unwrap();
        options.check().map_or_else(|(key, message)| format!("{key}: {message}"), |()| String::new())
    }

    #[test]
    fn options_that_make_no_sense_are_named() {
        assert_eq!(problem(json!({ "path": "/x.so" })), "");
        assert_eq!(problem(json!({ "command": ["/bin/x", "-v"] })), "");
        assert!(problem(json!({})).starts_with("path: missing"));
        assert!(problem(json!({ "path": "x.so" })).contains("not an absolute path"));
        assert!(problem(json!({ "command": ["x"] })).starts_with("command: \"x\""));
        assert!(problem(json!({ "path": "/x", "command": ["/y"] })).contains("either"));
        assert!(problem(json!({ "command": ["/y"], "isolation": "in_process" })).starts_with("isolation"));
        assert!(problem(json!({ "path": "/x", "sha256": "12" })).starts_with("sha256"));
        assert!(problem(json!({ "path": "/x", "call_timeout_ms": 0 })).starts_with("call_timeout_ms"));
        assert!(problem(json!({ "path": "/x", "limits": { "memory_mb": 1 } })).contains("memory_mb"));
    }

    #[test]
    fn another_library_or_script_is_another_version() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x");
        for options in [json!({ "path": &file }), json!({ "command": ["/bin/sh", "-e", &file] })] {
            std::fs::write(&file, "1").unwrap();
            let options: Options = serde_json::from_value(options).unwrap();
            let before = options.version();
            assert!(before.is_some() && before == options.version());
            std::fs::write(file.with_extension("new"), "2").unwrap();
            std::fs::rename(file.with_extension("new"), &file).unwrap();
            assert_ne!(options.version(), before, "{options:?}");
        }
    }
}
