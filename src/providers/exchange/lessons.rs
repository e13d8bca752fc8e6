//! Asks a server the way it wants to be asked, which it tells by refusing.

use std::pin::pin;

use hyper::Uri;

use super::assembly::Assembly;
use super::attempt::Failed;
use super::connection::Connection;
use crate::providers::error::ProviderError;
use crate::providers::provider::{Completion, Deltas};

/// Sends what `write` makes of the habits that are known of the server. When it refuses and `learn` finds in that a
/// habit which this request did not heed, asks once more: at most once for each habit, all within one attempt's time.
pub(in crate::providers) async fn ask<A: Assembly, H: Copy>(
    connection: &Connection,
    uri: &Uri,
    deltas: &mut dyn Deltas,
    stream: bool,
    write: impl Fn() -> (H, Vec<u8>),
    learn: impl Fn(H, &Failed) -> bool,
) -> Result<Completion, ProviderError> {
    let client = connection.client()?;
    let mut exchange = connection.exchange(deltas, stream);
    loop {
        let (habits, body) = write();
        let sending = pin!(connection.post(client, uri, body));
        match exchange.run::<A>(sending).await {
            Err(failed) if learn(habits, &failed) => {}
            Err(failed) => return Err(failed.error),
            Ok(completion) => return Ok(completion),
        }
    }
}
