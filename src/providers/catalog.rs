//! From a configured model to the provider that answers for it.

use std::sync::Arc;

use super::anthropic::{self, Anthropic};
use super::clients::HttpClients;
use super::echo::Echo;
use super::gemini::{self, Gemini};
use super::openai::OpenAi;
use super::provider::Provider;
use super::schema::Simplified;
use super::spec::ModelSpec;
use super::vendors;

/// The name of the built-in provider.
pub const ECHO: &str = "echo";

/// A model entry that no provider can answer for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("model_list entry `{model}`: {field} {problem}")]
pub struct BuildError {
    /// The entry's `model_name`.
    pub model: String,
    /// The field at fault.
    pub field: &'static str,
    /// What is wrong and what to do, without the value where it may be secret.
    pub problem: String,
}

impl BuildError {
    pub(super) fn new(spec: &ModelSpec, field: &'static str, problem: impl Into<String>) -> Self {
        Self { model: spec.name.clone(), field, problem: problem.into() }
    }
}

/// Makes the provider for a model.
///
/// # Errors
/// A field of the entry makes no sense; the error names it and the remedy.
pub fn build(spec: &ModelSpec, clients: &HttpClients) -> Result<Arc<dyn Provider>, BuildError> {
    let provider = in_full(spec, clients)?;
    Ok(if spec.simple_tools { Arc::new(Simplified(provider)) } else { provider })
}

/// The provider, whatever it can read of a tool's description.
fn in_full(spec: &ModelSpec, clients: &HttpClients) -> Result<Arc<dyn Provider>, BuildError> {
    if spec.provider.eq_ignore_ascii_case(ECHO) {
        return Ok(Arc::new(Echo::new(spec.request_timeout)));
    }
    if let Some(api_base) = anthropic_base(spec) {
        return Ok(Arc::new(Anthropic::new(spec, api_base, clients)?));
    }
    if let Some(api_base) = gemini_base(spec) {
        return Ok(Arc::new(Gemini::new(spec, api_base, clients)?));
    }
    let vendor = vendors::find(&spec.provider);
    let api_base = match (&spec.api_base, vendor) {
        (Some(base), _) if !base.trim().is_empty() => base.trim(),
        (_, Some(vendor)) if !vendor.api_base.is_empty() => vendor.api_base,
        (_, _) => {
            let problem = format!(
                "is missing and provider `{}` has no known address: set api_base to the URL of an API that speaks \
                 the OpenAI protocol, or provider to one of {}",
                spec.provider,
                known_providers().collect::<Vec<_>>().join(", "),
            );
            return Err(BuildError::new(spec, "api_base", problem));
        }
    };
    Ok(Arc::new(OpenAi::new(spec, api_base, vendor, clients)?))
}

/// The providers that speak the Anthropic Messages protocol, and where they are.
const MESSAGES: &[(&str, &str)] = &[
    ("anthropic-messages", anthropic::API_BASE),
    ("coding-plan-anthropic", "https://coding-intl.dashscope.aliyuncs.com/apps/anthropic"),
    ("alibaba-coding-anthropic", "https://coding-intl.dashscope.aliyuncs.com/apps/anthropic"),
];

/// Where the API is, if it speaks the Anthropic Messages protocol. `anthropic` does at its own address; elsewhere it is
/// the name of a proxy that speaks the OpenAI protocol.
pub(super) fn anthropic_base(spec: &ModelSpec) -> Option<&str> {
    let base = spec.api_base.as_deref().map(str::trim).filter(|base| !base.is_empty());
    if spec.provider.eq_ignore_ascii_case("anthropic") {
        let base = base.unwrap_or(anthropic::API_BASE);
        return base.starts_with("https://api.anthropic.com").then_some(base);
    }
    let known = MESSAGES.iter().find(|(name, _)| spec.provider.eq_ignore_ascii_case(name));
    known.map(|(_, known)| base.unwrap_or(known))
}

/// The provider that speaks the Gemini protocol wherever it is.
const GEMINI_NATIVE: &str = "gemini-native";

