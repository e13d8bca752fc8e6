//! Who may connect: whoever shows the token, in one of three ways.

use hyper::header::{HeaderMap, HeaderValue, ORIGIN, SEC_WEBSOCKET_PROTOCOL};

use picoclaw::http::admin::Token;
use picoclaw::http::inlets::Call;

/// The rules.
#[derive(Debug)]
pub(super) struct Access {
    /// Without it nobody is let in.
    pub(super) token: Option<Token>,
    /// Whether the token may stand in the address, where logs of others would keep it.
    pub(super) allow_token_query: bool,
    /// Pages of these origins alone; empty: of all.
    pub(super) allow_origins: Vec<String>,
}

/// Somebody is let in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Grant {
    /// What to repeat to a browser, which otherwise gives the connection up.
    pub(super) subprotocol: Option<HeaderValue>,
}

impl Access {
    /// Looks for the token as bearer, as subprotocol `token.<token>`, and in the query if allowed, in this order.
    pub(super) fn admit(&self, call: &Call) -> Option<Grant> {
        let token = self.token.as_ref()?;
        let subprotocol = subprotocols(&call.headers)
            .find(|name| name.strip_prefix("token.").is_some_and(|shown| token.matches(shown.as_bytes())))
            .and_then(|name| HeaderValue::from_str(name).ok());
        let by_query = || {
            self.allow_token_query
                && parameter(call, "token").is_some_and(|shown| token.matches(shown.as_bytes()))
        };
        let admitted = token.is_borne_by(&call.headers) || subprotocol.is_some() || by_query();
        admitted.then_some(Grant { subprotocol })
    }

    /// Whether the page that connects, if it is a page, may.
    pub(super) fn allows_origin(&self, headers: &HeaderMap) -> bool {
        let Some(origin) = headers.get(ORIGIN) else {
            return true;
        };
        self.allow_origins.is_empty()
            || self
                .allow_origins
                .iter()
                .any(|allowed| allowed == "*" || allowed.as_bytes() == origin.as_bytes())
    }
}

fn subprotocols(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).map(str::trim)
}

/// A parameter of the query, decoded.
pub(super) fn parameter(call: &Call, name: &str) -> Option<String> {
    let query = call.query.as_deref()?;
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.into_iter().find(|(key, _)| *key == name).map(|(_, value)| decode(value))
}

/// Undoes the percent-encoding; what is not one stays as it is.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let digit = |at: usize| tail.get(at).and_then(|digit| char::from(*digit).to_digit(16));
        match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push(u8::try_from(high * 16 + low).expect("two hexadecimal digits are a byte"));
                rest = &tail[2..];
            }
            (b'+', ..) => {
                bytes.push(b' ');
                rest = tail;
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use futures_util::stream;
    use hyper::Method;
    use hyper::header::AUTHORIZATION;

    use super::*;
    use picoclaw::http::ConnInfo;

    fn call(query: Option<&str>, headers: &[(hyper::header::HeaderName, &str)]) -> Call {
        let address: SocketAddr = ([127, 0, 0, 1], 1).into();
        Call {
            method: Method::GET,
            path: "/pico/ws".to_owned(),
            query: query.map(str::to_owned),
            headers: headers.iter().map(|(n, v)| (n.clone(), v.parse().unwrap())).collect(),
            conn: ConnInfo { peer: address, listener: address },
            body: Box::pin(stream::empty()),
        }
    }

    fn access(query: bool) -> Access {
        Access { token: Token::new("s3 c"), allow_token_query: query, allow_origins: Vec::new() }
    }

    #[test]
    fn the_token_is_looked_for_in_three_places() {
        let bearer = [(AUTHORIZATION, "Bearer s3 c")];
        let protocol = [(SEC_WEBSOCKET_PROTOCOL, "chat, token.x, token.s3 c")];
        let query = call(Some("a=b&token=s3%20c"), &[]);
        let admitted = |access: &Access, call: &Call| access.admit(call).map(|grant| grant.subprotocol);
        assert_eq!(admitted(&access(false), &call(None, &bearer)), Some(None));
        let echoed = HeaderValue::from_static("token.s3 c");
        assert_eq!(admitted(&access(false), &call(None, &protocol)), Some(Some(echoed)));
        assert_eq!(admitted(&access(false), &query), None);
        assert_eq!(admitted(&access(true), &query), Some(None));
        for wrong in
            [call(Some("token=s3"), &[]), call(None, &[(AUTHORIZATION, "Bearer s")]), call(None, &[])]
        {
            assert_eq!(admitted(&access(true), &wrong), None);
        }
        let closed = Access { token: None, ..access(true) };
        assert_eq!(admitted(&closed, &call(Some("token="), &[])), None);
    }

    #[test]
    fn pages_of_other_origins_are_kept_out_if_asked_to() {
        let open = access(false);
        let picky = Access { allow_origins: vec!["https://a.example".to_owned()], ..access(false) };
        let from = |origin| call(None, &[(ORIGIN, origin)]).headers;
        assert!(open.allows_origin(&from("https://b.example")));
        assert!(picky.allows_origin(&from("https://a.example")) && picky.allows_origin(&HeaderMap::new()));
        assert!(!picky.allows_origin(&from("https://b.example")));
    }

    #[test]
    fn names_of_sessions_are_decoded() {
        let asked = |query| parameter(&call(Some(query), &[]), "session_id");
        assert_eq!(asked("session_id=a%2Fb+c%zz").as_deref(), Some("a/b c%zz"));
        assert_eq!(asked("x_session_id=a"), None);
    }
}
