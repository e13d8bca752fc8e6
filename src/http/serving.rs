//! The servers that run: one for everything, and one for probes alone.
//!
//! What serves a filter is generated where [`serve`] is called. So it is called here, in the crate that is compiled for
//! speed, and a caller gets a pointer.

use std::pin::Pin;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::admin::Admin;
use super::channel::HttpChannel;
use super::endpoints::Endpoints;
use super::inlets::Inlets;
use super::observer::Observer;
use super::routes;
use super::server::{Drained, Limits, serve};

/// A server; completes when its last connection is gone.
pub type Serving = Pin<Box<dyn Future<Output = Drained> + Send>>;

/// Who answers on the main port.
pub struct Handlers {
    /// What sinks and probes offer.
    pub endpoints: Endpoints,
    /// Reloads.
    pub admin: Arc<Admin>,
    /// Messages.
    pub channel: Arc<HttpChannel>,
    /// The paths of other channels.
    pub inlets: Inlets,
}

/// Serves everything, as [`serve`] does.
pub fn serve_gateway(
    listeners: Vec<TcpListener>,
    handlers: Handlers,
    limits: Limits,
    observer: Arc<dyn Observer>,
    stop: CancellationToken,
) -> Serving {
    let Handlers { endpoints, admin, channel, inlets } = handlers;
    Box::pin(serve(listeners, routes::gateway(endpoints, admin, channel, inlets), limits, observer, stop))
}

/// Serves only what probes ask, as [`serve`] does.
pub fn serve_probes(
    listeners: Vec<TcpListener>,
    endpoints: Endpoints,
    limits: Limits,
    observer: Arc<dyn Observer>,
    stop: CancellationToken,
) -> Serving {
    Box::pin(serve(listeners, routes::probes(endpoints), limits, observer, stop))
}
