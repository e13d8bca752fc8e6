//! Tools in the simplest words, for servers that refuse the finer ones of JSON Schema.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Map, Value};

use super::error::ProviderError;
use super::provider::{ChatRequest, Completion, Deltas, Provider};
use crate::chat::{ToolSpec, ToolSpecs};

/// References are followed this far: schemas may refer to themselves.
const DEEPEST: usize = 12;
/// What remains of a schema, beside what holds schemas itself.
const KEPT: &[&str] = &["type", "description", "required", "enum"];

/// A provider that is offered tools in the simplest words.
pub(super) struct Simplified(pub(super) Arc<dyn Provider>);

#[async_trait]
impl Provider for Simplified {
    fn name(&self) -> &str {
        self.0.name()
    }

    async fn complete(
        &self,
        request: &ChatRequest<'_>,
        deltas: &mut dyn Deltas,
    ) -> Result<Completion, ProviderError> {
        let tools: Vec<ToolSpec> = request
            .tools
            .iter()
            .map(|tool| ToolSpec { parameters: simple(&tool.parameters), ..tool.clone() })
            .collect();
        let tools = ToolSpecs::from(tools);
        self.0.complete(&ChatRequest { tools: &tools, ..*request }, deltas).await
    }
}

/// The schema with types, descriptions, properties, items and enumerations alone. Of alternatives the first one remains
/// that is not null; references are replaced by what they refer to.
fn simple(schema: &Value) -> Value {
    let mut schema = reduce(schema, schema, 0);
    if let Value::Object(members) = &mut schema {
        members.entry("type").or_insert_with(|| "object".into());
        if members["type"] == "object" {
            members.entry("properties").or_insert_with(|| Map::new().into());
        }
    }
    schema
}

fn reduce(schema: &Value, root: &Value, depth: usize) -> Value {
    let Some(members) = schema.as_object() else {
        // `true` allows everything.
        return Value::Object(Map::new());
    };
    if depth == DEEPEST {
        return Value::Object(Map::new());
    }
    let within = |inner: &Value| reduce(inner, root, depth + 1);
    let mut simple = Map::new();
    let reference = members.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix('#'));
    if let Some(Value::Object(meant)) = reference.and_then(|path| root.pointer(path)).map(&within) {
        simple = meant;
    }
    let alternatives = ["anyOf", "oneOf", "allOf"].iter().find_map(|word| members.get(*word)?.as_array());
    let first = alternatives.and_then(|all| all.iter().find(|one| one["type"] != "null"));
    if let Some(Value::Object(chosen)) = first.map(&within) {
        simple.extend(chosen);
    }
    for (name, value) in members {
        let value = match (name.as_str(), value) {
            ("type", Value::Array(types)) => match types.iter().find(|one| *one != "null") {
                Some(one) => one.clone(),
                None => continue,
            },
            ("const", value) => {
                simple.insert("enum".into(), Value::Array(vec![value.clone()]));
                continue;
            }
            ("properties", Value::Object(properties)) => {
                properties.iter().map(|(name, inner)| (name.clone(), within(inner))).collect()
            }
            ("items", inner) => within(inner),
            (name, value) if KEPT.contains(&name) => value.clone(),
            _ => continue,
        };
        simple.insert(name.clone(), value);
    }
    Value::Object(simple)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_the_simplest_words_remain() {
        let schema = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "additionalProperties": false,
            "$defs": { "point": { "type": "object", "properties": { "x": { "type": "integer", "minimum": 0 } } } },
            "properties": {
                "at": { "$ref": "#/$defs/point", "description": "where" },
                "name": { "type": ["null", "string"], "format": "date", "description": "which" },
                "mode": { "anyOf": [{ "type": "null" }, { "enum": ["a", "b"], "type": "string" }], "default": null },
                "kind": { "const": "x" },
                "list": { "type": "array", "items": { "type": "string", "pattern": "." }, "maxItems": 3 },
                "any": true,
            },
            "required": ["at"],
        });
        let expected = json!({
            "type": "object",
            "properties": {
                "at": { "type": "object", "properties": { "x": { "type": "integer" } }, "description": "where" },
                "name": { "type": "string", "description": "which" },
                "mode": { "type": "string", "enum": ["a", "b"] },
                "kind": { "enum": ["x"] },
                "list": { "type": "array", "items": { "type": "string" } },
                "any": {},
            },
            "required": ["at"],
        });
        assert_eq!(simple(&schema), expected);
        assert_eq!(simple(&json!({})), json!({ "type": "object", "properties": {} }));
    }

    #[test]
    fn a_schema_that_refers_to_itself_ends() {
        let schema = json!({ "type": "object", "properties": { "child": { "$ref": "#" } } });
        assert!(simple(&schema).to_string().len() < 2000);
    }
}
