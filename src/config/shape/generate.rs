//! The schema as the types in `sections` make it.

use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use crate::sections::Config;

pub(super) fn generate() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<Config>().to_value();
    schema["properties"]["$schema"] = json!({"type": "string", "description": "The address of this schema."});
    tidy(&mut schema);
    schema
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
