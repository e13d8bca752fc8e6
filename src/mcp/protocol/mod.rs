//! The client's side of the Model Context Protocol: `rmcp` behind a few calls.
//!
//! The types are those of `rmcp`. All calls of it are here, and behind pointers: what waits for an answer is large, and
//! would be part of everything that waits for it.

mod client;

use std::pin::Pin;

use reqwest::Client;
use rmcp::ServiceExt;
use rmcp::service::{ClientInitializeError, RunningService, ServiceError};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::async_rw::AsyncRwTransport;
use tokio::process::{ChildStdin, ChildStdout};

pub(crate) use client::Listening;
pub(crate) use rmcp::model;
pub(crate) use rmcp::service::{Peer, RoleClient, ServiceError as CallError};
pub(crate) use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig as HttpConfig;

use model::{CallToolRequestParams, CallToolResult, ClientRequest, PingRequest, Tool};

/// A connection that was made. Dropping it closes it.
pub(crate) type Session = RunningService<RoleClient, Listening>;
/// What is going on.
pub(crate) type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Connects to a program over its standard streams. Messages of more than `longest` bytes end the connection.
pub(crate) fn over_streams(
    output: ChildStdout,
    input: ChildStdin,
    longest: usize,
    listening: Listening,
) -> Pending<'static, Result<Session, ClientInitializeError>> {
    let transport = AsyncRwTransport::new(output, input).with_max_line_length(longest);
    Box::pin(async move { listening.serve(transport).await })
}

/// Connects to a URL with streamable HTTP.
pub(crate) fn over_http(
    client: Client,
    config: HttpConfig,
    listening: Listening,
) -> Pending<'static, Result<Session, ClientInitializeError>> {
    let transport = StreamableHttpClientTransport::with_client(client, config);
    Box::pin(async move { listening.serve(transport).await })
}

/// Completes when the connection has ended, from whichever side.
pub(crate) fn ended(session: Session) -> Pending<'static, ()> {
    Box::pin(async move { drop(session.waiting().await) })
}

/// All tools that a server offers.
pub(crate) fn tools(peer: &Peer<RoleClient>) -> Pending<'_, Result<Vec<Tool>, ServiceError>> {
    Box::pin(peer.list_all_tools())
}

/// Calls a tool.
pub(crate) fn call(
    peer: &Peer<RoleClient>,
    request: CallToolRequestParams,
) -> Pending<'_, Result<CallToolResult, ServiceError>> {
    Box::pin(peer.call_tool(request))
}

/// Asks whether the server is there.
pub(crate) fn ping(peer: &Peer<RoleClient>) -> Pending<'_, Result<(), ServiceError>> {
    let request = ClientRequest::PingRequest(PingRequest::default());
    Box::pin(async move { peer.send_request(request).await.map(drop) })
}
