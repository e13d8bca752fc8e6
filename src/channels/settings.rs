//! The settings of a channel, read from its entry in `channel_list`.

use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::group::GroupTrigger;
use super::kinds::Surroundings;
use picoclaw::config::{ChannelConfig, SecretString};

/// A setting that cannot be used: its path below `channel_list.<name>`, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {problem}")]
pub struct SettingError {
    /// Such as `settings.token`.
    pub path: String,
    /// What is wrong and what helps.
    pub problem: String,
}

impl SettingError {
    /// A problem with a setting of the network.
    pub(super) fn new(key: &str, problem: impl Into<String>) -> Self {
        Self { path: format!("settings.{key}"), problem: problem.into() }
    }
}

/// The settings of the network.
pub(super) fn network<T: DeserializeOwned>(config: &ChannelConfig) -> Result<T, SettingError> {
    read("settings", &config.settings)
}

/// A length of time in seconds; 0 means the usual one, as in the existing PicoClaw.
pub(super) fn seconds(key: &str, value: f64, usual: f64) -> Result<Duration, SettingError> {
    match value {
        0.0 => Ok(Duration::from_secs_f64(usual)),
        seconds if (0.01..=86_400.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        other => Err(SettingError::new(key, format!("{other} is not between 0.01 and 86400 seconds"))),
    }
}

/// A client for the network's server, over a proxy if one is configured.
pub(super) fn client(around: &Surroundings, proxy: &SecretString) -> Result<reqwest::Client, SettingError> {
    let proxy = Some(proxy.expose().trim()).filter(|proxy| !proxy.is_empty());
    around.clients.client(proxy).map_err(|error| {
        SettingError::new("proxy", format!("not the address of a proxy: {}", error.without_url()))
    })
}

fn read<T: DeserializeOwned>(section: &str, map: &Map<String, Value>) -> Result<T, SettingError> {
    // Files of the existing PicoClaw write null where they mean the default.
    let map: Map<String, Value> =
        map.iter().filter(|(_, value)| !value.is_null()).map(|(k, v)| (k.clone(), v.clone())).collect();
    serde_path_to_error::deserialize(Value::Object(map)).map_err(|error| SettingError {
        path: format!("{section}.{}", error.path()),
        problem: error.into_inner().to_string(),
    })
}

/// `typing` and the like.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default)]
struct Switch {
    enabled: bool,
}

impl Default for Switch {
    fn default() -> Self {
        Self { enabled: true }
    }
}

/// Whether the channel shows that it is typing: yes, unless it is switched off.
pub(super) fn typing(config: &ChannelConfig) -> Result<bool, SettingError> {
    Ok(read::<Switch>("typing", &config.typing)?.enabled)
}

/// When the agent answers in a group.
pub(super) fn group_trigger(config: &ChannelConfig) -> Result<GroupTrigger, SettingError> {
    read("group_trigger", &config.group_trigger)
}

/// A text, or several.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Texts {
    One(String),
    Several(Vec<String>),
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct PlaceholderSection {
    enabled: bool,
    text: Option<Texts>,
}

/// The text that stands in until the answer is there, if one is to.
pub(super) fn placeholder(config: &ChannelConfig) -> Result<Option<String>, SettingError> {
    let section: PlaceholderSection = read("placeholder", &config.placeholder)?;
    let text = match section.text {
        Some(Texts::One(text)) => Some(text),
        Some(Texts::Several(texts)) => texts.into_iter().next(),
        None => None,
    };
    let text = text.filter(|text| !text.trim().is_empty());
    Ok(section.enabled.then(|| text.unwrap_or_else(|| "Thinking… 💭".to_owned())))
}

/// How an answer is shown while it is written.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default)]
pub(super) struct Streaming {
    pub(super) enabled: bool,
    /// The shortest time between two updates in seconds.
    pub(super) throttle_seconds: f64,
    /// Characters that make an update come sooner.
    pub(super) min_growth_chars: usize,
}

impl Default for Streaming {
    fn default() -> Self {
        Self { enabled: false, throttle_seconds: 1.0, min_growth_chars: 40 }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn config(value: Value) -> ChannelConfig {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn placeholders_are_off_unless_asked_for_and_typing_is_on() {
        let plain = config(json!({}));
        assert_eq!((typing(&plain), placeholder(&plain)), (Ok(true), Ok(None)));
        let set = config(json!({
            "typing": { "enabled": false }, "placeholder": { "enabled": true, "text": ["a", "b"] },
        }));
        assert_eq!((typing(&set), placeholder(&set)), (Ok(false), Ok(Some("a".into()))));
        let odd =
            config(json!({ "typing": { "enabled": 5 }, "settings": { "throttle_seconds": "x", "y": null } }));
        assert_eq!(typing(&odd).unwrap_err().path, "typing.enabled");
        assert_eq!(network::<Streaming>(&odd).unwrap_err().path, "settings.throttle_seconds");
    }
}
