//! The table of endpoints, which a reload exchanges while requests are being answered.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use hyper::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue, VARY};
use hyper::{Method, StatusCode};
use picoclaw_telemetry::sink::{Endpoint, EndpointRequest, EndpointResponse};
use warp::reply::Response;

use super::encoding;
use super::reply;

/// Which path is answered by what.
#[derive(Clone, Default)]
pub struct EndpointTable {
    by_path: HashMap<String, Served>,
}

#[derive(Clone)]
struct Served {
    handler: Arc<dyn Endpoint>,
    /// Whether the port for probes serves it too.
    is_probe: bool,
}

/// Two endpoints claim one path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the path {0} is claimed twice: give one of the endpoints another path")]
pub struct PathTaken(pub String);

impl EndpointTable {
    /// An empty table.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an endpoint, unless its path is taken.
    pub fn add(&mut self, path: &str, handler: Arc<dyn Endpoint>) -> Result<(), PathTaken> {
        self.serve(path, Served { handler, is_probe: false })
    }

    /// Adds an endpoint that the port for probes serves too, unless its path is taken.
    pub fn add_probe(&mut self, path: &str, handler: Arc<dyn Endpoint>) -> Result<(), PathTaken> {
        self.serve(path, Served { handler, is_probe: true })
    }

    fn serve(&mut self, path: &str, served: Served) -> Result<(), PathTaken> {
        if self.by_path.contains_key(path) {
            return Err(PathTaken(path.to_owned()));
        }
        self.by_path.insert(path.to_owned(), served);
        Ok(())
    }

    /// The paths, in no order.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.by_path.keys().map(String::as_str)
    }
}

impl std::fmt::Debug for EndpointTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.paths()).finish()
    }
}

/// The table in use. Cheap to clone; all clones see the same table.
#[derive(Clone, Debug, Default)]
pub struct Endpoints {
    table: Arc<ArcSwap<EndpointTable>>,
}

impl Endpoints {
    /// Starts with a table.
    pub fn new(table: EndpointTable) -> Self {
        Self { table: Arc::new(ArcSwap::from_pointee(table)) }
    }

    /// Exchanges the table. Requests that are being answered keep the endpoint that they found.
    pub fn replace(&self, table: EndpointTable) {
        self.table.store(Arc::new(table));
    }

    /// What answers at exactly this path.
    pub fn find(&self, path: &str) -> Option<Arc<dyn Endpoint>> {
        self.table.load().by_path.get(path).map(|served| Arc::clone(&served.handler))
    }

    /// What answers at exactly this path of the port for probes.
    pub fn find_probe(&self, path: &str) -> Option<Arc<dyn Endpoint>> {
        let table = self.table.load();
        table.by_path.get(path).filter(|served| served.is_probe).map(|served| Arc::clone(&served.handler))
    }
}

/// Asks an endpoint and turns its answer into a response of the server.
pub async fn answer(
    handler: Arc<dyn Endpoint>,
    method: Method,
    request: EndpointRequest,
    accept_encoding: Option<String>,
) -> Response {
    if method != Method::GET && method != Method::HEAD {
        return reply::method_not_allowed(&request.path, "GET, HEAD");
    }
    respond(handler.ask(request).await, accept_encoding.as_deref())
}

/// hyper leaves the body out of the answer to a HEAD request and keeps its length in the head.
fn respond(answer: EndpointResponse, accept_encoding: Option<&str>) -> Response {
    let packed = encoding::gzip(&answer.body, accept_encoding);
    let is_packed = packed.is_some();
    let mut response = Response::new(packed.unwrap_or(answer.body).into());
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    // What an endpoint says holds for this moment.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(value) = HeaderValue::from_str(answer.content_type) {
        headers.insert(CONTENT_TYPE, value);
    }
    for (name, value) in answer.headers {
        match (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(&value)) {
            (Ok(name), Ok(value)) => {
                headers.append(name, value);
            }
            _ => tracing::warn!(name, "An endpoint answered with a header that is not valid; left out."),
        }
    }
    if is_packed {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
    response
}
