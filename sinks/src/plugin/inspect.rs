//! What a plugin is, asked in a process that is thrown away.

use std::future::pending;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::hello::{Hello, Ready};
use super::options::Options;
use super::output::Output;
use super::peer::Launcher;
use super::session::Session;
use crate::mask::Masker;

/// How long the plugin may take to stop.
const STOP_TIME: Duration = Duration::from_secs(2);

/// Loads a library in a process of its own; with a configuration it also makes an instance, which is then ended.
///
/// # Errors
/// When the file may not be loaded, is no plugin, or refuses the configuration; the message says which.
pub async fn inspect(path: &Path, config: Option<Map<String, Value>>) -> Result<Ready, String> {
    let options = serde_json::json!({ "path": path });
    let options: Options = serde_json::from_value(options).map_err(|error| error.to_string())?;
    let launcher = Launcher::new("check", &options);
    let hello = Hello { config, path: Some(path.to_owned()), ..Hello::new("check") };
    let output = Output::new("check", Arc::new(Masker::default()));
    let session = Session::open(&launcher, &hello, &output, pending()).await;
    let session = session.map_err(|failed| failed.message)?;
    let ready = session.ready().clone();
    session.close(STOP_TIME).await;
    Ok(ready)
}
