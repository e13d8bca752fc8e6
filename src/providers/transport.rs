//! One HTTP exchange, over whichever client fits the way there.

use std::error::Error;
use std::fmt;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::{HeaderMap, Request, Uri};
use hyper_util::client::legacy::{Client as Pool, connect::HttpConnector};
use tower_service::Service;

/// A client with its connection pool; clones share it.
#[derive(Clone, Debug)]
pub enum Client {
    /// Straight to a plain HTTP server. Costs a quarter less CPU per request than the other.
    Direct(Pool<Dial, Full<Bytes>>),
    /// With TLS, or through a proxy.
    Full(reqwest::Client),
}

/// Connects to one server, whatever the URI of a request calls it: `NAMELESS`, because the pool hashes and compares
/// the name for each request, byte by byte.
#[derive(Clone, Debug)]
pub struct Dial {
    pub(super) connector: HttpConnector,
    pub(super) server: Uri,
}

/// What stands for the server where there is only one.
pub(super) const NAMELESS: &str = "http://s";

impl Service<Uri> for Dial {
    type Response = <HttpConnector as Service<Uri>>::Response;
    type Error = <HttpConnector as Service<Uri>>::Error;
    type Future = <HttpConnector as Service<Uri>>::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.connector.poll_ready(context)
    }

    fn call(&mut self, _nameless: Uri) -> Self::Future {
        self.connector.call(self.server.clone())
    }
}

impl Client {
    /// Posts a body and waits for the head of the answer.
    pub(super) async fn post(
        &self,
        uri: &Uri,
        headers: &HeaderMap,
        body: Vec<u8>,
    ) -> Result<Answer, TransportError> {
        let mut request = Request::new(Full::from(body));
        *request.method_mut() = hyper::Method::POST;
        *request.uri_mut() = uri.clone();
        *request.headers_mut() = headers.clone();
        match self {
            Self::Direct(pool) => {
                let answer = pool.request(request).await.map_err(|error| TransportError {
                    connecting: error.is_connect(),
                    source: error.into(),
                })?;
                let (head, body) = answer.into_parts();
                Ok(Answer { status: head.status.as_u16(), headers: head.headers, body: Body::Direct(body) })
            }
            Self::Full(client) => {
                let request = request.map(reqwest::Body::wrap).try_into()?;
                let answer = client.execute(request).await?;
                let (head, body) = hyper::Response::from(answer).into_parts();
                Ok(Answer { status: head.status.as_u16(), headers: head.headers, body: Body::Full(body) })
            }
        }
    }
}

/// An answer whose body is still to come. Dropping it gives its body up.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    body: Body,
}

#[derive(Debug)]
enum Body {
    Direct(Incoming),
    Full(reqwest::Body),
}

impl Answer {
    /// The next bytes of the body; `None` at its end.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, TransportError> {
        loop {
            let frame = match &mut self.body {
                Body::Direct(body) => match body.frame().await {
                    Some(frame) => {
                        frame.map_err(|error| TransportError { connecting: false, source: error.into() })?
                    }
                    None => return Ok(None),
                },
                Body::Full(body) => match body.frame().await {
                    Some(frame) => frame?,
                    None => return Ok(None),
                },
            };
            // Trailers say nothing of interest.
            if let Ok(bytes) = frame.into_data() {
                return Ok(Some(bytes));
            }
        }
    }
}

/// A request that was not sent, or an answer that did not arrive.
#[derive(Debug)]
pub(super) struct TransportError {
    connecting: bool,
    source: Box<dyn Error + Send + Sync>,
}

impl From<reqwest::Error> for TransportError {
    fn from(error: reqwest::Error) -> Self {
        // The URL may hold a secret.
        Self { connecting: error.is_connect(), source: error.without_url().into() }
    }
}

impl TransportError {
    /// Whether there was no connection yet.
    pub(super) const fn is_connecting(&self) -> bool {
        self.connecting
    }

    /// Whether the other side speaks another protocol.
    pub(super) fn is_parse(&self) -> bool {
        self.causes().any(|cause| cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse))
    }

    fn causes(&self) -> impl Iterator<Item = &(dyn Error + 'static)> {
        let outermost: &(dyn Error + 'static) = &*self.source;
        std::iter::successors(Some(outermost), |&error| error.source())
    }
}

/// The innermost cause, which says what happened; the ones around it only say where.
impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.causes().last().map_or(Ok(()), |cause| fmt::Display::fmt(cause, f))
    }
}
