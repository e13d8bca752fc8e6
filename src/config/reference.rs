//! The reference of all settings as Markdown: the text of `docs/config.md`.

use std::fmt::Write;

use super::overrides::Variables;
use super::shape::{Kind, Schema, Shape};
use super::unused;

const INTRODUCTION: &str = include_str!("reference.md");

/// The reference of all settings, read off the schema.
pub fn reference() -> String {
    let mut text = INTRODUCTION.to_owned();
    let schema = Schema::load();
    let variables = Variables::of(&schema);
    for (name, shape) in schema.root().members().filter(|(name, _)| !name.starts_with('$')) {
        let _ = write!(text, "\n## `{name}`\n\n{}\n\n", shape.description());
        text.push_str("| Key | Type | Default | Meaning | Variable |\n|---|---|---|---|---|\n");
        rows(&mut text, &variables, name, shape);
    }
    text.push_str("\n## Accepted, not used yet\n\n");
    text.push_str("A file of the existing PicoClaw may have these; the gateway names those that ask for something, once.\n\n");
    for path in unused::paths() {
        let _ = writeln!(text, "* `{}`", path.replace(".*", "[]"));
    }
    text
}

fn rows(text: &mut String, variables: &Variables<'_>, path: &str, shape: Shape<'_>) {
    match shape.kind() {
        Kind::Object if shape.members().next().is_some() => {
            for (name, shape) in shape.members() {
                rows(text, variables, &format!("{path}.{name}"), shape);
            }
        }
        Kind::Object if shape.free().is_some_and(|free| free.members().next().is_some()) => {
            let free = shape.free().into_iter().flat_map(Shape::members);
            free.for_each(|(name, shape)| rows(text, variables, &format!("{path}.<name>.{name}"), shape));
        }
        Kind::List if shape.items().is_some_and(|items| items.members().next().is_some()) => {
            let items = shape.items().into_iter().flat_map(Shape::members);
            items.for_each(|(name, shape)| rows(text, variables, &format!("{path}[].{name}"), shape));
        }
        _ => {
            let default = shape.default().map_or(String::new(), |default| format!("`{default}`"));
            let variable = variables.of_path(path).map_or(String::new(), |name| format!("`{name}`"));
            let meaning = shape.description().replace('\n', " ").replace('|', "\\|");
            let _ = writeln!(text, "| `{path}` | {} | {default} | {meaning} | {variable} |", kind(shape));
        }
    }
}

fn kind(shape: Shape<'_>) -> String {
    let words = shape.words();
    if !words.is_empty() {
        return words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    }
    match (shape.kind(), shape.format()) {
        (Kind::Boolean, _) => "boolean".into(),
        (Kind::Integer, "port") => "port".into(),
        (Kind::Integer, _) => format!("integer{}", range(shape)),
        (Kind::Number, _) => format!("number{}", range(shape)),
        (Kind::Text, "level") => "`debug`, `info`, `warn`, `error`".into(),
        (Kind::Text, "password") => "secret".into(),
        (Kind::Text, _) => "text".into(),
        (Kind::List, _) => shape.items().map_or("list".into(), |items| format!("list of {}", kind(items))),
        (Kind::Object, _) => "object".into(),
        (Kind::Any, _) => "any".into(),
    }
}

/// The range of a number where it says more than that there are no negative ones.
fn range(shape: Shape<'_>) -> String {
    match (shape.minimum().unwrap_or_default(), shape.maximum().filter(|most| *most < f64::from(u32::MAX))) {
        (0.0, None) => String::new(),
        (least, None) => format!(", at least {least}"),
        (least, Some(most)) => format!(", {least} to {most}"),
    }
}
