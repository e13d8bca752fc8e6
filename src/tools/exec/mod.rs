//! `exec`: shell commands, at once or in the background.
//!
//! A command runs in a process group of its own, with a few of the gateway's variables and none of its secrets. When its
//! call ends, is cancelled or takes too long, everything that it started ends with it.

mod denied;
mod keys;
mod output;
mod process;
mod request;
mod sessions;
pub(super) mod words;

use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};

pub use denied::Denials;
pub use sessions::Sessions;

use self::output::Room;
use self::process::{End, Process, Start};
use self::request::{Request, Run};
use super::caller::Caller;
use super::files::Workspace;
use super::output::ToolOutput;
use super::tool::Tool;
use picoclaw_chat::ToolSpec;

/// What is kept of the output of a command that is waited for.
const FOREGROUND: Room = Room { head: 16 << 10, tail: 48 << 10 };
/// What is kept of the output of a background command until it is read.
const BACKGROUND: Room = Room { head: 16 << 10, tail: 112 << 10 };
/// Longest time that a command may be waited for.
const MAX_TIMEOUT: Duration = Duration::from_secs(60 * 60);
/// Longest life of a background command.
const MAX_LIFE: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a kill is waited for.
const KILL_PATIENCE: Duration = Duration::from_secs(3);

/// How `exec` works.
#[derive(Clone, Debug)]
pub struct ExecOptions {
    /// Commands that are refused by their text.
    pub denials: Denials,
    /// Whether people on channels may have commands run, not only those at the terminal.
    pub allow_remote: bool,
    /// Longest time of a command that says nothing about it.
    pub timeout: Duration,
    /// The variables that commands see.
    pub environment: Vec<(String, String)>,
    /// The background commands, which outlive a reload.
    pub sessions: Sessions,
}

impl Default for ExecOptions {
    fn default() -> Self {
        Self {
            denials: Denials::default(),
            allow_remote: true,
            timeout: Duration::from_secs(60),
            environment: environment(&[]),
            sessions: Sessions::default(),
        }
    }
}

/// The variables of this process that commands may see: what programs need to work, and what the operator adds. Nothing
/// with a secret in it is among them unless the operator names it.
pub fn environment(more: &[String]) -> Vec<(String, String)> {
    const USUAL: [&str; 13] = [
        "PATH",
        "HOME",
        "USER",
        "LOGNAME",
        "SHELL",
        "LANG",
        "LANGUAGE",
        "TZ",
        "TMPDIR",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "NO_PROXY",
        "no_proxy",
    ];
    let usual = |name: &str| USUAL.contains(&name) || name.starts_with("LC_") || name.starts_with("XDG_");
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| usual(name) || more.contains(name))
        .collect()
}

/// Runs shell commands.
#[derive(Clone, Debug)]
pub struct Exec {
    workspace: Workspace,
    options: ExecOptions,
}

impl Exec {
    /// The tool for this workspace.
    pub fn new(workspace: Workspace, options: ExecOptions) -> Self {
        Self { workspace, options }
    }

    async fn run(&self, caller: Caller<'_>, run: &Run) -> Result<ToolOutput, ToolOutput> {
        if let Some(why) = self.options.denials.refuse(&run.command) {
            return Err(ToolOutput::denied(format!(
                "the command is not allowed: {why}; find another way, or ask the person to do it"
            )));
        }
        let words = words::paths(&run.command).map(str::to_owned).collect();
        let directory = self.workspace.admit_command(run.directory.clone(), words).await?;
        let limit = if run.background { MAX_LIFE } else { MAX_TIMEOUT };
        let timeout = match run.timeout {
            Some(timeout) => timeout.min(limit),
            None if run.background || self.options.timeout.is_zero() => limit,
            None => self.options.timeout,
        };
        let start = Start {
            command: &run.command,
            directory: &directory,
            environment: &self.options.environment,
            terminal: run.terminal,
            input: run.background,
            room: if run.background { BACKGROUND } else { FOREGROUND },
            lifetime: timeout,
        };
        if run.background {
            return self.run_behind(caller, &start);
        }
        let process = Process::start(&start).map_err(|error| not_started(&error))?;
        let end = process.ended().await;
        Ok(outcome(end, process.take_output(), timeout))
    }

