//! The HTTP server.
//!
//! | Path | Methods | What |
//! |---|---|---|
//! | `/live` | GET, HEAD | the process serves: always 200 `{"alive":true}` |
//! | `/ready` | GET, HEAD | 200 when the gateway accepts messages, otherwise 503, with its checks |
//! | `/reload` | POST | reads the configuration again; needs the token of the pid file |
//! | `/v1/chat/completions` | POST | one message, answered at once or as a stream ([`channel`]) |
//! | `/v1/models`, `/v1/models/{id}` | GET, HEAD | the configured models |
//! | the paths of channels, such as `/pico/ws` | any | what the [channel](inlets) says |
//! | any other path of the [`EndpointTable`] | GET, HEAD | what the sinks offer: `/metrics`, `/health`, ...; [guarded](guard) if configured |
//!
//! A path matches exactly or not at all. Everything else is a 404 in the error shape of the OpenAI API.
//!
//! [`serve`] runs warp filters on an accept loop of its own, because warp's has no limit on connections, no
//! deadline for a request's head, and never sets `TCP_NODELAY`. Layers, outermost first: [`bind()`] makes
//! listeners, [`serve`] accepts, one task per connection watches its deadlines, `routes` finds the handler. [`serving`]: the servers that run.

pub mod admin;
pub mod bind;
pub mod body;
pub mod channel;
mod connection;
pub mod encoding;
pub mod endpoints;
pub mod guard;
pub mod inlets;
pub mod observer;
mod protocol;
pub mod readiness;
pub mod reply;
mod routes;
pub mod server;
pub mod serving;
pub mod takeover;
mod watch;

pub use bind::{BindError, Bound, bind};
pub use endpoints::{EndpointTable, Endpoints};
pub use observer::{ConnInfo, Observer};
pub use server::{Drained, Limits, serve};
pub use serving::{Handlers, serve_gateway, serve_probes};

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
