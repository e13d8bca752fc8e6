//! `/v1/models`.

use hyper::StatusCode;
use serde::Serialize;
use warp::reply::Response;

use crate::agent::ModelInfo;
use crate::http::reply::{self, ApiError};
use crate::quote::quote;

/// Whether the name stands for the default model: most clients insist on some name.
pub fn is_alias(name: &str) -> bool {
    matches!(name, "" | "default" | "picoclaw")
}

#[derive(Serialize)]
struct Entry<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    owned_by: &'a str,
}

impl<'a> Entry<'a> {
    fn new(id: &'a str, model: &'a ModelInfo, created: u64) -> Self {
        Self { id, object: "model", created, owned_by: &model.provider }
    }
}

/// All models, the default first. `created` is when the gateway started: nobody knows better.
pub fn list(models: &[ModelInfo], created: u64) -> Response {
    #[derive(Serialize)]
    struct List<'a> {
        object: &'static str,
        data: Vec<Entry<'a>>,
    }
    let data = models.iter().map(|model| Entry::new(&model.name, model, created)).collect();
    document(&List { object: "list", data })
}

/// One model by the last part of the path, still percent-encoded.
pub fn one(models: &[ModelInfo], encoded: &str, created: u64) -> Response {
    let id = decode(encoded);
    let named = models.iter().find(|model| model.name == id);
    match named.or_else(|| models.first().filter(|_| is_alias(&id))) {
        Some(model) => document(&Entry::new(&id, model, created)),
        None => reply::error(&ApiError {
            param: Some("model".to_owned()),
            ..ApiError::new(
                StatusCode::NOT_FOUND,
                "model_not_found",
                format!("the model {} is not configured: GET /v1/models lists those that are", quote(&id)),
            )
        }),
    }
}

fn document(value: &impl Serialize) -> Response {
    reply::json(StatusCode::OK, serde_json::to_vec(value).expect("texts and numbers always serialise"))
}

/// Undoes percent-encoding (RFC 3986, section 2.1); what is not encoded properly stays as it is.
fn decode(encoded: &str) -> String {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = tail.first_chunk::<2>().filter(|_| *first == b'%').and_then(|digits| {
            let [high, low] = digits.map(|digit| char::from(digit).to_digit(16));
            u8::try_from(high? * 16 + low?).ok()
        });
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_slashes_and_other_signs_are_decoded() {
        for (encoded, name) in [
            ("gpt-4o", "gpt-4o"),
            ("openai/gpt-4o", "openai/gpt-4o"),
            ("openai%2Fgpt%2d4o", "openai/gpt-4o"),
            ("%C3%A9", "é"),
            ("100%", "100%"),
            ("%zz%4", "%zz%4"),
        ] {
            assert_eq!(decode(encoded), name);
        }
    }

    #[test]
    fn a_model_is_found_by_its_name_or_as_the_default() {
        let models = [ModelInfo { name: "echo".to_owned(), provider: "builtin".to_owned() }];
        assert_eq!(one(&models, "echo", 1).status(), 200);
        assert_eq!(one(&models, "default", 1).status(), 200);
        assert_eq!(one(&models, "other", 1).status(), 404);
        assert_eq!(one(&[], "default", 1).status(), 404);
    }
}
