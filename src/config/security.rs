//! `.security.yml`: the secrets, kept apart from `config.json` so that the latter can be shown around.

use serde_json::Value;

use super::problem::{Source, Warning};
use super::tree::{KeyPath, Tree};

/// Lays the secrets over the settings to which they belong.
pub(super) fn overlay(tree: &mut Tree, secrets: Value, source: &Source) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let Value::Object(secrets) = secrets else {
        return warnings;
    };
    for (section, value) in secrets {
        match section.as_str() {
            "model_list" => models(tree, value, source, &mut warnings),
            "channel_list" | "channels" => channels(tree, value, source, &mut warnings),
            "gateway" => tree.merge(&KeyPath::of_keys(["gateway"]), value, source),
            "web" | "skills" => tree.merge(&KeyPath::of_keys(["tools", &section]), value, source),
            _ => {
                let message =
                    "unknown section, ignored: expected model_list, channel_list, gateway, web or skills";
                warnings.push(Warning::new(source, section, message));
            }
        }
    }
    warnings
}

/// Entries are named after the model, and `name:1` is the second model of that name.
fn models(tree: &mut Tree, secrets: Value, source: &Source, warnings: &mut Vec<Warning>) {
    let Value::Object(mut secrets) = secrets else {
        return warnings.push(Warning::new(
            source,
            "model_list",
            "expected a mapping of model names, ignored",
        ));
    };
    let names: Vec<String> = tree.root["model_list"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|model| model["model_name"].as_str().unwrap_or_default().to_owned())
        .collect();
    for (index, name) in names.iter().enumerate() {
        let nth = names[..index].iter().filter(|earlier| *earlier == name).count();
        let Some(secret) = secrets.get(&format!("{name}:{nth}")).or_else(|| secrets.get(name)) else {
            continue;
        };
        tree.merge(&KeyPath::of_keys(["model_list"]).index(index), secret.clone(), source);
    }
    secrets.retain(|key, _| {
        let base = key.rsplit_once(':').filter(|(_, nth)| nth.parse::<usize>().is_ok()).map(|(base, _)| base);
        !names.iter().any(|name| name == key || Some(name.as_str()) == base)
    });
    warnings.extend(secrets.keys().map(|name| {
        Warning::new(source, format!("model_list.{name}"), "no such model in model_list, ignored")
    }));
}

fn channels(tree: &mut Tree, secrets: Value, source: &Source, warnings: &mut Vec<Warning>) {
    let Value::Object(secrets) = secrets else {
        return warnings.push(Warning::new(
            source,
            "channel_list",
            "expected a mapping of channel names, ignored",
        ));
    };
    for (name, secret) in secrets {
        if tree.root["channel_list"].get(&name).is_none() {
            let message = "no such channel in channel_list, ignored";
            warnings.push(Warning::notice(source, format!("channel_list.{name}"), message));
            continue;
        }
        // The older layout has the secrets without `settings` around them.
        let secret = match secret.get("settings") {
            Some(settings) => settings.clone(),
            None => secret,
        };
        tree.merge(&KeyPath::of_keys(["channel_list", &name, "settings"]), secret, source);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn secrets_find_their_models_and_channels() {
        let source = Source::File(".security.yml".into());
        let mut tree = Tree::new(
            json!({"model_list": [{"model_name": "a"}, {"model_name": "a"}, {"model_name": "llama:8"}],
                   "channel_list": {"pico": {"settings": {"max": 1}}}}),
            Source::File("config.json".into()),
        );
        let warnings = overlay(
            &mut tree,
            json!({"model_list": {"a": {"api_keys": ["one"]}, "a:1": {"api_keys": ["two"]},
                                  "llama:8": {"api_keys": ["three"]}, "gone": {}},
                   "channel_list": {"pico": {"settings": {"token": "t"}}, "x": {}},
                   "gateway": {"api_key": "g"}, "web": {"brave": {"api_keys": ["b"]}}, "wbe": {}}),
            &source,
        );
        assert_eq!(
            tree.root,
            json!({"model_list": [{"model_name": "a", "api_keys": ["one"]}, {"model_name": "a", "api_keys": ["two"]},
                                  {"model_name": "llama:8", "api_keys": ["three"]}],
                   "channel_list": {"pico": {"settings": {"max": 1, "token": "t"}}},
                   "gateway": {"api_key": "g"}, "tools": {"web": {"brave": {"api_keys": ["b"]}}}})
        );
        let warnings: Vec<_> = warnings.iter().map(|warning| warning.path.as_str()).collect();
        assert_eq!(warnings, ["channel_list.x", "model_list.gone", "wbe"]);
    }
}
