//! Settings of the existing PicoClaw that this gateway accepts and does not use. One notice names those that ask for
//! something; a user can go on with the file.

use serde_json::Value;

use super::problem::Warning;
use super::sections::CHANNEL_TYPES;
use super::spelling::closest;
use super::tree::{KeyPath, Tree};

/// The paths, with `*` for every entry of a list or a mapping, and the value that asks for nothing beyond what this
/// gateway does anyway.
const UNUSED: &[(&str, &str)] = &[
    ("agents.defaults.context_manager", "\"legacy\""),
    ("agents.defaults.context_manager_config", "{}"),
    ("agents.defaults.turn_profile", "{}"),
    ("build_info", ""),
    ("devices", "{}"),
    ("events", "{}"),
    ("evolution", "{}"),
    ("hooks.builtins", "{}"),
    ("isolation", "{}"),
    ("model_list.*.auth_method", "\"\""),
    ("model_list.*.connect_mode", "\"\""),
    ("model_list.*.workspace", "\"\""),
    ("tools.i2c", "{}"),
    ("tools.reaction", "{}"),
    ("tools.send_tts", "{}"),
    ("tools.serial", "{}"),
    ("tools.skills.github", "{}"),
    ("tools.skills.max_concurrent_searches", "2"),
    ("tools.skills.registries.clawhub.download_path", "\"\""),
    ("tools.skills.registries.clawhub.max_response_size", "0"),
    ("tools.skills.registries.clawhub.max_zip_size", "0"),
    ("tools.skills.registries.clawhub.search_path", "\"\""),
    ("tools.skills.registries.clawhub.skills_path", "\"\""),
    ("tools.skills.registries.clawhub.timeout", "0"),
    ("tools.skills.registries.github.proxy", "\"\""),
    ("tools.skills.search_cache", ""),
    ("tools.spi", "{}"),
    // Pages always come as text with headings, lists and links, which is both.
    ("tools.web.format", ""),
    // Models never search by themselves, which is what `false` asks for, and `true` is what nobody has written.
    ("tools.web.prefer_native", ""),
    ("tools.web.sogou", "{}"),
    ("tools.write_file.overwrite", "true"),
    ("voice", "{}"),
];

/// The paths of all of them.
pub(super) fn paths() -> impl Iterator<Item = &'static str> {
    UNUSED.iter().map(|(path, _)| *path)
}

/// Takes them out of the settings and makes the notice, if there is anything to say.
pub(super) fn take(tree: &mut Tree) -> Option<Warning> {
    let mut asked = Vec::new();
    for (path, nothing) in UNUSED {
        let steps: Vec<&str> = path.split('.').collect();
        let nothing = serde_json::from_str(nothing).ok();
        remove(&mut tree.root, &steps, &KeyPath::default(), &mut |path, value| {
            if nothing.as_ref().is_some_and(|nothing| asks(&value, nothing)) {
                asked.push(path.to_string());
            }
        });
    }
    for (name, channel) in tree.root["channel_list"].as_object().into_iter().flatten() {
        let kind = channel["type"].as_str().filter(|kind| !kind.is_empty()).unwrap_or(name);
        if channel["enabled"] == Value::Bool(true) && !CHANNEL_TYPES.contains(&kind) {
            let meant = closest(kind, CHANNEL_TYPES.iter().copied());
            let hint = meant.map_or(String::new(), |meant| format!(" (did you mean the type {meant}?)"));
            asked.push(format!("channel_list.{name}{hint}"));
        }
    }
    asked.sort_unstable();
    let message = || format!("accepted, but not used by this version: {}", asked.join(", "));
    (!asked.is_empty()).then(|| Warning::notice(tree.base(), "", message()))
}

/// Whether a setting asks for something: it is not what happens anyway, and not switched off.
fn asks(value: &Value, nothing: &Value) -> bool {
    let off = value.get("enabled") == Some(&Value::Bool(false));
    value != nothing && !off && !is_blank(value)
}

/// Whether nothing is said, all the way down: the existing PicoClaw writes out sections that nobody has filled in.
fn is_blank(value: &Value) -> bool {
    match value {
        Value::Object(members) => {
            members.values().all(|member| is_blank(member) || member == &Value::Bool(false))
        }
        Value::Array(items) => items.iter().all(is_blank),
        Value::String(text) => text.is_empty(),
        Value::Null => true,
        Value::Bool(_) | Value::Number(_) => false,
    }
}

fn remove(value: &mut Value, steps: &[&str], at: &KeyPath, found: &mut dyn FnMut(&KeyPath, Value)) {
    let (step, rest) = match steps {
        [] => return,
        [step, rest @ ..] => (*step, rest),
    };
    match value {
        Value::Array(items) if step == "*" => {
            for (index, item) in items.iter_mut().enumerate() {
                remove(item, rest, &at.index(index), found);
            }
        }
        Value::Object(members) if step == "*" => {
            for (name, member) in members {
                remove(member, rest, &at.key(name), found);
            }
        }
        Value::Object(members) if rest.is_empty() => {
            if let Some(value) = members.remove(step) {
                found(&at.key(step), value);
            }
        }
        Value::Object(members) => {
            if let Some(inner) = members.get_mut(step) {
                remove(inner, rest, &at.key(step), found);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Source;
    use serde_json::json;

    #[test]
    fn one_notice_names_what_asks_for_something() {
        let mut tree = Tree::new(
            json!({"evolution": {"enabled": true}, "devices": {"enabled": false}, "build_info": {"v": 1},
                   "voice": {"model_name": "", "echo_transcription": false, "more": [null]},
                   "agents": {"defaults": {"turn_profile": {}, "context_manager": "seahorse", "max_tokens": 5}},
                   "model_list": [{"model": "a", "workspace": "w"}, {"model": "b", "workspace": ""}],
                   "channel_list": {"line": {"enabled": true}, "qq": {"enabled": false},
                                    "web": {"enabled": true, "type": "pico"}}}),
            Source::File("config.json".into()),
        );
        let notice = take(&mut tree).unwrap();
        assert_eq!(
            notice.to_string(),
            "config.json: accepted, but not used by this version: agents.defaults.context_manager, \
             channel_list.line, evolution, model_list[0].workspace"
        );
        assert_eq!(
            tree.root,
            json!({"agents": {"defaults": {"max_tokens": 5}}, "model_list": [{"model": "a"}, {"model": "b"}],
                   "channel_list": {"line": {"enabled": true}, "qq": {"enabled": false},
                                    "web": {"enabled": true, "type": "pico"}}})
        );
        assert!(take(&mut tree).unwrap().message.ends_with(": channel_list.line"));
    }

    #[test]
    fn a_misspelt_type_of_a_channel_is_guessed() {
        let channels = json!({"bot": {"enabled": true, "type": "telgram"}, "fax": {"enabled": true}});
        let mut tree = Tree::new(json!({"channel_list": channels}), Source::File("config.json".into()));
        assert_eq!(
            take(&mut tree).unwrap().to_string(),
            "config.json: accepted, but not used by this version: channel_list.bot (did you mean the type telegram?), \
             channel_list.fax"
        );
    }
}
