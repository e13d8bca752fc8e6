//! What a model wants of `exec`.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::arguments::Arguments;
use super::super::output::ToolOutput;
use super::keys;
use picoclaw_chat::ToolSpec;

/// Longest command, in bytes.
const MAX_COMMAND: usize = 32 << 10;
/// Most input at once, in bytes.
const MAX_INPUT: usize = 64 << 10;

/// What a model wants.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Request {
    Run(Run),
    List,
    Poll(String),
    Read(String),
    Write(String, Vec<u8>),
    Kill(String),
}

/// A command to run.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) command: String,
    pub(super) directory: String,
    pub(super) background: bool,
    pub(super) terminal: bool,
    pub(super) timeout: Option<Duration>,
}

pub(super) fn spec() -> ToolSpec {
    ToolSpec {
        name: "exec".to_owned(),
        description:
            "Run a shell command in the workspace and get what it writes. With background true it goes on \
                      after the call, and its sessionId serves for poll, read, write, send-keys and kill."
                .to_owned(),
        parameters: json!({
            "type": "object",
            "properties": {
                "action": {"type": "string", "enum": ["run", "list", "poll", "read", "write", "kill", "send-keys"],
                    "description": "run a command (the default); list background commands; of one of them: poll its state, read its new output, write to it, send keys to its terminal, kill it."},
                "command": {"type": "string", "description": "The shell command, for run."},
                "sessionId": {"type": "string", "description": "The background command, for all actions but run and list."},
                "data": {"type": "string", "description": "What to write, for write; end a line with \\n."},
                "keys": {"type": "string", "description": "Keys by name, for send-keys: `ctrl-c`, `up,up,enter`."},
                "background": {"type": "boolean", "description": "Let it go on in the background; false by default."},
                "pty": {"type": "boolean", "description": "Give it a terminal, for interactive programs; false by default."},
                "cwd": {"type": "string", "description": "The directory, relative to the workspace, which is the default."},
                "timeout": {"type": "integer", "minimum": 0, "description": "Most seconds that it may take."},
            },
            "required": ["action"],
        }),
    }
}

impl Request {
    pub(super) fn parse(arguments: Value) -> Result<Self, ToolOutput> {
        let arguments = Arguments::new(arguments)?;
        let session =
            || arguments.text("sessionId", "the sessionId of a background command").map(str::to_owned);
        match arguments.optional_text("action")?.unwrap_or("run") {
            "run" => Run::parse(&arguments).map(Self::Run),
            "list" => Ok(Self::List),
            "poll" => session().map(Self::Poll),
            "read" => session().map(Self::Read),
            "kill" => session().map(Self::Kill),
            "write" => {
                let data = arguments.text("data", "what to write")?;
                if data.len() > MAX_INPUT {
                    return Err(ToolOutput::error(format!(
                        "argument `data` has {} bytes and the limit is {MAX_INPUT}; write it in pieces",
                        data.len()
                    )));
                }
                Ok(Self::Write(session()?, data.as_bytes().to_vec()))
            }
            "send-keys" => {
                let names = arguments.texts("keys", "keys such as `ctrl-c` or `up,enter`")?;
                let bytes = keys::bytes(names).map_err(|unknown| {
                    ToolOutput::error(format!(
                        "there is no key `{unknown}`; give names such as enter, tab, up, f1, ctrl-c, alt-x, separated by \
                         commas"
                    ))
                })?;
                Ok(Self::Write(session()?, bytes))
            }
            other => Err(ToolOutput::error(format!(
                "there is no action `{other}`; give run, list, poll, read, write, kill or send-keys"
            ))),
        }
    }
}

impl Run {
    fn parse(arguments: &Arguments) -> Result<Self, ToolOutput> {
        let command = arguments.text("command", "a shell command")?;
        if command.trim().is_empty() {
            return Err(ToolOutput::error("argument `command` is empty; give a shell command"));
        }
        if command.len() > MAX_COMMAND {
            return Err(ToolOutput::error(format!(
                "argument `command` has {} bytes and the limit is {MAX_COMMAND}; write a script and run that",
                command.len()
            )));
        }
        if command.contains('\0') {
            return Err(ToolOutput::error("argument `command` contains a NUL character; remove it"));
        }
        let directory = match arguments.optional_text("cwd")? {
            None => arguments.optional_text("working_dir")?,
            given => given,
        };
        let timeout = arguments.number("timeout")?.filter(|seconds| *seconds > 0);
        Ok(Self {
            command: command.to_owned(),
            directory: directory.filter(|path| !path.is_empty()).unwrap_or(".").to_owned(),
            background: arguments.flag("background")?,
            terminal: arguments.flag("pty")?,
            timeout: timeout.map(Duration::from_secs),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_is_understood() {
        let parse = |arguments| Request::parse(arguments).map_err(|output| output.text);
        let session = || "exec-1".to_owned();
        let Ok(Request::Run(run)) = parse(json!({"command": "ls", "timeout": "5", "working_dir": "src"}))
        else {
            panic!("a run");
        };
        assert_eq!((run.directory.as_str(), run.timeout), ("src", Some(Duration::from_secs(5))));
        assert_eq!(parse(json!({"action": "list"})), Ok(Request::List));
        assert_eq!(parse(json!({"action": "poll", "sessionId": "exec-1"})), Ok(Request::Poll(session())));
        let write = json!({"action": "write", "sessionId": "exec-1", "data": "y\n"});
        assert_eq!(parse(write), Ok(Request::Write(session(), b"y\n".to_vec())));
        for keys in [json!("ctrl-c"), json!(["C-c"])] {
            let send = json!({"action": "send-keys", "sessionId": "exec-1", "keys": keys});
            assert_eq!(parse(send), Ok(Request::Write(session(), vec![3])));
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let text = |arguments| Request::parse(arguments).unwrap_err().text;
        assert!(text(json!({})).contains("`command` is missing"));
        assert!(text(json!({"command": " "})).contains("is empty"));
        assert!(text(json!({"command": "x".repeat(MAX_COMMAND + 1)})).contains("the limit is"));
        assert!(text(json!({"action": "kill"})).contains("`sessionId` is missing"));
        assert!(text(json!({"action": "dance"})).contains("no action `dance`"));
        assert!(
            text(json!({"action": "send-keys", "sessionId": "a", "keys": "hyper"}))
                .contains("no key `hyper`")
        );
    }
}
