//! Why a server refused: judged by the status and by the words meant for programs; by the text for people only where
//! a vendor has no word for it.

use std::time::{Duration, SystemTime};

use hyper::header::{HeaderMap, HeaderValue, RETRY_AFTER};
use picoclaw_telemetry::words::FailureReason;
use serde_json::Value;

/// Longest wait that a server may ask for: more is taken as this.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// The error object of an answer: `error.code`, `error.type`, `error.param`, `error.message`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::providers) struct ErrorBody {
    pub(in crate::providers) code: Option<String>,
    pub(in crate::providers) kind: Option<String>,
    /// The field of the request that is at fault.
    pub(in crate::providers) param: Option<String>,
    /// For a person.
    pub(in crate::providers) message: Option<String>,
    /// The precise reason, where a vendor gives one beside its code.
    pub(in crate::providers) reason: Option<String>,
    /// When to ask again, where a vendor says so in the body.
    pub(in crate::providers) wait: Option<Duration>,
}

impl ErrorBody {
    /// Reads the body of an error answer; nothing when it is not what the protocol says.
    pub(in crate::providers) fn parse(body: &[u8]) -> Self {
        match serde_json::from_slice::<Value>(body) {
            Ok(Value::Object(mut answer)) => match answer.remove("error") {
                Some(error) if !error.is_null() => Self::read(&error),
                _ => Self::read(&Value::Object(answer)),
            },
            // One vendor wraps its errors in a list.
            Ok(Value::Array(answers)) => {
                answers.first().and_then(|answer| answer.get("error")).map(Self::read).unwrap_or_default()
            }
            _ => Self::default(),
        }
    }

    /// Reads the error object itself, or the plain text that some servers put there.
    pub(in crate::providers) fn read(error: &Value) -> Self {
        let word = |name: &str| match error.get(name) {
            Some(Value::String(text)) if !text.is_empty() => Some(text.clone()),
            Some(Value::Number(number)) => Some(number.to_string()),
            _ => None,
        };
        Self {
            code: word("code"),
            kind: word("type").or_else(|| word("status")),
            param: word("param"),
            message: error.as_str().map(str::to_owned).or_else(|| word("message")),
            reason: details(error).find_map(|detail| Some(detail.get("reason")?.as_str()?.to_owned())),
            wait: details(error).find_map(|detail| read_delay(detail.get("retryDelay")?.as_str()?)),
        }
    }

    /// The word to show: the more precise one.
    pub(super) fn label(&self) -> Option<&str> {
        let code = self.code.as_deref().filter(|code| code.parse::<u16>().is_err());
        code.or(self.reason.as_deref()).or(self.kind.as_deref())
    }
}

/// The reason for an error answer. `status` is `None` for an error in the middle of a good answer.
pub(super) fn classify(status: Option<u16>, error: &ErrorBody) -> FailureReason {
    use FailureReason::{
        Auth, BadRequest, BadResponse, Billing, ContextOverflow, Overloaded, Server, Timeout,
    };
    if let Some(reason) = error.reason.as_deref().and_then(known_word) {
        return reason;
    }
    let words = [error.code.as_deref(), error.kind.as_deref()];
    let known = words.into_iter().flatten().find_map(known_word);
    // These say more than any status they come with.
    if let Some(reason @ (Billing | Overloaded | ContextOverflow)) = known {
        return reason;
    }
    // For a bad request most vendors have one word, if any, whatever is bad about it.
    if (matches!(status, Some(400 | 413 | 422)) || status.is_none() && known == Some(BadRequest))
        && let Some(reason) = error.message.as_deref().and_then(known_phrase)
    {
        return reason;
    }
    let code = || error.code.as_deref().and_then(|code| code.parse().ok());
    let Some(status) = status.or_else(code) else {
        return known.unwrap_or(Server);
    };
    match status {
        401 | 403 => Auth,
        402 => Billing,
        408 | 504 => Timeout,
        413 => ContextOverflow,
        429 => FailureReason::RateLimit,
        503 | 529 => Overloaded,
        500..=599 => Server,
        400..=499 => BadRequest,
        _ => known.unwrap_or(BadResponse),
    }
}

