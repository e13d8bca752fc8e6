//! Which handler answers which request.

use std::convert::Infallible;
use std::sync::Arc;

use hyper::Method;
use hyper::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, HeaderMap};
use picoclaw_telemetry::sink::{Endpoint, EndpointRequest};
use warp::path::FullPath;
use warp::reply::Response;
use warp::{Filter, Rejection};

use super::admin::Admin;
use super::channel::HttpChannel;
use super::endpoints::{self, Endpoints};
use super::inlets::{self, Call, Inlet, Inlets};
use super::observer::ConnInfo;
use super::reply;

/// Everything that the gateway serves on its main port.
pub(super) fn gateway(
    endpoints: Endpoints,
    admin: Arc<Admin>,
    channel: Arc<HttpChannel>,
    inlets: Inlets,
) -> impl Filter<Extract = (Response,), Error = Infallible, Future: Send> + Clone + Send + Sync + 'static {
    let v1 = warp::path("v1")
        .and(warp::path::full())
        .and(warp::method())
        .and(warp::header::headers_cloned())
        .and(warp::ext::get::<ConnInfo>())
        .and(warp::body::stream())
        .then(move |path: FullPath, method: Method, headers: HeaderMap, conn: ConnInfo, body| {
            let channel = Arc::clone(&channel);
            async move { channel.handle(&method, path.as_str(), &headers, conn, body).await }
        });
    let reload = warp::path("reload")
        .and(warp::path::end())
        .and(warp::method())
        .and(warp::header::headers_cloned())
        .then(move |method: Method, headers: HeaderMap| {
            let admin = Arc::clone(&admin);
            async move { admin.reload(&method, &headers).await }
        });
    table(move |path| endpoints.find(path))
        .or(v1)
        .unify()
        .or(reload)
        .unify()
        .or(channels(inlets))
        .unify()
        .or(nothing())
        .unify()
}

/// What channels answer.
fn channels(
    inlets: Inlets,
) -> impl Filter<Extract = (Response,), Error = Rejection, Future: Send> + Clone + Send + Sync + 'static {
    warp::path::full()
        .and_then(move |path: FullPath| {
            let found = inlets.find(path.as_str());
            std::future::ready(found.map(|inlet| (inlet, path)).ok_or_else(warp::reject::not_found))
        })
        .and(warp::method())
        .and(warp::query::raw().map(Some).or(warp::any().map(|| None)).unify())
        .and(warp::header::headers_cloned())
        .and(warp::ext::get::<ConnInfo>())
        .and(warp::body::stream())
        .then(|(inlet, path): (Arc<dyn Inlet>, FullPath), method, query, headers, conn, body| async move {
            let path = path.as_str().to_owned();
            let body = inlets::body(body);
            inlet.call(Call { method, path, query, headers, conn, body }).await
        })
}

/// Only the endpoints for probes, as the table in use names them: for a listener that probes reach and nobody else.
pub(super) fn probes(
    endpoints: Endpoints,
) -> impl Filter<Extract = (Response,), Error = Infallible, Future: Send> + Clone + Send + Sync + 'static {
    table(move |path| endpoints.find_probe(path)).or(nothing()).unify()
}

/// The endpoints of a table, at exactly their paths.
fn table(
    find: impl Fn(&str) -> Option<Arc<dyn Endpoint>> + Clone + Send + Sync + 'static,
) -> impl Filter<Extract = (Response,), Error = Rejection, Future: Send> + Clone + Send + Sync + 'static {
    warp::path::full()
        .and_then(move |path: FullPath| {
            let found = find(path.as_str());
            std::future::ready(found.map(|handler| (handler, path)).ok_or_else(warp::reject::not_found))
        })
        .and(warp::method())
        .and(warp::query::raw().map(Some).or(warp::any().map(|| None)).unify())
        .and(warp::header::headers_cloned())
        .then(|(handler, path): (_, FullPath), method, query, headers: HeaderMap| {
            // A header that is no text is as good as none.
            let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
            let (accept, authorization) = (header(ACCEPT), header(AUTHORIZATION));
            let accept_encoding = header(ACCEPT_ENCODING);
            let path = path.as_str().to_owned();
            endpoints::answer(
                handler,
                method,
                EndpointRequest { path, query, accept, authorization },
                accept_encoding,
            )
        })
}

fn nothing()
-> impl Filter<Extract = (Response,), Error = Infallible, Future: Send> + Clone + Send + Sync + 'static {
    warp::path::full().map(|path: FullPath| reply::unknown_path(path.as_str()))
}
