//! The lines of JSON-RPC 2.0.

use serde::Deserialize;
use serde_json::{Value, json};

/// The longest line of a hook, in bytes.
pub(super) const LONGEST_LINE: usize = 1 << 20;

/// A call that wants an answer.
pub(super) fn request(id: u64, method: &str, params: &Value) -> Vec<u8> {
    line(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }))
}

/// A call that wants none.
pub(super) fn notification(method: &str, params: &Value) -> Vec<u8> {
    line(&json!({ "jsonrpc": "2.0", "method": method, "params": params }))
}

fn line(message: &Value) -> Vec<u8> {
    let mut line = message.to_string().into_bytes();
    line.push(b'\n');
    line
}

/// An answer to a call.
#[derive(Debug, PartialEq)]
pub(super) struct Answer {
    pub(super) id: u64,
    pub(super) result: Result<Value, String>,
}

/// The answer in a line; `None` when it is none.
pub(super) fn parse(line: &[u8]) -> Option<Answer> {
    #[derive(Deserialize)]
    struct Message {
        id: u64,
        #[serde(default)]
        result: Value,
        error: Option<Value>,
    }
    let Message { id, result, error } = serde_json::from_slice(line).ok()?;
    let said = |error: Value| match error["message"].as_str() {
        Some(text) => text.to_owned(),
        None => error.to_string(),
    };
    Some(Answer {
        id,
        result: error.filter(|error| !error.is_null()).map_or(Ok(result), |error| Err(said(error))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_and_other_lines_are_not() {
        assert_eq!(
            parse(br#"{"jsonrpc":"2.0","id":7,"result":{"a":1}}"#),
            Some(Answer { id: 7, result: Ok(json!({"a": 1})) })
        );
        let failed = br#"{"id":7,"error":{"code":-32000,"message":"no"}}"#;
        assert_eq!(parse(failed), Some(Answer { id: 7, result: Err("no".into()) }));
        for line in [&b"hello"[..], b"{}", b"[]", br#"{"id":"x"}"#, br#"{"method":"m"}"#, b"\xff"] {
            assert_eq!(parse(line), None);
        }
    }

    #[test]
    fn a_call_is_one_line() {
        let line = request(1, "hook.hello", &json!({ "text": "a\nb" }));
        assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
        assert!(notification("m", &Value::Null).ends_with(b"}\n"));
    }
}