/// The words of the vendors in use, for what they call the same things.
fn known_word(word: &str) -> Option<FailureReason> {
    Some(match word {
        "invalid_api_key"
        | "authentication_error"
        | "invalid_authentication_error"
        | "permission_error"
        | "permission_denied"
        | "unauthorized"
        | "API_KEY_INVALID"
        | "API_KEY_SERVICE_BLOCKED"
        | "UNAUTHENTICATED"
        | "PERMISSION_DENIED" => FailureReason::Auth,
        "insufficient_quota"
        | "billing_error"
        | "billing_not_active"
        | "billing_hard_limit_reached"
        | "exceeded_current_quota_error"
        | "insufficient_balance"
        // Zhipu: no credit.
        | "1113"
        | "BILLING_DISABLED"
        | "FAILED_PRECONDITION" => FailureReason::Billing,
        "rate_limit_exceeded"
        | "rate_limit_error"
        | "rate_limit_reached_error"
        | "too_many_requests"
        | "RESOURCE_EXHAUSTED" => FailureReason::RateLimit,
        "overloaded_error" | "engine_overloaded_error" | "overloaded" | "UNAVAILABLE" => {
            FailureReason::Overloaded
        }
        "context_length_exceeded"
        | "string_above_max_length"
        | "exceed_context_size_error"
        | "model_max_prompt_tokens_exceeded"
        | "request_too_large" => FailureReason::ContextOverflow,
        "timeout_error" | "timeout" | "DEADLINE_EXCEEDED" => FailureReason::Timeout,
        "invalid_request_error"
        | "not_found_error"
        | "model_not_found"
        | "invalid_prompt"
        | "INVALID_ARGUMENT"
        | "NOT_FOUND" => FailureReason::BadRequest,
        _ => return None,
    })
}

/// The details of a vendor that says more in them.
fn details(error: &Value) -> impl Iterator<Item = &Value> {
    error.get("details").and_then(Value::as_array).into_iter().flatten()
}

/// `38s`, `1.5s`.
fn read_delay(text: &str) -> Option<Duration> {
    let seconds = text.strip_suffix('s')?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok().map(|wait| wait.min(MAX_RETRY_AFTER))
}

/// What some vendors say in the text for people alone, under a word that means every kind of bad request or none.
fn known_phrase(message: &str) -> Option<FailureReason> {
    use FailureReason::{Auth, Billing, ContextOverflow};
    const PHRASES: &[(&str, FailureReason)] = &[
        // Anthropic.
        ("prompt is too long", ContextOverflow),
        ("input length and `max_tokens` exceed context limit", ContextOverflow),
        ("credit balance is too low", Billing),
        // Gemini.
        ("exceeds the maximum number of tokens allowed", ContextOverflow),
        // OpenAI's words, which vLLM, OpenRouter, DeepSeek, Mistral and others have taken over without its code.
        ("maximum context length", ContextOverflow),
        ("reduce the length of the messages", ContextOverflow),
        // llama.cpp and LM Studio.
        ("exceeds the available context size", ContextOverflow),
        ("loaded with context length of only", ContextOverflow),
        ("greater than the context length", ContextOverflow),
        // xAI, Moonshot, Qwen, Zhipu, Text Generation Inference, Bedrock.
        ("maximum prompt length is", ContextOverflow),
        ("exceeded model token limit", ContextOverflow),
        ("Range of input length should be", ContextOverflow),
        ("Prompt exceeds max length", ContextOverflow),
        ("`inputs` tokens + `max_new_tokens` must be", ContextOverflow),
        ("Input is too long for requested model", ContextOverflow),
        ("Incorrect API key provided", Auth),
    ];
    // Not the conversation is too long then but the answer that is asked for, and no cut helps.
    if message.contains("'max_completion_tokens' is too large") {
        return None;
    }
    PHRASES.iter().find(|(phrase, _)| message.contains(phrase)).map(|(_, reason)| *reason)
}