    fn run_behind(&self, caller: Caller<'_>, start: &Start<'_>) -> Result<ToolOutput, ToolOutput> {
        let full = || {
            ToolOutput::error(
                "too many commands run in the background; see them with list and end one with kill",
            )
        };
        if !self.options.sessions.has_room() {
            return Err(full());
        }
        let process = Process::start(start).map_err(|error| not_started(&error))?;
        let added = self.options.sessions.add(caller, start.command, process);
        let id = added.map_err(|_| full())?;
        Ok(ToolOutput::success(json!({"sessionId": id, "status": "running"}).to_string()))
    }

    /// Something about a background command.
    async fn of_session(
        &self,
        caller: Caller<'_>,
        id: &str,
        action: Action,
    ) -> Result<ToolOutput, ToolOutput> {
        let process = self.options.sessions.get(caller, id).ok_or_else(|| {
            ToolOutput::error(format!("there is no background command {id} in this conversation; see list"))
        })?;
        let mut answer = json!({"sessionId": id});
        match action {
            Action::Poll => answer["unread_bytes"] = process.waiting().into(),
            Action::Read => answer["output"] = process.take_output().into(),
            Action::Write(bytes) => {
                let length = bytes.len();
                if process.end().is_some() || !process.write(bytes) {
                    return Err(ToolOutput::error(format!(
                        "{id} takes no input: it has ended, or does not read"
                    )));
                }
                answer["written_bytes"] = length.into();
            }
            Action::Kill => {
                process.stop();
                // It is told to end, and will: whoever polls sees when.
                let _ = tokio::time::timeout(KILL_PATIENCE, process.ended()).await;
            }
        }
        let end = process.end();
        answer["status"] = sessions::status(end).into();
        if let Some(End::Exited(status)) = end {
            answer["exitCode"] = exit_code(status).into();
        }
        Ok(ToolOutput::success(answer.to_string()))
    }

    fn list(&self, caller: Caller<'_>) -> ToolOutput {
        let sessions = self.options.sessions.list(caller, |session| {
            json!({
                "sessionId": session.id,
                "command": session.command,
                "status": sessions::status(session.process.end()),
                "seconds": session.began.elapsed().as_secs(),
            })
        });
        ToolOutput::success(json!({"sessions": sessions}).to_string())
    }
}

#[derive(Debug)]
enum Action {
    Poll,
    Read,
    Write(Vec<u8>),
    Kill,
}

#[async_trait]
impl Tool for Exec {
    fn spec(&self) -> ToolSpec {
        request::spec()
    }

    async fn call(&self, arguments: Value) -> ToolOutput {
        self.call_for(Caller::LOCAL, arguments).await
    }

    async fn call_for(&self, caller: Caller<'_>, arguments: Value) -> ToolOutput {
        if !self.options.allow_remote && caller.is_remote() {
            return ToolOutput::denied(
                "commands are allowed from the terminal only: the operator has switched off tools.exec.allow_remote",
            );
        }
        let done = match Request::parse(arguments) {
            Ok(Request::Run(run)) => self.run(caller, &run).await,
            Ok(Request::List) => Ok(self.list(caller)),
            Ok(Request::Poll(id)) => self.of_session(caller, &id, Action::Poll).await,
            Ok(Request::Read(id)) => self.of_session(caller, &id, Action::Read).await,
            Ok(Request::Write(id, bytes)) => self.of_session(caller, &id, Action::Write(bytes)).await,
            Ok(Request::Kill(id)) => self.of_session(caller, &id, Action::Kill).await,
            Err(output) => Err(output),
        };
        done.into()
    }

    fn patience(&self) -> Option<Duration> {
        // Every command has a time of its own, which ends it more politely.
        Some(MAX_TIMEOUT + Duration::from_secs(10))
    }
}

/// What the model gets to know about a command that was waited for.
fn outcome(end: End, output: String, timeout: Duration) -> ToolOutput {
    let mut text = if output.is_empty() { "(no output)".to_owned() } else { output };
    match end {
        End::Exited(status) if status.success() => ToolOutput::success(text),
        End::Exited(status) => {
            text.push_str(&format!("\n[{status}]"));
            ToolOutput::error(text)
        }
        End::Expired => {
            let seconds = timeout.as_secs();
            text.push_str(&format!(
                "\n[stopped after {seconds} s: give a longer timeout, or run it with background true]"
            ));
            ToolOutput::timeout(text)
        }
        End::Stopped => {
            text.push_str("\n[stopped]");
            ToolOutput::error(text)
        }
    }
}

/// As a shell would tell it: a signal is 128 and its number.
fn exit_code(status: std::process::ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(-1)
}

fn not_started(error: &std::io::Error) -> ToolOutput {
    ToolOutput::error(format!("the command could not be started: {error}"))
}

#[cfg(test)]
mod tests;
