//! The shape of a valid configuration: its JSON schema, and what the schema says about one setting.
//!
//! The types in `sections` are the only place where a setting is described. Checks, environment names and the reference
//! are read off the schema that is generated from them.

use serde_json::Value;

#[cfg(test)]
mod generate;

/// The JSON schema of `config.json`.
pub fn schema() -> Value {
    load()
}

/// The schema, read. It is as large as all else that a gateway at rest remembers, so it lives only while a configuration
/// is read.
pub(super) struct Schema(Value);

impl Schema {
    pub(super) fn load() -> Self {
        Self(load())
    }

    pub(super) fn root(&self) -> Shape<'_> {
        Shape(&self.0)
    }
}

/// What generates the schema is a twentieth of the program, and says the same at each start: a gateway has the result,
/// which the tests keep fresh.
#[cfg(not(test))]
fn load() -> Value {
    serde_json::from_str(include_str!("../../config/picoclaw.schema.json")).expect("a test wrote it")
}

#[cfg(test)]
fn load() -> Value {
    static GENERATED: std::sync::LazyLock<Value> = std::sync::LazyLock::new(generate::generate);
    GENERATED.clone()
}

/// What kind of value a setting takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Any,
    Boolean,
    Integer,
    Number,
    Text,
    List,
    Object,
}

/// What the schema says about a member of an object.
pub(super) enum Member<'a> {
    /// A setting that exists.
    Known(Shape<'a>),
    /// A name of the user's choice.
    Free(Shape<'a>),
    /// Neither.
    Unknown,
}

/// What the schema says about one setting.
#[derive(Clone, Copy)]
pub(super) struct Shape<'a>(&'a Value);

impl<'a> Shape<'a> {
    pub(super) fn kind(self) -> Kind {
        match self.0["type"].as_str() {
            Some("boolean") => Kind::Boolean,
            Some("integer") => Kind::Integer,
            Some("number") => Kind::Number,
            Some("string") => Kind::Text,
            Some("array") => Kind::List,
            Some("object") => Kind::Object,
            _ if !self.words().is_empty() => Kind::Text,
            _ => Kind::Any,
        }
    }

    /// The settings in an object, by name.
    pub(super) fn members(self) -> impl Iterator<Item = (&'a str, Shape<'a>)> {
        let members = self.0["properties"].as_object();
        members.into_iter().flatten().map(|(name, shape)| (name.as_str(), Shape(shape)))
    }

    pub(super) fn member(self, name: &str) -> Member<'a> {
        match (self.0["properties"].get(name), self.free()) {
            (Some(known), _) => Member::Known(Self(known)),
            (None, Some(free)) => Member::Free(free),
            (None, None) => Member::Unknown,
        }
    }

    /// What stands in an object under names of the user's choice.
    pub(super) fn free(self) -> Option<Shape<'a>> {
        self.0.get("additionalProperties").filter(|free| **free != Value::Bool(false)).map(Shape)
    }

    /// The members that an object must have.
    pub(super) fn required(self) -> impl Iterator<Item = &'a str> {
        self.0["required"].as_array().into_iter().flatten().filter_map(Value::as_str)
    }

    /// What stands in a list.
    pub(super) fn items(self) -> Option<Shape<'a>> {
        self.0.get("items").map(Shape)
    }

    /// The words of a closed set, if the setting takes one.
    pub(super) fn words(self) -> Vec<&'a str> {
        let plain = self.0["enum"].as_array().into_iter().flatten();
        let described = self.0["oneOf"].as_array().into_iter().flatten().flat_map(|one| {
            let listed = one["enum"].as_array().into_iter().flatten();
            one.get("const").into_iter().chain(listed)
        });
        plain.chain(described).filter_map(Value::as_str).collect()
    }

    pub(super) fn format(self) -> &'a str {
        self.0["format"].as_str().unwrap_or_default()
    }

    pub(super) fn minimum(self) -> Option<f64> {
        self.0["minimum"].as_f64()
    }

    /// The largest value, also where only the width of the integer says it.
    pub(super) fn maximum(self) -> Option<f64> {
        self.0["maximum"].as_f64().or((self.format() == "uint32").then_some(f64::from(u32::MAX)))
    }

    pub(super) fn description(self) -> &'a str {
        self.0["description"].as_str().unwrap_or_default()
    }

    pub(super) fn default(self) -> Option<&'a Value> {
        self.0.get("default")
    }

    /// The words with which an error says what would be right.
    pub(super) fn expectation(self) -> String {
        let words = self.words();
        if !words.is_empty() {
            return format!("one of {}", words.join(", "));
        }
        match (self.kind(), self.format()) {
            (Kind::Boolean, _) => "true or false".into(),
            (Kind::Integer, "port") => format!("a port {}", self.range()),
            (Kind::Integer, _) => format!("an integer {}", self.range()).trim_end().into(),
            (Kind::Number, _) => format!("a number {}", self.range()).trim_end().into(),
            (Kind::Text, "level") => "one of debug, info, warn, error".into(),
            (Kind::Text, _) => "a text in quotes".into(),
            (Kind::List, _) => "a list in []".into(),
            (Kind::Object, _) => "an object in {}".into(),
            (Kind::Any, _) => "a value".into(),
        }
    }

    fn range(self) -> String {
        match (self.minimum(), self.maximum()) {
            (Some(least), Some(most)) => format!("between {least} and {most}"),
            (Some(least), None) => format!("of at least {least}"),
            (None, Some(most)) => format!("of at most {most}"),
            (None, None) => String::new(),
        }
    }
}
