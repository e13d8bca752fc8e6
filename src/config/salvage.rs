//! What is left of the settings without those that have the wrong type or an impossible value: the rest can still be
//! checked, so that one mistake does not hide the others.

use serde_json::{Map, Value};

use super::inspect::fits;
use super::shape::{Kind, Member, Schema, Shape};

/// The settings that fit the shape of a configuration; where something must stand, a stopgap.
pub(super) fn sound_part(root: &Value, schema: &Schema) -> Value {
    sound(schema.root(), root).unwrap_or_else(|| stopgap(schema.root()))
}

fn sound(shape: Shape<'_>, value: &Value) -> Option<Value> {
    match (shape.kind(), value) {
        (Kind::Object, Value::Object(members)) => Some(object(shape, members)),
        (Kind::List, Value::Array(items)) => {
            let Some(shape) = shape.items() else { return Some(value.clone()) };
            // Every item keeps its place, so that the paths of other problems stay right.
            let items = items.iter().map(|item| sound(shape, item).unwrap_or_else(|| stopgap(shape)));
            Some(items.collect())
        }
        _ => fits(shape, value).then(|| value.clone()),
    }
}

fn object(shape: Shape<'_>, members: &Map<String, Value>) -> Value {
    let mut left = Map::new();
    for (key, value) in members {
        let value = match shape.member(key) {
            Member::Known(shape) | Member::Free(shape) => sound(shape, value),
            Member::Unknown => Some(value.clone()),
        };
        left.extend(value.map(|value| (key.clone(), value)));
    }
    for key in shape.required() {
        if let (false, Member::Known(shape)) = (left.contains_key(key), shape.member(key)) {
            left.insert(key.to_owned(), stopgap(shape));
        }
    }
    Value::Object(left)
}

fn stopgap(shape: Shape<'_>) -> Value {
    match shape.kind() {
        Kind::Any => Value::Null,
        Kind::Boolean => Value::Bool(false),
        // Both ends of the ranges that the settings have are whole.
        Kind::Integer | Kind::Number => Value::from(shape.minimum().unwrap_or_default().max(0.0) as u64),
        Kind::Text => Value::from(shape.words().first().copied().unwrap_or_default()),
        Kind::List => Value::Array(Vec::new()),
        Kind::Object => object(shape, &Map::new()),
    }
}
