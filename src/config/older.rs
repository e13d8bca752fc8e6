//! Older layouts of `config.json`, as far as they say the same in other words. The file itself stays as it is.

use serde_json::{Map, Value, json};

use super::problem::{Source, Warning};

/// The layout that this gateway reads.
pub(super) const CURRENT: u64 = 3;

/// Rewrites `config` into the present layout and says what had to be left out.
pub(super) fn upgrade(config: &mut Value, source: &Source) -> Vec<Warning> {
    let Some(config) = config.as_object_mut() else {
        return Vec::new();
    };
    let mut notices = Vec::new();
    match config.get("version").and_then(Value::as_u64) {
        Some(version) if version > CURRENT => notices.push(Warning::new(
            source,
            "version",
            format!("version {version} is newer than this gateway knows: it reads the file as version {CURRENT}"),
        )),
        Some(version) if version < CURRENT => notices.push(Warning::notice(
            source,
            "version",
            format!("version {version} is an older layout: it is read as it is, and `picoclaw migrate` rewrites it"),
        )),
        _ => {}
    }
    rename_model(config);
    spell_out_models(config);
    if let Some(providers) = config.remove("providers") {
        notices.extend(take_providers(config, &providers, source));
    }
    if let Some(Value::Object(channels)) = config.remove("channels") {
        let list = config.entry("channel_list").or_insert_with(|| json!({}));
        if let Some(list) = list.as_object_mut() {
            for (name, channel) in channels {
                list.entry(name).or_insert_with(|| nest_settings(channel));
            }
        }
    }
    if let Some(channels) = config.get_mut("channel_list").and_then(Value::as_object_mut) {
        channels.values_mut().for_each(loosen_allow_from);
    }
    notices
}

/// `agents.defaults.model` was the name that is `model_name` now.
fn rename_model(config: &mut Map<String, Value>) {
    let Some(defaults) = config.get_mut("agents").and_then(|agents| agents.get_mut("defaults")) else {
        return;
    };
    let Some(defaults) = defaults.as_object_mut() else {
        return;
    };
    if let Some(model) = defaults.remove("model") {
        defaults.entry("model_name").or_insert(model);
    }
}

/// A model of an agent may be given by its name alone.
fn spell_out_models(config: &mut Map<String, Value>) {
    let list = config.get_mut("agents").and_then(|agents| agents.get_mut("list"));
    for agent in list.and_then(Value::as_array_mut).into_iter().flatten() {
        for path in ["/model", "/subagents/model"] {
            if let Some(model) = agent.pointer_mut(path).filter(|model| model.is_string()) {
                *model = json!({ "primary": model.take() });
            }
        }
    }
}

/// Before `model_list` there was one provider with one model, and keys of others in reserve.
fn take_providers(config: &mut Map<String, Value>, providers: &Value, source: &Source) -> Vec<Warning> {
    let Some(providers) = providers.as_object() else {
        return vec![Warning::new(source, "providers", "expected an object in {}, ignored")];
    };
    let usable = |provider: &Value| {
        ["api_key", "api_base"].iter().any(|key| provider[*key].as_str().is_some_and(|text| !text.is_empty()))
    };
    let defaults = &config.get("agents").map(|agents| agents["defaults"].clone()).unwrap_or_default();
    let model = defaults["model_name"].as_str().unwrap_or_default();
    let vendor = model.split_once('/').map(|(vendor, _)| vendor).unwrap_or_default();
    let mut candidates = providers.iter().filter(|(_, provider)| usable(provider));
    let named = [defaults["provider"].as_str().unwrap_or_default(), vendor];
    let only = if candidates.clone().count() == 1 { candidates.next() } else { None };
    let chosen = named.iter().find_map(|name| providers.get_key_value(*name)).or(only);

    let has_models = config.get("model_list").and_then(Value::as_array).is_some_and(|list| !list.is_empty());
    let taken = match chosen {
        Some((name, provider)) if !has_models && !model.is_empty() => {
            let id = if vendor == name { &model[vendor.len() + 1..] } else { model };
            let mut entry = json!({"model_name": model, "provider": name, "model": id});
            for key in ["api_key", "api_base"] {
                if let Some(text) = provider[key].as_str().filter(|text| !text.is_empty()) {
                    entry[key] = text.into();
                }
            }
            config.insert("model_list".into(), Value::Array(vec![entry]));
            if let Some(defaults) =
                config.get_mut("agents").and_then(|agents| agents["defaults"].as_object_mut())
            {
                defaults.remove("provider");
            }
            Some(name)
        }
        _ => None,
    };
    let left: Vec<_> = providers.iter().filter(|(name, p)| usable(p) && Some(*name) != taken).collect();
    left.into_iter()
        .map(|(name, _)| {
            let message = "an older layout that is not used: add its models to model_list";
            Warning::notice(source, format!("providers.{name}"), message)
        })
        .collect()
}

