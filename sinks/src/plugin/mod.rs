//! Plugins: sinks that anyone can write and none can crash the gateway with.
//!
//! * [`options`]: the settings. `sink`: the events that wait, encoded by [`wire`]. `transport`: hands them to the keeper.
//! * `keeper`: starts a plugin, and starts it again as `restarts` allows. `work`: a plugin at work. `handing`: batches on
//!   their way. `request`: what can be asked of it.
//! * `session`: a connection, over which [`frame`]s go. `peer`: the process or thread at its other end. `hello`: what the
//!   two say of themselves. `output` and `limiter`: what a plugin says, within bounds.
//! * [`host`]: the plugin's side of the connection, the same in a process and on a thread.
//! * [`tools`]: plugins whose tools the agent uses.
//! * [`mod@inspect`]: what a file is, asked in a process that is thrown away.
//!
//! An event is delivered when the plugin has acknowledged it. A batch that was at work when the plugin died is handed over
//! once more: a plugin may see events twice, and none is lost uncounted.

pub mod frame;
mod handing;
mod hello;
pub mod host;
pub mod inspect;
mod keeper;
mod limiter;
pub mod options;
mod output;
mod peer;
mod request;
mod restarts;
mod session;
mod sink;
pub mod tools;
mod transport;
pub mod wire;
mod work;

pub use hello::{Ready, Tool};

use std::sync::Arc;
use std::time::Duration;

use picoclaw_telemetry::SinkStats;
use tokio::sync::mpsc;

use self::hello::Hello;
use self::keeper::Keeper;
use self::options::Options;
use self::output::Output;
use self::peer::Launcher;
use self::request::Requests;
use self::restarts::Pauses;
use self::sink::{Losses, PluginSink};
use self::transport::PluginTransport;
use crate::config::{OptionsError, SinkConfig, parse_options};
use crate::context::Context;
use crate::mask::Masker;
use crate::registry::{BuildError, Built};

/// How many requests may wait; the runner has one at a time.
const REQUESTS: usize = 4;

/// Builds the sink.
///
/// # Errors
/// When an option is wrong, or a library in this process was replaced by another version.
pub fn build(config: &SinkConfig, index: usize, context: &Context) -> Result<Built, BuildError> {
    let options: Options = parse_options(config, index)?;
    options.check().map_err(|(key, message)| OptionsError::new(index, key, message))?;
    if let Some(message) = options.outdated() {
        return Err(OptionsError::new(index, "path", message).into());
    }
    let name = config.name();
    let losses = Arc::new(Losses::default());
    let sink = PluginSink::new(name, config.buffer, Arc::clone(&context.masker), Arc::clone(&losses));
    // Only a sink at work has statistics: a configuration that is only tried leaves no trace.
    let sinks = context.sinks.clone();
    let stats = move |name: &str| sinks.entry(name);
    let (requests, keeper) = keep(name, &options, Arc::clone(&context.masker), stats);
    let transport = PluginTransport {
        name: name.to_owned(),
        what: options.to_string(),
        version: options.version(),
        losses,
        requests,
        keeper: Some(Box::new(keeper)),
    };
    Ok(Built { sink: Box::new(sink), transport: Some(Box::new(transport)) })
}

/// The way to a keeper, and what makes that keeper when it begins to work.
fn keep(
    name: &str,
    options: &Options,
    masker: Arc<Masker>,
    stats: impl FnOnce(&str) -> Arc<SinkStats> + Send + Sync + 'static,
) -> (mpsc::Sender<request::Request>, impl FnOnce() -> Keeper + Send + Sync + 'static) {
    let (sender, requests) = mpsc::channel(REQUESTS);
    let (name, options) = (name.to_owned(), options.clone());
    let keeper = move || Keeper {
        launcher: Launcher::new(&name, &options),
        output: Output::new(&name, masker),
        stats: stats(&name),
        judges: false,
        call_timeout: Duration::from_millis(options.call_timeout_ms),
        flush_every: Duration::from_millis(options.flush_interval_ms),
        pauses: Pauses::default(),
        requests: Requests::new(requests),
        hello: Hello {
            config: Some(options.config),
            path: options.path,
            sha256: options.sha256,
            ..Hello::new(&name)
        },
        name,
    };
    (sender, keeper)
}

#[cfg(test)]
mod tests;
