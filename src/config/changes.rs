//! What differs between two configurations, by the path of the setting.

use serde_json::{Map, Value};

use super::sections::Config;
use super::tree::KeyPath;

/// The settings that differ, in the order of their paths. Lists of values count as one setting, secrets too: they are
/// compared and not shown.
pub fn changes(before: &Config, after: &Config) -> Vec<String> {
    let mut found = Vec::new();
    compare(&document(before), &document(after), &KeyPath::default(), &mut found);
    let models = before.model_list.iter().zip(&after.model_list).enumerate();
    for (index, (before, after)) in models {
        let secrets = [
            ("api_key", before.api_key != after.api_key),
            ("api_keys", before.api_keys != after.api_keys),
            ("custom_headers", before.custom_headers != after.custom_headers),
            ("proxy", before.proxy != after.proxy),
        ];
        found.extend(
            secrets
                .iter()
                .filter(|(_, differs)| *differs)
                .map(|(key, _)| format!("model_list[{index}].{key}")),
        );
    }
    if before.gateway.api_key != after.gateway.api_key {
        found.push("gateway.api_key".to_owned());
    }
    let (old, new) = (before.gateway.metrics().auth, after.gateway.metrics().auth);
    let auth = [("token", old.token != new.token), ("password", old.password != new.password)];
    found.extend(
        auth.iter().filter(|(_, differs)| *differs).map(|(key, _)| format!("gateway.metrics.auth.{key}")),
    );
    found.sort_unstable();
    found.dedup();
    found
}

/// The settings as they would be written, with the short form of metrics whether or not it was written.
fn document(config: &Config) -> Value {
    let mut document = serde_json::to_value(config).unwrap_or_default();
    document["gateway"]["metrics"] = serde_json::to_value(config.gateway.metrics()).unwrap_or_default();
    document
}

fn compare(before: &Value, after: &Value, at: &KeyPath, found: &mut Vec<String>) {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            for key in before.keys().chain(after.keys().filter(|key| !before.contains_key(*key))) {
                let of = |members: &Map<String, Value>| members.get(key).cloned().unwrap_or_default();
                compare(&of(before), &of(after), &at.key(key), found);
            }
        }
        // Entries of lists such as the models have settings of their own.
        (Value::Array(before), Value::Array(after)) if before.iter().chain(after).all(Value::is_object) => {
            for index in 0..before.len().max(after.len()) {
                let of = |items: &[Value]| items.get(index).cloned().unwrap_or_default();
                compare(&of(before), &of(after), &at.index(index), found);
            }
        }
        _ if before == after => {}
        _ => found.push(at.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn config(value: Value) -> Config {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn settings_are_named_and_secrets_compared_unseen() {
        let before = config(json!({
            "agents": { "defaults": { "turn_timeout_secs": 5 } },
            "model_list": [{ "model_name": "a", "model": "x/y", "api_keys": ["one"] }],
            "gateway": { "api_key": "old", "metrics": { "auth": { "token": "old" } } },
        }));
        let after = config(json!({
            "agents": { "defaults": { "turn_timeout_secs": 6, "model_fallbacks": ["b"] } },
            "model_list": [
                { "model_name": "a", "model": "x/z", "api_keys": ["two"] }, { "model_name": "b", "model": "b" },
            ],
            "gateway": { "api_key": "new", "metrics": { "auth": { "token": "new" } } },
        }));
        assert_eq!(
            changes(&before, &after),
            [
                "agents.defaults.model_fallbacks",
                "agents.defaults.turn_timeout_secs",
                "gateway.api_key",
                "gateway.metrics.auth.token",
                "model_list[0].api_keys",
                "model_list[0].model",
                "model_list[1]",
            ]
        );
        assert_eq!(changes(&after, &after), Vec::<String>::new());
        assert_eq!(
            changes(&config(json!({})), &config(json!({ "gateway": { "metrics": {} } }))),
            Vec::<String>::new()
        );
    }
}
