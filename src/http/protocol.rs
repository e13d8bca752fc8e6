//! What HTTP itself demands of a request, before any route sees it.

use hyper::header::{ALLOW, HOST, HeaderValue};
use hyper::{Method, Request, StatusCode, Version};
use warp::reply::Response;

use super::reply::{self, ApiError};

const ALLOWED: &str = "GET, HEAD, POST, OPTIONS";

/// What became of a request.
pub(super) enum Checked {
    /// It may go on; its `Host` is the one that counts.
    Passed,
    /// It is answered.
    Answered(Response),
    /// It breaks the protocol.
    Malformed(Response),
}

/// Looks at a request before the routes do.
///
/// `CONNECT`, `OPTIONS *` and a bare name as the target have no path, and filters that match paths would panic. Which
/// name the gateway was reached by decides who may ask, so it must be said once (RFC 9112, section 3.2).
pub(super) fn check<B>(request: &mut Request<B>) -> Checked {
    if request.method() == Method::CONNECT {
        let message = "the gateway is no proxy: ask it for a path";
        return Checked::Answered(with_allow(reply::error(&ApiError::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            message,
        ))));
    }
    if request.method() == Method::OPTIONS && request.uri().path() == "*" {
        let mut response = Response::new(Default::default());
        *response.status_mut() = StatusCode::NO_CONTENT;
        return Checked::Answered(with_allow(response));
    }
    if request.uri().scheme().is_none() && request.uri().authority().is_some() {
        return malformed("the target of the request is no path: begin it with /");
    }
    // A target that is a whole URL counts more than the header.
    if let Some(authority) = request.uri().authority()
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        request.headers_mut().insert(HOST, host);
    }
    match request.headers().get_all(HOST).iter().count() {
        1 => Checked::Passed,
        0 if request.version() < Version::HTTP_11 => Checked::Passed,
        found => malformed(format!("the request has {found} Host headers: send exactly one")),
    }
}

fn malformed(message: impl Into<String>) -> Checked {
    Checked::Malformed(reply::error(&ApiError::new(StatusCode::BAD_REQUEST, "malformed_request", message)))
}

fn with_allow(mut response: Response) -> Response {
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(ALLOWED));
    response
}