/// When the server wants to be asked again: `retry-after-ms`, or `retry-after` in seconds or as a date.
pub(super) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |value: &HeaderValue| value.to_str().ok().map(|text| text.trim().to_owned());
    let number = |text: &str| text.parse::<f64>().ok().filter(|number| *number >= 0.0);
    let seconds = |seconds: f64| Duration::try_from_secs_f64(seconds).unwrap_or(MAX_RETRY_AFTER);
    let wait = headers
        .get("retry-after-ms")
        .and_then(text)
        .and_then(|text| number(&text))
        .map(|milliseconds| seconds(milliseconds / 1000.0))
        .or_else(|| {
            let text = headers.get(RETRY_AFTER).and_then(text)?;
            number(&text).map(seconds).or_else(|| {
                let date = httpdate::parse_http_date(&text).ok()?;
                Some(date.duration_since(now).unwrap_or_default())
            })
        })?;
    Some(wait.min(MAX_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(status: impl Into<Option<u16>>, body: &str) -> &'static str {
        classify(status.into(), &ErrorBody::parse(body.as_bytes())).as_str()
    }

    #[test]
    fn the_status_decides() {
        for (status, expected) in [
            (400, "bad_request"),
            (401, "auth"),
            (402, "billing"),
            (403, "auth"),
            (404, "bad_request"),
            (408, "timeout"),
            (413, "context_overflow"),
            (422, "bad_request"),
            (429, "rate_limit"),
            (500, "server"),
            (502, "server"),
            (503, "overloaded"),
            (504, "timeout"),
            (529, "overloaded"),
            (301, "bad_response"),
        ] {
            assert_eq!(reason(status, "<html>insufficient_quota</html>"), expected, "{status}");
        }
    }

    #[test]
    fn precise_words_win_over_the_status() {
        assert_eq!(reason(429, r#"{"error":{"code":"insufficient_quota"}}"#), "billing");
        assert_eq!(reason(400, r#"{"error":{"code":"context_length_exceeded"}}"#), "context_overflow");
        assert_eq!(reason(500, r#"{"error":{"type":"overloaded_error"}}"#), "overloaded");
        assert_eq!(reason(500, r#"{"error":{"type":"invalid_request_error"}}"#), "server");
        // The text for people decides nothing.
        assert_eq!(reason(400, r#"{"error":{"message":"context_length_exceeded"}}"#), "bad_request");
    }

    #[test]
    fn a_conversation_that_is_too_long_is_known_by_every_vendor_s_words() {
        for said in [
            r#"{"object":"error","message":"This model's maximum context length is 8192 tokens. However, you requested 9000 tokens (8000 in the messages, 1000 in the completion).","type":"BadRequestError","param":null,"code":400}"#,
            r#"{"error":{"message":"This endpoint's maximum context length is 131072 tokens. However, you requested about 200000 tokens","code":400}}"#,
            r#"{"error":{"message":"This model's maximum context length is 65536 tokens.","type":"invalid_request_error","code":"invalid_request_error"}}"#,
            r#"{"object":"error","message":"Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length","type":"invalid_request_error","code":"3051"}"#,
            r#"{"error":"Trying to keep the first 5000 tokens when context the overflows. However, the model is loaded with context length of only 4096 tokens, which is not enough."}"#,
            r#"{"error":{"code":"1261","message":"Prompt exceeds max length"}}"#,
            r#"{"error":{"message":"Invalid request: Your request exceeded model token limit: 8192","type":"invalid_request_error"}}"#,
            r#"{"error":{"code":"invalid_parameter_error","message":"Range of input length should be [1, 30720]","type":"invalid_request_error"}}"#,
            r#"{"code":"Client specified an invalid argument","error":"This model's maximum prompt length is 131072 but the request contains 200000 tokens."}"#,
            r#"{"message":"Input is too long for requested model."}"#,
            r#"{"error":{"message":"prompt token count of 130000 exceeds the limit of 128000","code":"model_max_prompt_tokens_exceeded"}}"#,
        ] {
            assert_eq!(reason(400, said), "context_overflow", "{said}");
        }
        let together = r#"{"error":{"message":"Input validation error: `inputs` tokens + `max_new_tokens` must be <= 8193.","type":"invalid_request_error"}}"#;
        assert_eq!(reason(422, together), "context_overflow");
        // Shortening the conversation would not help.
        let answer = r#"{"error":{"message":"'max_tokens' or 'max_completion_tokens' is too large: 32768. This model's maximum context length is 8192 tokens","code":400}}"#;
        assert_eq!(reason(400, answer), "bad_request");
        assert_eq!(reason(400, r#"{"code":"x","error":"Incorrect API key provided: xx***xx."}"#), "auth");
        assert_eq!(reason(429, r#"{"error":{"code":"1113","message":"no credit"}}"#), "billing");
    }

    #[test]
    fn errors_within_an_answer_have_no_status() {
        assert_eq!(reason(None, r#"{"error":{"code":429,"message":"m"}}"#), "rate_limit");
        assert_eq!(reason(None, r#"{"error":{"type":"rate_limit_error"}}"#), "rate_limit");
        assert_eq!(reason(None, r#"{"message":"m","type":"NotFoundError","code":404}"#), "bad_request");
        assert_eq!(reason(None, r#"{"error":"gone"}"#), "server");
        assert_eq!(ErrorBody::parse(br#"[{"error":{"code":400}}]"#).code.as_deref(), Some("400"));
        assert_eq!(ErrorBody::parse(br#"{"error":"gone"}"#).message.as_deref(), Some("gone"));
    }

    #[test]
    fn waits_are_read_in_every_form_and_bounded() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let wait = |name: &'static str, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().expect("header"));
            retry_after(&headers, now)
        };
        assert_eq!(wait("retry-after", " 7 "), Some(Duration::from_secs(7)));
        assert_eq!(wait("retry-after", "1.5"), Some(Duration::from_millis(1500)));
        assert_eq!(wait("retry-after-ms", "250"), Some(Duration::from_millis(250)));
        assert_eq!(wait("retry-after", "Sun, 06 Nov 1994 08:49:40 GMT"), Some(Duration::from_secs(3)));
        assert_eq!(wait("retry-after", "Sun, 06 Nov 1994 08:49:00 GMT"), Some(Duration::ZERO));
        for endless in ["1e300", "inf", "999999999"] {
            assert_eq!(wait("retry-after", endless), Some(MAX_RETRY_AFTER));
        }
        for nothing in ["-1", "soon", "NaN", ""] {
            assert_eq!(wait("retry-after", nothing), None, "{nothing}");
        }
    }
}
