//! Secrets in the settings: those that stand in files of their own, and the list of all of them for masking.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::encrypted;
use super::environment::Environment;
use super::problem::Problem;
use super::secret::is_secret_key;
use super::sources;
use super::tree::{KeyPath, Tree};

/// Replaces `file://name` by the content of that file, where a relative name starts at `directory`, and `enc://…` by
/// what is encrypted in it.
pub(super) fn resolve(tree: &mut Tree, directory: &Path, environment: &Environment) -> Vec<Problem> {
    let mut found = Vec::new();
    visit(&tree.root, &KeyPath::default(), false, &mut |path, text| {
        if text.starts_with("file://") || text.starts_with("enc://") {
            found.push((path.clone(), text.to_owned()));
        }
    });
    let mut problems = Vec::new();
    for (path, text) in found {
        let source = tree.source_of(&path).clone();
        let read = match text.split_once("://") {
            Some(("enc", sealed)) => encrypted::decrypt(sealed, environment),
            Some((_, name)) => from_file(&directory.join(name)),
            None => continue,
        };
        match read {
            Ok(secret) => tree.merge(&path, Value::String(secret), &source),
            Err(message) => problems.push(Problem::new(&source, &path, message)),
        }
    }
    problems
}

fn from_file(path: &Path) -> Result<String, String> {
    match sources::read(path) {
        Ok(Some(text)) if !text.trim().is_empty() => Ok(text.trim().to_owned()),
        Ok(Some(_)) => Err(format!("the secret file {} is empty", path.display())),
        Ok(None) => Err(format!("there is no secret file {}", path.display())),
        Err(problem) => Err(problem.message),
    }
}

/// Adds every secret in the settings to `secrets`. Those under four characters are left out: masking them would shred
/// ordinary text.
pub(super) fn collect(tree: &Tree, secrets: &mut BTreeSet<String>) {
    const SHORTEST: usize = 4;
    visit(&tree.root, &KeyPath::default(), false, &mut |_, text| {
        if text.chars().count() >= SHORTEST && !text.starts_with("file://") {
            secrets.insert(text.to_owned());
        }
    });
}

fn visit(value: &Value, path: &KeyPath, secret: bool, found: &mut dyn FnMut(&KeyPath, &str)) {
    match value {
        Value::String(text) if secret => found(path, text),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                visit(item, &path.index(index), secret, found);
            }
        }
        Value::Object(members) => {
            for (key, member) in members {
                visit(member, &path.key(key), is_secret_key(key), found);
            }
        }
        _ => {}
    }
}