/// Where the API is, if it speaks the Gemini protocol. `gemini` does at its own address, unless that ends in the path of
/// its other protocol; elsewhere it is the name of a proxy.
pub(super) fn gemini_base(spec: &ModelSpec) -> Option<&str> {
    if spec.provider.eq_ignore_ascii_case(GEMINI_NATIVE) {
        let base = spec.api_base.as_deref().map(str::trim).filter(|base| !base.is_empty());
        return Some(base.unwrap_or(gemini::API_BASE));
    }
    if !spec.provider.eq_ignore_ascii_case("gemini") {
        return None;
    }
    let base = spec.api_base.as_deref().map(str::trim).filter(|base| !base.is_empty());
    let base = base.unwrap_or(gemini::API_BASE).trim_end_matches('/');
    (base.starts_with("https://generativelanguage.googleapis.com") && !base.ends_with("/openai"))
        .then_some(base)
}

/// The providers that need no `api_base`.
pub fn known_providers() -> impl Iterator<Item = &'static str> {
    let messages = MESSAGES.iter().map(|(name, _)| *name).chain([GEMINI_NATIVE]);
    let known = vendors::VENDORS.iter().filter(|vendor| !vendor.api_base.is_empty());
    std::iter::once(ECHO).chain(messages).chain(known.map(|vendor| vendor.name))
}

/// Whether the provider's own address refuses requests without a key. Those on this machine do not.
pub fn wants_key(provider: &str) -> bool {
    let native = MESSAGES.iter().map(|(name, _)| *name).chain([GEMINI_NATIVE]);
    native.into_iter().any(|name| provider.eq_ignore_ascii_case(name))
        || vendors::find(provider).is_some_and(|vendor| !vendor.api_base.starts_with("http://"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(spec: &ModelSpec) -> String {
        match build(spec, &HttpClients::new()) {
            Ok(provider) => panic!("built {}", provider.name()),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn every_known_vendor_builds_without_an_address() {
        for name in known_providers() {
            let provider = build(&ModelSpec::new("m", name, "id"), &HttpClients::new()).expect(name);
            assert_eq!(provider.name(), name);
        }
    }

    #[test]
    fn any_word_builds_with_an_address() {
        let mut spec = ModelSpec::new("m", "my-lab", "id");
        spec.api_base = Some(" http://10.0.0.1:8000/v1/ ".into());
        assert_eq!(build(&spec, &HttpClients::new()).expect("built").name(), "my-lab");
    }

    #[test]
    fn errors_name_the_entry_the_field_and_the_remedy() {
        let unknown = problem(&ModelSpec::new("fast", "opnai", "gpt"));
        assert!(unknown.starts_with("model_list entry `fast`: api_base is missing"), "{unknown}");
        assert!(unknown.contains("`opnai`") && unknown.contains("openai"), "{unknown}");

        let mut spec = ModelSpec::new("fast", "openai", "gpt");
        spec.api_base = Some("localhost:11434".into());
        assert!(problem(&spec).contains("api_base"), "{}", problem(&spec));
        spec.api_base = Some("ftp://somewhere".into());
        assert!(problem(&spec).contains("http://"), "{}", problem(&spec));
        spec.api_base = Some("https://user:hunter22@somewhere".into());
        assert!(problem(&spec).contains("custom_headers") && !problem(&spec).contains("hunter22"));

        let mut spec = ModelSpec::new("fast", "openai", "gpt");
        spec.api_key = Some("sk-secret\nline".into());
        assert!(problem(&spec).contains("api_keys") && !problem(&spec).contains("secret"));

        let mut spec = ModelSpec::new("fast", "openai", "gpt");
        spec.custom_headers = vec![("bad header".into(), "v".into())];
        assert!(problem(&spec).contains("custom_headers"));

        let mut spec = ModelSpec::new("fast", "openai", "gpt");
        spec.proxy = Some("http://user:hunter22@[".into());
        assert!(problem(&spec).contains("proxy") && !problem(&spec).contains("hunter22"));

        let mut spec = ModelSpec::new("fast", "openai", "gpt");
        spec.user_agent = Some("a\u{7f}b".into());
        assert!(problem(&spec).contains("user_agent"));
    }
}
