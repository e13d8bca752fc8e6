//! Edits of `config.json` on somebody's behalf: what is not meant to change keeps its form, unknown keys and their order
//! stay, the file before is kept as a backup, and nothing is written with which the gateway could not start.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use jsonc_parser::ParseOptions;
use jsonc_parser::cst::{CstInputValue, CstObject, CstRootNode};
use serde_json::Value;

use super::environment::Environment;
use super::load::load;
use super::problem::ConfigErrors;
use super::sources;

/// Why an edit failed. Nothing was written then.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// The file cannot be read.
    #[error("{0}")]
    Unreadable(String),
    /// Something else than an object stands where one is needed.
    #[error("{file}: {path} is not {expected}; correct it first")]
    InTheWay {
        /// The file.
        file: PathBuf,
        /// Where.
        path: String,
        /// What should be there.
        expected: &'static str,
    },
    /// The gateway could not start with the result.
    #[error("nothing was changed, because the result could not be used:\n{0}")]
    Refused(ConfigErrors),
    /// The disk.
    #[error("cannot write {path}: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// `config.json`, being edited.
pub struct ConfigFile {
    path: PathBuf,
    before: Option<String>,
    root: CstRootNode,
}

impl ConfigFile {
    /// Reads the file; without one the edit begins with an empty configuration.
    ///
    /// # Errors
    /// When it cannot be read, or holds something else than an object.
    pub fn open(path: &Path) -> Result<Self, EditError> {
        let unreadable = |problem: super::Problem| EditError::Unreadable(problem.to_string());
        // Read twice: the first reader knows the usual mistakes.
        sources::read_json(path).map_err(unreadable)?;
        let before = sources::read(path).map_err(unreadable)?;
        let text = before.as_deref().unwrap_or_default();
        let text = if text.trim().is_empty() { "{\n  \"version\": 3\n}\n" } else { text };
        let root = CstRootNode::parse(text, &ParseOptions::default())
            .map_err(|error| EditError::Unreadable(format!("{}: {error}", path.display())))?;
        Ok(Self { path: path.to_owned(), before, root })
    }

    /// What stands at a path; `null` when nothing does.
    pub fn get(&self, path: &[&str]) -> Value {
        let whole: Value = serde_json::from_str(&self.root.to_string()).unwrap_or_default();
        path.iter().fold(whole, |value, key| value.get(key).cloned().unwrap_or_default())
    }

    /// Puts a value there; objects on the way come into being.
    ///
    /// # Errors
    /// When something else is in the way.
    pub fn set(&self, path: &[&str], value: &Value) -> Result<(), EditError> {
        let Some((last, way)) = path.split_last() else { return Ok(()) };
        let object = self.object(way)?;
        match object.get(last) {
            Some(property) => property.set_value(input(value)),
            None => drop(object.append(last, input(value))),
        }
        Ok(())
    }

    /// Adds a value to the list there, which comes into being.
    ///
    /// # Errors
    /// When something else is in the way.
    pub fn push(&self, path: &[&str], value: &Value) -> Result<(), EditError> {
        let Some((last, way)) = path.split_last() else { return Ok(()) };
        let list = self.object(way)?.array_value_or_create(last);
        let list = list.ok_or_else(|| self.in_the_way(path, "a list"))?;
        list.ensure_multiline();
        list.append(input(value));
        Ok(())
    }

    /// Takes away what stands there. Returns whether anything did.
    ///
    /// # Errors
    /// When something else than an object is in the way.
    pub fn remove(&self, path: &[&str]) -> Result<bool, EditError> {
        let Some((last, way)) = path.split_last() else { return Ok(false) };
        let property = self.object(way)?.get(last);
        Ok(property.map(jsonc_parser::cst::CstObjectProp::remove).is_some())
    }

    fn object(&self, path: &[&str]) -> Result<CstObject, EditError> {
        let root = self.root.object_value_or_create().ok_or_else(|| self.in_the_way(&[], "an object"))?;
        path.iter().enumerate().try_fold(root, |object, (depth, key)| {
            object.object_value_or_create(key).ok_or_else(|| self.in_the_way(&path[..=depth], "an object"))
        })
    }

    fn in_the_way(&self, path: &[&str], expected: &'static str) -> EditError {
        EditError::InTheWay { file: self.path.clone(), path: path.join("."), expected }
    }

    /// Writes the file, unless the gateway could not start with it. Returns where the file before is kept, if there was
    /// one.
    ///
    /// # Errors
    /// When it is refused or cannot be written.
    pub fn save(self, environment: &Environment, sinks: &[&str]) -> Result<Option<PathBuf>, EditError> {
        let text = self.root.to_string();
        if self.before.as_ref() == Some(&text) {
            return Ok(None);
        }
        replace(&self.path, &text, "bak", environment, sinks)
    }
}

