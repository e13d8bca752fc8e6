//! The schema as the types in `sections` make it.

use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use crate::sections::Config;

pub(super) fn generate() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<Config>().to_value();
    schema["properties"]["$schema"] = json!({"type": "string", "description": "The address of this schema."});
    settle(&mut schema);
    tidy(&mut schema);
    schema
}

/// A type that stands in several places can have another default in one of them, which only the whole around it knows:
/// that of the whole wins.
fn settle(schema: &mut Value) {
    let Some(Value::Object(members)) = schema.get("properties") else { return };
    let names: Vec<String> = members.keys().cloned().collect();
    for name in names {
        let whole = schema["default"].get(&name).cloned();
        let member = &mut schema["properties"][&name];
        if let Some(default) = whole {
            member["default"] = default;
        }
        settle(member);
    }
}

/// Takes out what only repeats the members: defaults of whole objects, and `null`.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            if members.get("default").is_some_and(|default| default.is_null() || default.is_object()) {
                members.remove("default");
            }
            if let Some(Value::Array(kinds)) = members.get_mut("type") {
                kinds.retain(|kind| kind != "null");
                if let [only] = kinds.as_slice() {
                    members["type"] = only.clone();
                }
            }
            for (key, value) in members {
                match value {
                    // Its keys are those of settings, one of which may be called `default`.
                    Value::Object(settings) if key == "properties" => settings.values_mut().for_each(tidy),
                    value => tidy(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}
