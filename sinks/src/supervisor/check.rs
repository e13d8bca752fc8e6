//! Whether a sink would work, for the command line.

use std::fmt::Write;
use std::time::Duration;

use picoclaw_telemetry::sink::{SendError, Transport};
use tokio::time::timeout;

use crate::config::{Filter, SinkConfig};
use crate::context::Context;
use crate::filter::idle_patterns;
use crate::registry::{self, BuildError};

/// How long a destination may take to show that it is there.
const PROBE_TIME: Duration = Duration::from_secs(5);

/// Why a sink would not work.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// It cannot be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// Its destination cannot be reached.
    #[error(transparent)]
    Probe(#[from] SendError),
    /// Its destination does not answer.
    #[error("no answer within {} s", PROBE_TIME.as_secs())]
    Timeout,
}

/// Builds the sink of entry `index`, tries whether its destination can be reached, and describes it. Nothing is sent.
///
/// # Errors
/// When the sink cannot be built or its destination cannot be reached.
pub async fn check(config: &SinkConfig, index: usize, context: &Context) -> Result<String, CheckError> {
    let built = registry::build(config, index, context)?;
    let mut text = String::new();
    if let Some(mut transport) = built.transport {
        probe(transport.as_mut()).await?;
        text = transport.describe();
    }
    let paths = built.sink.endpoints();
    if !paths.is_empty() {
        let comma = if text.is_empty() { "" } else { ", " };
        let _ = write!(text, "{comma}answers at {}", paths.join(", "));
    }
    if text.is_empty() {
        text.push_str("ready");
    }
    for notice in notices(&config.filter, built.sink.carries_records()) {
        let _ = write!(text, "; note: {notice}");
    }
    Ok(text)
}

/// Tries whether a destination can be reached, for a limited time.
pub(super) async fn probe(transport: &mut dyn Transport) -> Result<(), CheckError> {
    Ok(timeout(PROBE_TIME, transport.probe()).await.map_err(|_| CheckError::Timeout)??)
}

/// What each of these sinks would ignore: the entry, and what is allowed and yet probably not meant. Sinks that cannot
/// be built are left out.
pub fn doubts(sinks: &[SinkConfig], context: &Context) -> Vec<(usize, String)> {
    let enabled = sinks.iter().enumerate().filter(|(_, sink)| sink.enabled);
    let built =
        enabled.filter_map(|(index, sink)| Some((index, sink, registry::build(sink, index, context).ok()?)));
    built
        .flat_map(|(index, sink, built)| {
            notices(&sink.filter, built.sink.carries_records()).into_iter().map(move |notice| (index, notice))
        })
        .collect()
}

/// What is allowed in a filter and yet probably not meant.
fn notices(filter: &Filter, carries_records: bool) -> Vec<String> {
    if *filter == Filter::default() {
        return Vec::new();
    }
    if !carries_records {
        return vec!["the filter is ignored, because totals count every event".to_owned()];
    }
    let idle = idle_patterns(filter).into_iter();
    idle.map(|pattern| format!("the pattern \"{pattern}\" matches no kind of event")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_has_no_effect_is_noticed() {
        let filter =
            Filter { include: vec!["agent.*".to_owned(), "agnet.*".to_owned()], ..Filter::default() };
        assert!(notices(&Filter::default(), false).is_empty());
        assert!(notices(&filter, false)[0].contains("ignored"));
        assert_eq!(notices(&filter, true), ["the pattern \"agnet.*\" matches no kind of event"]);
    }
}