/// What is the network's own stood beside what all channels have; now it is in `settings`.
fn nest_settings(channel: Value) -> Value {
    const COMMON: [&str; 8] = [
        "enabled",
        "type",
        "allow_from",
        "reasoning_channel_id",
        "group_trigger",
        "typing",
        "placeholder",
        "settings",
    ];
    let Value::Object(members) = channel else {
        return channel;
    };
    let (mut common, mut own): (Map<_, _>, Map<_, _>) =
        members.into_iter().partition(|(key, _)| COMMON.contains(&key.as_str()));
    // A bot that answered in groups only when it was mentioned must not begin to answer everything.
    if own.remove("mention_only") == Some(Value::Bool(true)) {
        let trigger = common.entry("group_trigger").or_insert_with(|| json!({}));
        if let Some(trigger) = trigger.as_object_mut() {
            trigger.insert("mention_only".to_owned(), json!(true));
        }
    }
    if !own.is_empty() {
        let settings = common.entry("settings").or_insert_with(|| json!({}));
        if let Some(settings) = settings.as_object_mut() {
            settings.extend(own);
        }
    }
    Value::Object(common)
}

/// One name instead of a list of names, and numbers instead of texts, are understood.
fn loosen_allow_from(channel: &mut Value) {
    let Some(allowed) = channel.get_mut("allow_from") else {
        return;
    };
    let text = |value: &Value| match value {
        Value::Number(number) => Value::String(number.to_string()),
        other => other.clone(),
    };
    *allowed = match &*allowed {
        Value::Array(items) => items.iter().map(text).collect(),
        one @ (Value::String(_) | Value::Number(_)) => Value::Array(vec![text(one)]),
        other => other.clone(),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upgraded(mut config: Value) -> (Value, Vec<String>) {
        let notices = upgrade(&mut config, &Source::File("config.json".into()));
        (config, notices.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn the_provider_of_the_default_model_becomes_its_entry() {
        let (config, notices) = upgraded(json!({
            "agents": {"defaults": {"model": "glm-4.7", "provider": "zhipu"}},
            "providers": {"zhipu": {"api_key": "k", "api_base": ""}, "groq": {"api_key": "g"}, "openai": {"api_key": ""}}
        }));
        assert_eq!(
            config["model_list"],
            json!([{"model_name": "glm-4.7", "provider": "zhipu", "model": "glm-4.7", "api_key": "k"}])
        );
        assert_eq!(config["agents"]["defaults"]["model_name"], "glm-4.7");
        assert_eq!(
            notices,
            ["config.json: providers.groq: an older layout that is not used: add its models to model_list"]
        );
    }

    #[test]
    fn the_vendor_in_the_model_chooses_the_provider() {
        let (config, _) = upgraded(json!({
            "agents": {"defaults": {"model": "groq/llama"}},
            "providers": {"zhipu": {"api_key": "k"}, "groq": {"api_key": "g"}}
        }));
        assert_eq!(
            config["model_list"],
            json!([{"model_name": "groq/llama", "provider": "groq", "model": "llama", "api_key": "g"}])
        );
    }

    #[test]
    fn flat_channels_are_nested() {
        let (config, notices) = upgraded(json!({
            "version": 1,
            "channels": {"telegram": {"enabled": true, "token": "t", "allow_from": 12},
                         "discord": {"token": "d", "mention_only": true, "group_trigger": {"prefixes": ["!"]}}}
        }));
        assert_eq!(
            config["channel_list"],
            json!({"telegram": {"enabled": true, "allow_from": ["12"], "settings": {"token": "t"}},
                   "discord": {"group_trigger": {"prefixes": ["!"], "mention_only": true}, "settings": {"token": "d"}}})
        );
        assert_eq!(notices.len(), 1);
        assert!(notices[0].contains("version 1 is an older layout"), "{notices:?}");
    }

    #[test]
    fn a_newer_version_is_said() {
        let (_, notices) = upgraded(json!({"version": 4}));
        assert!(notices[0].contains("newer than this gateway knows"), "{notices:?}");
    }
}
