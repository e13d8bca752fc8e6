//! An older `config.json` in the present layout.

use std::path::Path;

use serde_json::{Value, json};

use super::edit::EditError;
use super::older;
use super::problem::{Source, Warning};
use super::sources;

/// A configuration in the present layout.
#[derive(Clone, Debug)]
pub struct Migration {
    /// The version that it had.
    pub from: u64,
    /// The file in the present layout.
    pub text: String,
    /// What could not be carried over.
    pub notices: Vec<Warning>,
}

/// The file in the present layout; `None` when it has that already, or does not exist.
///
/// # Errors
/// When it cannot be read.
pub fn migrate(path: &Path) -> Result<Option<Migration>, EditError> {
    let read = sources::read_json(path).map_err(|problem| EditError::Unreadable(problem.to_string()))?;
    let Some(mut config @ Value::Object(_)) = read else { return Ok(None) };
    let before = config.clone();
    // Files of before there were versions have none; so may files of people.
    let version = config["version"].as_u64();
    if version.is_some_and(|version| version >= older::CURRENT) {
        return Ok(None);
    }
    let source = Source::File(path.to_owned());
    let mut notices = older::upgrade(&mut config, &source);
    if version.is_none() && config == before {
        return Ok(None);
    }
    notices.retain(|notice| notice.path != "version");
    list_keys(&mut config);
    config["version"] = json!(older::CURRENT);
    let text = serde_json::to_string_pretty(&config).unwrap_or_default() + "\n";
    Ok(Some(Migration { from: version.unwrap_or_default(), text, notices }))
}

/// A model has a list of keys now. One alone is understood here, and not by the existing PicoClaw.
fn list_keys(config: &mut Value) {
    let models = config.get_mut("model_list").and_then(Value::as_array_mut);
    for model in models.into_iter().flatten().filter_map(Value::as_object_mut) {
        if !model.contains_key("api_keys")
            && let Some(key) = model.remove("api_key")
        {
            model.insert("api_keys".to_owned(), json!([key]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn migrated(text: &str) -> Option<Migration> {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("config.json");
        std::fs::write(&file, text).unwrap();
        migrate(&file).unwrap()
    }

    #[test]
    fn older_layouts_are_rewritten_and_the_present_one_is_not() {
        let old = r#"{"version":1,"model_list":[{"api_key":"k"},{"api_key":"one","api_keys":["two"]}],"channels":{"telegram":{"enabled":true,"token":"t"}},"theirs":1}"#;
        let migration = migrated(old).unwrap();
        let config: Value = serde_json::from_str(&migration.text).unwrap();
        assert_eq!(
            config,
            json!({"version": 3, "theirs": 1, "model_list": [{"api_keys": ["k"]}, {"api_key": "one", "api_keys": ["two"]}],
                   "channel_list": {"telegram": {"enabled": true, "settings": {"token": "t"}}}})
        );
        assert_eq!((migration.from, migration.notices.len()), (1, 0));
        assert!(migrated(&migration.text).is_none());
        assert!(migrated(r#"{"gateway":{"port":1}}"#).is_none(), "nothing in it is old");
        let ancient = migrated(r#"{"agents":{"defaults":{"model":"m"}}}"#).unwrap();
        assert_eq!(ancient.from, 0);
        assert!(ancient.text.contains("model_name"));
    }
}
