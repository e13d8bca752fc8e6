//! The arguments of a call, as a model wrote them.

use serde_json::{Map, Value};

use super::output::ToolOutput;

/// The arguments of a call. Errors are outputs that name the argument and say what to give instead.
#[derive(Debug)]
pub(super) struct Arguments(Map<String, Value>);

impl Arguments {
    /// The arguments must be an object; none at all are an empty one.
    pub(super) fn new(arguments: Value) -> Result<Self, ToolOutput> {
        match arguments {
            Value::Object(fields) => Ok(Self(fields)),
            Value::Null => Ok(Self(Map::new())),
            other => Err(ToolOutput::error(format!(
                "the arguments are {}; give a JSON object such as {{\"path\": \"notes.txt\"}}",
                kind(&other)
            ))),
        }
    }

    /// A text that must be there; `hint` says what it is.
    pub(super) fn text(&self, name: &str, hint: &str) -> Result<&str, ToolOutput> {
        match self.0.get(name) {
            Some(Value::String(text)) => Ok(text),
            None | Some(Value::Null) => {
                Err(ToolOutput::error(format!("argument `{name}` is missing; give {hint}")))
            }
            Some(other) => Err(ToolOutput::error(format!(
                "argument `{name}` is {}; give {hint} as a string",
                kind(other)
            ))),
        }
    }

    /// Whether it is there.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|value| !value.is_null())
    }

    /// A text that may be absent.
    pub(super) fn optional_text(&self, name: &str) -> Result<Option<&str>, ToolOutput> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => {
                Err(ToolOutput::error(format!("argument `{name}` is {}; give it as a string", kind(other))))
            }
        }
    }

    /// A text or a list of texts that must be there; `hint` says what they are.
    pub(super) fn texts(&self, name: &str, hint: &str) -> Result<Vec<&str>, ToolOutput> {
        match self.0.get(name) {
            Some(Value::Array(items)) => {
                let texts: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
                texts.ok_or_else(|| ToolOutput::error(format!("argument `{name}` must hold strings: {hint}")))
            }
            _ => self.text(name, hint).map(|text| vec![text]),
        }
    }

    /// A whole number that may be absent. Models also write numbers as text.
    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, ToolOutput> {
        let number = match self.0.get(name) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::Number(number)) => number.as_u64().or_else(|| whole(number.as_f64()?)),
            Some(Value::String(text)) => text.trim().parse().ok(),
            Some(_) => None,
        };
        number.map(Some).ok_or_else(|| {
            ToolOutput::error(format!("argument `{name}` must be a whole number of at least 0"))
        })
    }

    /// A yes or no that may be absent, which means no.
    pub(super) fn flag(&self, name: &str) -> Result<bool, ToolOutput> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(Value::String(text)) if text == "true" => Ok(true),
            Some(Value::String(text)) if text == "false" => Ok(false),
            Some(_) => Err(ToolOutput::error(format!("argument `{name}` must be true or false"))),
        }
    }
}

/// A float that is a whole number, such as the `10.0` that some models write.
fn whole(number: f64) -> Option<u64> {
    // Exact below 2^53, and no file or text is larger.
    (number.fract() == 0.0 && (0.0..9e15).contains(&number)).then_some(number as u64)
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_read_in_every_form_that_models_write() {
        let arguments = Arguments::new(json!({"a": 1, "b": "2", "c": 3.0, "d": null})).unwrap();
        let number = |name| arguments.number(name).unwrap();
        assert_eq!(
            (number("a"), number("b"), number("c"), number("d"), number("e")),
            (Some(1), Some(2), Some(3), None, None)
        );
    }

    #[test]
    fn errors_name_the_argument_and_the_remedy() {
        let arguments = Arguments::new(json!({"n": -1, "s": 5, "f": 1, "x": 1.5})).unwrap();
        assert_eq!(
            arguments.number("n").unwrap_err().text,
            "argument `n` must be a whole number of at least 0"
        );
        assert!(arguments.number("x").is_err());
        assert_eq!(
            arguments.text("s", "a path").unwrap_err().text,
            "argument `s` is a number; give a path as a string"
        );
        assert_eq!(arguments.text("t", "a path").unwrap_err().text, "argument `t` is missing; give a path");
        assert_eq!(arguments.flag("f").unwrap_err().text, "argument `f` must be true or false");
        assert!(Arguments::new(json!([1])).unwrap_err().text.contains("an array"));
    }
}
