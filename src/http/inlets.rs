//! Paths that channels answer: they come and go with the channels.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use bytes::{Buf, Bytes};
use futures_util::{Stream, StreamExt};
use hyper::Method;
use hyper::header::HeaderMap;
use warp::reply::Response;

use super::observer::ConnInfo;

/// A request to a channel.
pub struct Call {
    /// Its method.
    pub method: Method,
    /// Its path.
    pub path: String,
    /// What follows the `?`.
    pub query: Option<String>,
    /// Its headers.
    pub headers: HeaderMap,
    /// Both ends of the connection.
    pub conn: ConnInfo,
    /// Its body, still to be read.
    pub body: Body,
}

/// A body that is still to be read.
pub type Body = Pin<Box<dyn Stream<Item = Result<Bytes, warp::Error>> + Send + Sync>>;

/// Boxes the body of a request.
pub(super) fn body<B: Buf>(
    stream: impl Stream<Item = Result<B, warp::Error>> + Send + Sync + 'static,
) -> Body {
    Box::pin(stream.map(|chunk| chunk.map(|mut chunk| chunk.copy_to_bytes(chunk.remaining()))))
}

/// A channel that is reached through the gateway's own HTTP server.
#[async_trait]
pub trait Inlet: Send + Sync {
    /// Answers a request, whatever its method.
    async fn call(&self, call: Call) -> Response;
}

/// Which path belongs to which channel. Cheap to clone; all clones see a replacement.
#[derive(Clone, Default)]
pub struct Inlets(Arc<ArcSwap<BTreeMap<String, Arc<dyn Inlet>>>>);

impl Inlets {
    /// Serves these paths from now on. One that ends in `/` also stands for everything below it.
    pub fn replace(&self, inlets: BTreeMap<String, Arc<dyn Inlet>>) {
        self.0.store(Arc::new(inlets));
    }

    /// Who answers at this path: exactly this one, else the longest that it lies below.
    pub fn find(&self, path: &str) -> Option<Arc<dyn Inlet>> {
        let inlets = self.0.load();
        let below = |prefix: &str| prefix.ends_with('/') && path.starts_with(prefix);
        let longest =
            || inlets.iter().filter(|(prefix, _)| below(prefix)).max_by_key(|(prefix, _)| prefix.len());
        inlets.get_key_value(path).or_else(longest).map(|(_, inlet)| Arc::clone(inlet))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nothing;

    #[async_trait]
    impl Inlet for Nothing {
        async fn call(&self, _: Call) -> Response {
            Response::default()
        }
    }

    #[test]
    fn the_longest_path_wins() {
        let inlets = Inlets::default();
        let each = ["/a/", "/a/b/", "/a/b", "/hook"].map(|path| (path, Arc::new(Nothing) as Arc<dyn Inlet>));
        inlets.replace(each.iter().map(|(path, inlet)| ((*path).to_owned(), Arc::clone(inlet))).collect());
        let found = |path: &str| {
            let found = inlets.find(path)?;
            each.iter().find(|(_, inlet)| Arc::ptr_eq(inlet, &found)).map(|(path, _)| *path)
        };
        assert_eq!(found("/a/x"), Some("/a/"));
        assert_eq!(found("/a/b/c"), Some("/a/b/"));
        assert_eq!(found("/a/b"), Some("/a/b"));
        assert_eq!(found("/hook"), Some("/hook"));
        assert_eq!((found("/hook/x"), found("/a"), found("/")), (None, None, None));
    }
}
