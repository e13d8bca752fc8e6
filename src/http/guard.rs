//! Endpoints that not everybody may ask.

use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::StatusCode;
use picoclaw_telemetry::sink::{Endpoint, EndpointRequest, EndpointResponse};
use picoclaw_telemetry::words::HttpRejection;

use super::admin::{Token, credential};
use super::observer::Observer;
use super::reply::ApiError;

/// Who may scrape.
#[derive(Clone, Debug, Default)]
pub struct ScrapeAccess {
    bearer: Option<Token>,
    basic: Option<Token>,
    operator: Option<Token>,
}

impl ScrapeAccess {
    /// Whoever shows the token, or the name and the password of the user, or the operator's token.
    pub fn new(bearer: Option<Token>, user: Option<(&str, &str)>, operator: Option<Token>) -> Self {
        let basic = user.and_then(|(name, password)| Token::new(basic_credential(name, password)));
        Self { bearer, basic, operator }
    }

    /// Whether everybody may: neither a token nor a user was configured.
    pub fn is_open(&self) -> bool {
        self.bearer.is_none() && self.basic.is_none()
    }

    /// Whether a request with this `Authorization` header may scrape. Compares in constant time.
    pub fn admits(&self, authorization: Option<&str>) -> bool {
        if self.is_open() {
            return true;
        }
        let header = authorization.unwrap_or_default().as_bytes();
        let shows = |scheme, token: &Option<Token>| {
            let presented = credential(header, scheme);
            token.as_ref().zip(presented).is_some_and(|(token, presented)| token.matches(presented))
        };
        // Not `||`: how long it takes must not tell which one is configured.
        shows("bearer", &self.bearer) | shows("bearer", &self.operator) | shows("basic", &self.basic)
    }

    /// What a stranger is told to show: one `WWW-Authenticate` header per scheme (RFC 9110, section 11.6.1).
    fn challenges(&self) -> Vec<(&'static str, String)> {
        let bearer = self.bearer.as_ref().map(|_| "Bearer realm=\"picoclaw\"");
        let basic = self.basic.as_ref().map(|_| "Basic realm=\"picoclaw\", charset=\"UTF-8\"");
        bearer.into_iter().chain(basic).map(|challenge| ("www-authenticate", challenge.to_owned())).collect()
    }
}

/// The credential of basic authentication (RFC 7617).
pub fn basic_credential(name: &str, password: &str) -> String {
    STANDARD.encode(format!("{name}:{password}"))
}

/// An endpoint that answers those who may scrape.
pub struct Guarded {
    endpoint: Arc<dyn Endpoint>,
    access: ScrapeAccess,
    strangers: Option<Arc<dyn Endpoint>>,
    observer: Arc<dyn Observer>,
}

impl Guarded {
    /// Strangers get a 401.
    pub fn new(endpoint: Arc<dyn Endpoint>, access: ScrapeAccess, observer: Arc<dyn Observer>) -> Self {
        Self { endpoint, access, strangers: None, observer }
    }

    /// Strangers get the answer of another endpoint: for probes, whose alarm must not depend on a secret.
    #[must_use]
    pub fn or_else(mut self, strangers: Arc<dyn Endpoint>) -> Self {
        self.strangers = Some(strangers);
        self
    }
}

#[async_trait]
impl Endpoint for Guarded {
    async fn ask(&self, request: EndpointRequest) -> EndpointResponse {
        if self.access.admits(request.authorization.as_deref()) {
            return self.endpoint.ask(request).await;
        }
        let Some(strangers) = &self.strangers else {
            self.observer.rejected(HttpRejection::Unauthorized);
            let message =
                format!("{:.200} is only for who shows what gateway.metrics.auth asks for", request.path);
            let error = ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", message);
            let answer = EndpointResponse::json(error.status.as_u16(), error.to_json());
            return EndpointResponse { headers: self.access.challenges(), ..answer };
        };
        // Somebody without credentials is a probe; somebody with wrong ones wanted more.
        if request.authorization.is_some() {
            self.observer.rejected(HttpRejection::Unauthorized);
        }
        strangers.ask(request).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::testing::Counts;

    fn access() -> ScrapeAccess {
        ScrapeAccess::new(Token::new("scrape"), Some(("prom", "päss:word")), Token::new("operator"))
    }

    #[test]
    fn a_token_a_user_and_the_operator_are_admitted_and_nobody_else() {
        let user = format!("Basic {}", basic_credential("prom", "päss:word"));
        for (authorization, admitted) in [
            (Some("Bearer scrape"), true),
            (Some("bearer operator"), true),
            (Some(user.as_str()), true),
            (Some("Bearer wrong"), false),
            (Some("Basic scrape"), false),
            (Some("Basic cHJvbTp3cm9uZw=="), false),
            (Some("scrape"), false),
            (Some(""), false),
            (None, false),
        ] {
            assert_eq!(access().admits(authorization), admitted, "{authorization:?}");
        }
        let open = ScrapeAccess::new(None, None, Token::new("operator"));
        assert!(open.is_open() && open.admits(None) && open.admits(Some("Bearer wrong")));
        let with_user = ScrapeAccess::new(None, Some(("prom", "word")), None);
        assert!(!with_user.admits(None) && !with_user.admits(Some("Bearer ")));
    }

    struct Says(&'static str);

    #[async_trait]
    impl Endpoint for Says {
        async fn ask(&self, _: EndpointRequest) -> EndpointResponse {
            EndpointResponse::text(200, self.0)
        }
    }

    async fn ask(guarded: &Guarded, authorization: Option<&str>) -> EndpointResponse {
        let authorization = authorization.map(str::to_owned);
        guarded.ask(EndpointRequest { path: "/metrics".into(), authorization, ..Default::default() }).await
    }

    #[tokio::test]
    async fn strangers_are_told_what_to_show_or_answered_by_another() {
        let counts = Arc::new(Counts::default());
        let guarded = Guarded::new(Arc::new(Says("all")), access(), counts.clone());
        let refused = ask(&guarded, None).await;
        assert_eq!(refused.status, 401);
        let challenges: Vec<_> = refused.headers.iter().map(|(_, value)| value.as_str()).collect();
        assert_eq!(challenges, ["Bearer realm=\"picoclaw\"", "Basic realm=\"picoclaw\", charset=\"UTF-8\""]);
        assert_eq!(counts.rejected(HttpRejection::Unauthorized), 1);
        assert_eq!(ask(&guarded, Some("Bearer scrape")).await.body, "all");

        let guarded = guarded.or_else(Arc::new(Says("little")));
        assert_eq!(ask(&guarded, None).await.body, "little");
        assert_eq!(counts.rejected(HttpRejection::Unauthorized), 1, "a probe is not turned away");
        assert_eq!(ask(&guarded, Some("Bearer wrong")).await.body, "little");
        assert_eq!(counts.rejected(HttpRejection::Unauthorized), 2);
        assert_eq!(ask(&guarded, Some("Bearer scrape")).await.body, "all");
    }
}
