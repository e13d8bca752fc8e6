//! Reads the files: bounded, and with an error that shows the place.

use std::fs::File;
use std::io::{Error, ErrorKind, Read};
use std::path::Path;

use serde_json::Value;

use super::problem::{Problem, Source, Warning};
use super::repeated;

/// No configuration that people write is larger.
const LARGEST: u64 = 16 * 1024 * 1024;

/// The text of `path`, or nothing if there is no such file.
pub(super) fn read(path: &Path) -> Result<Option<String>, Problem> {
    let problem = |message: String| Problem::new(&Source::File(path.to_owned()), "", message);
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(problem(unreadable(path, &error))),
    };
    let mut bytes = Vec::new();
    match file.take(LARGEST + 1).read_to_end(&mut bytes) {
        Ok(_) if bytes.len() as u64 > LARGEST => {
            Err(problem(format!("{} is larger than {} MiB", path.display(), LARGEST >> 20)))
        }
        Ok(_) => match String::from_utf8(bytes) {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err(problem(format!("{} is not UTF-8 text", path.display()))),
        },
        Err(error) => Err(problem(unreadable(path, &error))),
    }
}

fn unreadable(path: &Path, error: &Error) -> String {
    let remedy = match error.kind() {
        ErrorKind::PermissionDenied => "; let the user that runs PicoClaw read it",
        ErrorKind::IsADirectory => "; put a file in the place of the directory",
        ErrorKind::NotADirectory => {
            "; a part of the path is a file: correct PICOCLAW_HOME or PICOCLAW_CONFIG"
        }
        _ => "",
    };
    format!("cannot read {}: {error}{remedy}", path.display())
}

/// The JSON object in `path`, or nothing if there is no such file. An empty file is `null`.
pub(super) fn read_json(path: &Path) -> Result<Option<Value>, Problem> {
    read(path)?.map(|text| parse_json(&text, path)).transpose()
}

/// The same, and what is doubtful about it.
pub(super) fn read_json_noting(path: &Path, warnings: &mut Vec<Warning>) -> Result<Option<Value>, Problem> {
    let Some(text) = read(path)? else { return Ok(None) };
    let value = parse_json(&text, path)?;
    let source = Source::File(path.to_owned());
    let doubtful = repeated::keys(text.strip_prefix('\u{feff}').unwrap_or(&text)).into_iter();
    let what = "stands more than once, and only the last one counts: make one of them";
    warnings.extend(doubtful.map(|key| Warning::new(&source, key, what)));
    Ok(Some(value))
}

fn parse_json(text: &str, path: &Path) -> Result<Value, Problem> {
    let source = Source::File(path.to_owned());
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim().is_empty() {
        return Ok(Value::Null);
    }
    match serde_json::from_str(text) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err(Problem::new(&source, "", "expected an object, such as {\"gateway\": {}}")),
        Err(error) => {
            let (line, column) = (error.line(), error.column());
            let what = error.to_string();
            let what = what.split(" at line ").next().unwrap_or_default();
            let hint = hint(text, line, column).map_or(String::new(), |hint| format!(" ({hint})"));
            Err(Problem::new(&source, "", format!("line {line}, column {column}: {what}{hint}")))
        }
    }
}

/// The usual reason for a syntax error at this place.
fn hint(text: &str, line: usize, column: usize) -> Option<&'static str> {
    let here = text.lines().nth(line.checked_sub(1)?)?;
    let until: String = here.chars().take(column).collect();
    let last = until.chars().next_back();
    let before = text.lines().take(line - 1).chain([until.as_str()]).collect::<String>();
    let before = before.trim_end().trim_end_matches(['}', ']', '"', '\'', '/']).trim_end();
    match last {
        Some('/') => Some("JSON has no comments: use keys that begin with _"),
        Some('\'') => Some("JSON texts stand in double quotes"),
        Some('}' | ']') if before.ends_with(',') => Some("remove the comma before it"),
        Some('"') if !before.ends_with([',', '{', '[', ':']) => Some("is a comma missing before it?"),
        _ if text.lines().count() <= line => Some("is a closing } or ] missing?"),
        _ => None,
    }
}

/// The mapping in the YAML file `path`, or nothing if there is no such file.
pub(super) fn read_yaml(path: &Path) -> Result<Option<Value>, Problem> {
    let Some(text) = read(path)? else { return Ok(None) };
    let source = Source::File(path.to_owned());
    match serde_norway::from_str::<Value>(&text) {
        Ok(value @ Value::Object(_)) => Ok(Some(value)),
        Ok(Value::Null) => Ok(None),
        Ok(_) => Err(Problem::new(&source, "", "expected a mapping such as model_list:")),
        // The parser's own words could quote a secret.
        Err(error) => {
            let place = error
                .location()
                .map_or(String::new(), |at| format!("line {}, column {}: ", at.line(), at.column()));
            Err(Problem::new(&source, "", format!("{place}this is not YAML")))
        }
    }
}

/// Takes out what means nothing: `null`, `[NOT_HERE]` where a secret was kept elsewhere, and keys that begin with `_`.
/// What the gateway only passes on is left as it is.
pub(super) fn clean(value: &mut Value) {
    const PASSED_ON: &str = "extra_body";
    match value {
        Value::Object(members) => {
            members.retain(|key, value| !key.starts_with('_') && !is_nothing(value));
            members.iter_mut().filter(|(key, _)| *key != PASSED_ON).for_each(|(_, value)| clean(value));
        }
        Value::Array(items) => {
            // A null in a list keeps its place, so that the paths in errors stay right.
            items.retain(|item| item.as_str() != Some(NOT_HERE));
            items.iter_mut().for_each(clean);
        }
        _ => {}
    }
}

const NOT_HERE: &str = "[NOT_HERE]";

fn is_nothing(value: &Value) -> bool {
    value.is_null() || value.as_str() == Some(NOT_HERE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn error(text: &str) -> String {
        parse_json(text, Path::new("/x/config.json")).unwrap_err().to_string()
    }

    #[test]
    fn syntax_errors_show_the_place_and_the_usual_reason() {
        assert_eq!(
            error("{\n  \"a\": 1,\n}"),
            "config.json: line 3, column 1: trailing comma (remove the comma before it)"
        );
        assert_eq!(
            error("{\n  \"a\": 1\n  \"b\": 2\n}"),
            "config.json: line 3, column 3: expected `,` or `}` (is a comma missing before it?)"
        );
        assert!(
            error("{\n  // hello\n  \"a\": 1}").contains("JSON has no comments"),
            "{}",
            error("{\n  // hello\n}")
        );
        assert!(error("{'a': 1}").contains("double quotes"), "{}", error("{'a': 1}"));
        assert!(error("{\"a\": {").contains("is a closing } or ] missing?"));
        assert!(error("[1]").contains("expected an object"));
    }

    #[test]
    fn an_empty_file_and_a_byte_order_mark_are_no_errors() {
        assert_eq!(parse_json(" \n", Path::new("x")), Ok(Value::Null));
        assert_eq!(parse_json("\u{feff}{\"a\":1}", Path::new("x")), Ok(json!({"a": 1})));
    }

    #[test]
    fn what_means_nothing_is_taken_out() {
        let mut value = json!({"_comment": 1, "a": null, "t": "[NOT_HERE]", "l": ["[NOT_HERE]", "x"],
                               "extra_body": {"stop": null}});
        clean(&mut value);
        assert_eq!(value, json!({"l": ["x"], "extra_body": {"stop": null}}));
    }
}
