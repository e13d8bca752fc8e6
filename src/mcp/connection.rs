//! One connection to a server.

use std::collections::HashMap;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use crate::protocol::{HttpConfig, Listening, Session, over_http, over_streams};
use reqwest::Client;
use reqwest::header::{HeaderName, HeaderValue};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStderr, Command};
use tokio::sync::Notify;

use super::spec::Way;
use super::variables;
use picoclaw_tools::http_client;
use picoclaw_tools::process::Group;

/// Largest message of a server, in bytes.
const MAX_MESSAGE: usize = 8 << 20;
/// Longest line of a server's diagnostics that is kept, in bytes.
const MAX_LINE: u64 = 1 << 10;
/// How long connecting to an address may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a program may take to end after its input was closed, and again after it was asked to.
const MANNERS: Duration = Duration::from_secs(1);

/// A connection. Dropping it ends a program that was started for it.
pub(super) struct Connection {
    pub(super) session: Session,
    pub(super) program: Option<Program>,
}

/// A program that was started.
#[derive(Debug)]
pub(super) struct Program {
    child: Child,
    group: Group,
}

impl Connection {
    /// Connects, as far as that takes no longer than the caller waits.
    pub(super) async fn open(server: &str, way: &Way, changed: &Arc<Notify>) -> Result<Self, String> {
        let listening = Listening(Arc::clone(changed));
        match way {
            Way::Http { url, headers } => {
                let (client, config) = http(url, headers)?;
                let session =
                    over_http(client, config, listening).await.map_err(|error| way.explain(&error))?;
                Ok(Self { session, program: None })
            }
            Way::Program { .. } => program(server, way, listening).await,
        }
    }
}

impl Program {
    /// Ends it as the protocol asks: its input is closed already; then it is told, then killed.
    pub(super) async fn end(mut self) {
        if tokio::time::timeout(MANNERS, self.child.wait()).await.is_err() {
            self.group.terminate();
            if tokio::time::timeout(MANNERS, self.child.wait()).await.is_err() {
                // Dropping the group kills it.
                return;
            }
        }
        self.group.sweep();
    }
}

async fn program(server: &str, way: &Way, listening: Listening) -> Result<Connection, String> {
    let Way::Program { command, arguments, environment, environment_file, directory } = way else {
        return Err("it is no program".to_owned());
    };
    let (made, file) = (directory.clone(), environment_file.clone());
    let prepare = move || {
        // Best effort: a directory that cannot be used is what starting the program complains about.
        let _ = std::fs::create_dir_all(made);
        file.map_or_else(|| Ok(Vec::new()), |file| variables::read(&file))
    };
    let more = tokio::task::spawn_blocking(prepare).await.map_err(|error| error.to_string())??;
    picoclaw_tools::process::heeded_by_programs();
    let mut child = Command::new(command)
        .args(arguments)
        .env_clear()
        .envs(more)
        .envs(environment)
        .current_dir(directory)
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("{command} does not start: {error}"))?;
    let group = child.id().and_then(Group::of).ok_or("it ended at once")?;
    let streams = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (Some(input), Some(output), Some(errors)) = streams else {
        return Err("it has no standard streams".to_owned());
    };
    let last = tokio::spawn(diagnostics(server.to_owned(), errors));
    let mut program = Program { child, group };
    match over_streams(output, input, MAX_MESSAGE, listening).await {
        Ok(session) => Ok(Connection { session, program: Some(program) }),
        Err(error) => {
            // What it wrote last says more than that it went away.
            let ended = tokio::time::timeout(MANNERS, program.child.wait()).await.ok().and_then(Result::ok);
            let said = ended.map(|status| format!("it ended with {status}"));
            let last = match &said {
                Some(_) => {
                    program.group.sweep();
                    tokio::time::timeout(MANNERS, last).await.ok().and_then(Result::ok).flatten()
                }
                None => None,
            };
            let said = said.unwrap_or_else(|| way.explain(&error));
            Err(last.map_or_else(|| said.clone(), |last| format!("{said}: {last}")))
        }
    }
}

/// Logs what a server writes for people, and returns the last line.
async fn diagnostics(server: String, errors: ChildStderr) -> Option<String> {
    let mut errors = BufReader::new(errors);
    let mut last = None;
    let mut line = Vec::new();
    loop {
        line.clear();
        // Whoever writes without an end of line gets one.
        match (&mut errors).take(MAX_LINE).read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return last,
            Ok(_) => {}
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end();
        if !text.is_empty() {
            tracing::debug!(server, line = text, "An MCP server says something.");
            last = Some(text.to_owned());
        }
    }
}

fn http(
    url: &str,
    headers: &std::collections::BTreeMap<String, String>,
) -> Result<(Client, HttpConfig), String> {
    let mut custom = HashMap::new();
    for (name, value) in headers {
        // Neither may be shown: the value is a secret as likely as not.
        let parsed = (HeaderName::try_from(name.as_str()), HeaderValue::try_from(value.as_str()));
        let (Ok(key), Ok(mut value)) = parsed else {
            return Err(format!("its header {name:?} is none that HTTP allows"));
        };
        value.set_sensitive(true);
        custom.insert(key, value);
    }
    let client = http_client::client(CONNECT_TIMEOUT).map_err(|error| format!("no HTTP client: {error}"))?;
    let config = HttpConfig::with_uri(url)
        .custom_headers(custom)
        .max_sse_event_size(MAX_MESSAGE)
        .max_json_response_size(MAX_MESSAGE);
    Ok((client, config))
}
