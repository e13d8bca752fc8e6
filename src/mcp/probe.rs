//! Looking once at what a server offers.

use std::sync::Arc;
use std::time::Duration;

use super::connection::Connection;
use super::keeper::{READY_WITHIN, list};
use super::name::tool_name;
use super::spec::ServerSpec;

/// What a server offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offered {
    /// What it calls itself, with its version; empty when it does not say.
    pub server: String,
    /// The name under which a model sees each tool, and what the tool says of itself.
    pub tools: Vec<(String, String)>,
}

/// Connects to a server, asks what it offers, and ends it again.
///
/// # Errors
/// What goes wrong, in words.
pub async fn probe(spec: &ServerSpec, patience: Option<Duration>) -> Result<Offered, String> {
    let patience = patience.unwrap_or(READY_WITHIN);
    let asked = async {
        let connection = Connection::open(&spec.name, &spec.way, &Arc::default()).await?;
        let peer = connection.session.peer().clone();
        let tools = list(spec, &peer).await;
        let server = peer.peer_info().and_then(|info| info.server_info.clone());
        let server = server.map_or_else(String::new, |server| format!("{} {}", server.name, server.version));
        let Connection { session, program } = connection;
        session.cancellation_token().cancel();
        crate::protocol::ended(session).await;
        if let Some(program) = program {
            program.end().await;
        }
        let described = |tool: &crate::protocol::model::Tool| {
            (tool_name(&spec.name, &tool.name), tool.description.clone().unwrap_or_default().into_owned())
        };
        Ok(Offered { server, tools: tools?.iter().map(described).collect() })
    };
    let late = || format!("it was not ready within {} s", patience.as_secs());
    tokio::time::timeout(patience, asked).await.unwrap_or_else(|_| Err(late()))
}