impl std::fmt::Debug for ConfigFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConfigFile").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Puts a whole new text in the place of a configuration, as [`ConfigFile::save`] does. The file before is kept under the
/// same name with `suffix`.
///
/// # Errors
/// When it is refused or cannot be written.
pub fn replace(
    path: &Path,
    text: &str,
    suffix: &str,
    environment: &Environment,
    sinks: &[&str],
) -> Result<Option<PathBuf>, EditError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| EditError::Write { path, source }
    };
    // A link stays one: what it leads to is replaced.
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let beside = path.with_file_name(format!(".{name}.new"));
    let mode = fs::metadata(path).map_or(0o600, |found| found.permissions().mode() & 0o777);
    write(&beside, text, mode).map_err(failed(&beside))?;
    let trial = environment.clone().with("PICOCLAW_CONFIG", beside.to_string_lossy());
    let was_usable = load(environment, sinks).is_ok();
    if let Err(errors) = load(&trial, sinks)
        && was_usable
    {
        let _ = fs::remove_file(&beside);
        return Err(EditError::Refused(errors));
    }
    let backup = path.with_file_name(format!("{name}.{suffix}"));
    let kept = match fs::copy(path, &backup) {
        Ok(_) => Some(backup),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(failed(&backup)(error)),
    };
    fs::rename(&beside, path).map_err(failed(path))?;
    if let Some(directory) = path.parent() {
        File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed(directory))?;
    }
    Ok(kept)
}

/// Writes a file that is on the disk when this returns.
pub fn write(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(mode).open(path)?;
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn input(value: &Value) -> CstInputValue {
    match value {
        Value::Null => CstInputValue::Null,
        Value::Bool(flag) => CstInputValue::Bool(*flag),
        Value::Number(number) => CstInputValue::Number(number.to_string()),
        Value::String(text) => CstInputValue::String(text.clone()),
        Value::Array(items) => CstInputValue::Array(items.iter().map(input).collect()),
        Value::Object(members) => {
            CstInputValue::Object(members.iter().map(|(key, value)| (key.clone(), input(value))).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TEXT: &str = "{\n    \"_comment\": \"mine\",\n    \"model_list\": [ { \"model_name\": \"a\", \"model\": \"echo/echo\" } ],\n    \
                        \"theirs\": { \"z\": 1, \"a\": [1,2] }\n}\n";

    fn edited(
        text: Option<&str>,
        edit: impl FnOnce(&ConfigFile),
    ) -> (Result<Option<PathBuf>, EditError>, String) {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("config.json");
        if let Some(text) = text {
            fs::write(&path, text).unwrap();
        }
        let environment = Environment::new("/").with("PICOCLAW_HOME", home.path().to_string_lossy());
        let file = ConfigFile::open(&path).unwrap();
        edit(&file);
        let saved = file.save(&environment, &["prometheus"]);
        if let Ok(Some(backup)) = &saved {
            assert_eq!(fs::read_to_string(backup).unwrap(), text.unwrap());
        }
        assert!(!home.path().join(".config.json.new").exists());
        (saved, fs::read_to_string(path).unwrap_or_default())
    }

    #[test]
    fn only_what_is_meant_changes() {
        let (saved, text) = edited(Some(TEXT), |file| {
            file.set(&["agents", "defaults", "model_name"], &json!("a")).unwrap();
        });
        assert!(saved.unwrap().is_some());
        let (kept, added) = text.split_at(text.find(",\n    \"agents\"").unwrap());
        assert_eq!(kept, TEXT.trim_end().trim_end_matches('}').trim_end());
        assert_eq!(
            added,
            ",\n    \"agents\": {\n        \"defaults\": {\n            \"model_name\": \"a\"\n        }\n    }\n}\n"
        );
        let (_, again) = edited(Some(&text), |file| {
            assert!(file.remove(&["agents"]).unwrap());
            assert!(!file.remove(&["nothing", "there"]).unwrap());
            file.remove(&["nothing"]).unwrap();
        });
        assert_eq!(again, TEXT);
    }

    #[test]
    fn lists_grow_and_a_missing_file_comes_into_being() {
        let (saved, text) = edited(None, |file| {
            file.push(&["model_list"], &json!({ "model_name": "e", "model": "echo/echo" })).unwrap();
        });
        assert_eq!(saved.unwrap(), None);
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            value,
            json!({ "version": 3, "model_list": [{ "model_name": "e", "model": "echo/echo" }] })
        );
    }

    #[test]
    fn what_could_not_be_used_is_not_written() {
        let (saved, text) = edited(Some(TEXT), |file| {
            file.set(&["agents", "defaults", "model_name"], &json!("nobody")).unwrap();
        });
        assert!(saved.unwrap_err().to_string().contains("nobody"));
        assert_eq!(text, TEXT);
        let (saved, _) = edited(Some("{\"tools\": 5}"), |file| {
            let error = file.set(&["tools", "mcp"], &json!({})).unwrap_err().to_string();
            assert!(error.contains("tools is not an object"), "{error}");
        });
        assert_eq!(saved.unwrap(), None);
    }
}
