//! Compares the settings with their shape: everything that has the wrong type or an impossible value, and every key that
//! nobody reads. All findings come at once, where a deserialiser would stop at the first.

use picoclaw_sinks::config::level_from_word;
use serde_json::{Map, Value};

use super::problem::{Problem, Warning};
use super::secret::{MASK, is_secret_key};
use super::shape::{Kind, Member, Schema, Shape};
use super::spelling::closest;
use super::tree::{KeyPath, Tree};

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<Warning>,
}

/// Compares `tree` with the shape of a configuration.
pub(super) fn inspect(tree: &Tree, schema: &Schema) -> Findings {
    let mut findings = Findings::default();
    findings.value(tree, schema.root(), &tree.root, &KeyPath::default());
    findings
}

impl Findings {
    fn value(&mut self, tree: &Tree, shape: Shape<'_>, value: &Value, path: &KeyPath) {
        match (shape.kind(), value) {
            (Kind::Object, Value::Object(members)) => self.object(tree, shape, members, path),
            (Kind::List, Value::Array(items)) => {
                let Some(shape) = shape.items() else { return };
                for (index, item) in items.iter().enumerate() {
                    self.value(tree, shape, item, &path.index(index));
                }
            }
            _ if fits(shape, value) => {}
            _ => {
                let message =
                    format!("invalid value {}: expected {}", show(shape, value, path), remedy(shape, value));
                self.problems.push(Problem::new(tree.source_of(path), path, message));
            }
        }
    }

    fn object(&mut self, tree: &Tree, shape: Shape<'_>, members: &Map<String, Value>, path: &KeyPath) {
        for (key, value) in members {
            let path = path.key(key);
            match shape.member(key) {
                Member::Known(shape) | Member::Free(shape) => self.value(tree, shape, value, &path),
                Member::Unknown => {
                    let hint = closest(key, shape.members().map(|(name, _)| name));
                    let hint = hint.map_or(String::new(), |name| format!(" (did you mean {name}?)"));
                    let message = format!("unknown key, ignored{hint}");
                    self.warnings.push(Warning::new(tree.source_of(&path), &path, message));
                }
            }
        }
        for key in shape.required().filter(|key| !members.contains_key(*key)) {
            let path = path.key(key);
            let message = match shape.member(key) {
                Member::Known(shape) => format!("missing: expected {}", shape.expectation()),
                Member::Free(_) | Member::Unknown => "missing".into(),
            };
            self.problems.push(Problem::new(tree.source_of(&path), &path, message));
        }
    }
}

/// Whether a value that holds no others is what the setting takes.
pub(super) fn fits(shape: Shape<'_>, value: &Value) -> bool {
    match (shape.kind(), value) {
        (Kind::Any, _) | (Kind::Boolean, Value::Bool(_)) => true,
        (Kind::Integer, Value::Number(number)) => {
            (number.is_u64() || number.is_i64()) && in_range(shape, number.as_f64())
        }
        (Kind::Number, Value::Number(number)) => in_range(shape, number.as_f64()),
        (Kind::Text, Value::String(text)) => {
            let words = shape.words();
            (words.is_empty() || words.contains(&text.as_str()))
                && (shape.format() != "level" || level_from_word(text).is_some())
        }
        _ => false,
    }
}

fn in_range(shape: Shape<'_>, number: Option<f64>) -> bool {
    number.is_some_and(|number| {
        shape.minimum().is_none_or(|least| number >= least)
            && shape.maximum().is_none_or(|most| number <= most)
    })
}

fn remedy(shape: Shape<'_>, value: &Value) -> String {
    let quoted = value.as_str().and_then(|text| serde_json::from_str(text).ok());
    let unquoted_fits = quoted.is_some_and(|value: Value| fits(shape, &value));
    format!("{}{}", shape.expectation(), if unquoted_fits { ", without quotes" } else { "" })
}

/// The value for people: short, and not at all if it is secret or could contain a secret.
fn show(shape: Shape<'_>, value: &Value, path: &KeyPath) -> String {
    const LONGEST: usize = 60;
    match value {
        Value::Object(_) => "{...}".into(),
        Value::Array(_) => "[...]".into(),
        _ if shape.format() == "password" || path.last_key().is_some_and(is_secret_key) => MASK.into(),
        value => {
            let text = value.to_string();
            match text.char_indices().nth(LONGEST) {
                Some((end, _)) => format!("{}...", &text[..end]),
                None => text,
            }
        }
    }
}
