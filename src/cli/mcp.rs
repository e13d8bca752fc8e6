//! `picoclaw mcp`: the MCP servers whose tools the agent can use.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use picoclaw_sinks::registry::known_types;
use serde_json::{Map, Value, json};

use super::edit::{Editing, paths, tell_gateway};
use super::say;
use picoclaw::config::{self, ConfigFile, Environment, MASK};
use picoclaw_gateway::mcp_server;
use picoclaw_mcp::{Offered, probe};

/// Where they stand in the configuration.
const SERVERS: [&str; 3] = ["tools", "mcp", "servers"];

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Add a server: its address, or the program to start with its arguments.
    Add(Box<Add>),
    /// List the servers.
    List {
        /// As JSON; values of variables and headers are not shown.
        #[arg(long)]
        json: bool,
    },
    /// Edit the configuration with $VISUAL or $EDITOR, and check it.
    Edit,
    /// Remove a server.
    Remove {
        /// Its name.
        name: String,
    },
    /// Connect to a server as the gateway would, and list its tools. Ends with 1 when that fails.
    Test {
        /// Its name.
        name: String,
        /// As JSON.
        #[arg(long)]
        json: bool,
        /// How long it may take until it is ready, in seconds.
        #[arg(long, value_name = "SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=3600))]
        timeout: u64,
    },
    /// Show a server; values of variables and headers are not shown.
    Show {
        /// Its name.
        name: String,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct Add {
    /// A variable of the program's environment.
    #[arg(short, long, value_name = "NAME=VALUE", value_parser = pair('='))]
    env: Vec<(String, String)>,
    /// A file of variables for the program.
    #[arg(long, value_name = "FILE")]
    env_file: Option<String>,
    /// A header of each request.
    #[arg(short = 'H', long, value_name = "NAME: VALUE", value_parser = pair(':'))]
    header: Vec<(String, String)>,
    /// How it is spoken to; by itself this follows from what is given.
    #[arg(short, long, value_parser = ["stdio", "sse", "http", "streamable-http"])]
    transport: Option<String>,
    /// Tell the model of its tools only when it searches for them.
    #[arg(long)]
    deferred: bool,
    /// Replace a server of that name.
    #[arg(short, long)]
    force: bool,
    /// Its name.
    name: String,
    /// Its address, or the program to start.
    #[arg(value_name = "URL|PROGRAM")]
    target: String,
    /// The program's arguments.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

fn pair(separator: char) -> impl Fn(&str) -> Result<(String, String), String> + Clone + Send + Sync {
    move |text| {
        let (name, value) =
            text.split_once(separator).ok_or_else(|| format!("expected a name, {separator} and a value"))?;
        let name = name.trim();
        if name.is_empty() {
            Err("the name is empty".to_owned())
        } else {
            Ok((name.into(), value.trim().into()))
        }
    }
}

pub(super) fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Add(add) => self::add(*add)?,
        Command::List { json } => list(json)?,
        Command::Edit => return edit(),
        Command::Remove { name } => {
            let editing = Editing::begin()?;
            anyhow::ensure!(editing.file.remove(&at(&name))?, unknown(&name));
            editing.finish(&format!("Removed the MCP server {name}."))?;
        }
        Command::Test { name, json, timeout } => return test(&name, json, Duration::from_secs(timeout)),
        Command::Show { name } => {
            let servers = servers()?;
            let server = servers.get(&name).with_context(|| unknown(&name))?;
            say(&serde_json::to_string_pretty(&veiled(server))?);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn at(name: &str) -> [&str; 4] {
    [SERVERS[0], SERVERS[1], SERVERS[2], name]
}

fn unknown(name: &str) -> String {
    format!("there is no MCP server \"{name}\": `picoclaw mcp list` shows them")
}

fn servers() -> anyhow::Result<BTreeMap<String, Value>> {
    let paths = paths(&Environment::process())?;
    let servers = ConfigFile::open(&paths.config_file)?.get(&SERVERS);
    Ok(servers.as_object().cloned().unwrap_or_default().into_iter().collect())
}

fn add(add: Add) -> anyhow::Result<()> {
    let editing = Editing::begin()?;
    let exists = !editing.file.get(&at(&add.name)).is_null();
    anyhow::ensure!(
        add.force || !exists,
        "there is an MCP server \"{}\" already: --force replaces it",
        add.name
    );
    let (name, server) = (add.name.clone(), server(add)?);
    editing.file.set(&at(&name), &server)?;
    editing.file.set(&["tools", "mcp", "enabled"], &json!(true))?;
    let hint = if cfg!(unix) && server["env"].is_object() || server["headers"].is_object() {
        " Secrets in it are in config.json: let nobody else read that file."
    } else {
        ""
    };
    editing.finish(&format!("Added the MCP server {name}.{hint}"))
}

fn server(add: Add) -> anyhow::Result<Value> {
    let is_url = add.target.starts_with("http://") || add.target.starts_with("https://");
    let object = |pairs: Vec<(String, String)>| -> Map<String, Value> {
        pairs.into_iter().map(|(name, value)| (name, Value::String(value))).collect()
    };
    let mut server = Map::new();
    server.insert("enabled".into(), json!(true));
    if is_url {
        anyhow::ensure!(add.args.is_empty(), "an address takes no arguments");
        anyhow::ensure!(add.env.is_empty() && add.env_file.is_none(), "only a program has an environment");
        anyhow::ensure!(add.transport.as_deref() != Some("stdio"), "stdio needs a program, not an address");
        server.insert("type".into(), json!(add.transport.as_deref().unwrap_or("http")));
        server.insert("url".into(), json!(add.target));
        if !add.header.is_empty() {
            server.insert("headers".into(), object(add.header).into());
        }
    } else {
        anyhow::ensure!(
            add.header.is_empty(),
            "only an address, which begins with http:// or https://, has headers"
        );
        anyhow::ensure!(
            add.transport.as_deref().is_none_or(|transport| transport == "stdio"),
            "a program is spoken to over stdio; an address begins with http:// or https://"
        );
        server.insert("type".into(), json!("stdio"));
        server.insert("command".into(), json!(add.target));
        server.insert("args".into(), json!(add.args));
        if !add.env.is_empty() {
            server.insert("env".into(), object(add.env).into());
        }
        if let Some(file) = add.env_file {
            server.insert("env_file".into(), json!(file));
        }
    }
    if add.deferred {
        server.insert("deferred".into(), json!(true));
    }
    Ok(server.into())
}

fn list(json: bool) -> anyhow::Result<()> {
    let servers = servers()?;
    if json {
        let veiled: Map<String, Value> =
            servers.iter().map(|(name, server)| (name.clone(), veiled(server))).collect();
        say(&serde_json::to_string_pretty(&veiled)?);
        return Ok(());
    }
    if servers.is_empty() {
        say("No MCP servers are configured (`picoclaw mcp add` adds one).");
    }
    for (name, server) in &servers {
        let off = if server["enabled"] == false { ", disabled" } else { "" };
        let target = match server["url"].as_str().filter(|url| !url.is_empty()) {
            Some(url) => url.to_owned(),
            None => {
                let args = server["args"].as_array().into_iter().flatten().filter_map(Value::as_str);
                let words: Vec<&str> = server["command"].as_str().into_iter().chain(args).collect();
                words.join(" ")
            }
        };
        say(&format!("{name}: {target}{off}"));
    }
    Ok(())
}

fn test(name: &str, json: bool, patience: Duration) -> anyhow::Result<ExitCode> {
    let loaded = config::load(&Environment::process(), &known_types())?;
    let mcp = &loaded.config.tools.mcp;
    let server = mcp.servers.get(name).with_context(|| unknown(name))?;
    let spec = mcp_server(&loaded.config, &loaded.paths, name, server)
        .with_context(|| format!("the MCP server \"{name}\" has neither a command nor a url"))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let offered = runtime.block_on(probe(&spec, Some(patience)));
    let used = mcp.used().any(|(used, _)| used == name);
    if json {
        let document = match &offered {
            Ok(Offered { server, tools }) => {
                let tools: Vec<Value> =
                    tools.iter().map(|(name, what)| json!({ "name": name, "description": what })).collect();
                json!({ "name": name, "connected": true, "used": used, "server": server, "tools": tools })
            }
            Err(error) => json!({ "name": name, "connected": false, "used": used, "error": error }),
        };
        say(&serde_json::to_string_pretty(&document)?);
        return Ok(if offered.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    let Offered { server, tools } =
        offered.map_err(|error| anyhow::anyhow!("the MCP server {name} cannot be used: {error}"))?;
    let called = if server.is_empty() { String::new() } else { format!(" ({server})") };
    say(&format!("✓ The MCP server {name}{called} answers; tools: {}", tools.len()));
    for (tool, what) in &tools {
        let first = what.trim().lines().next().unwrap_or_default();
        say(format!("  {tool}: {first}").trim_end_matches([':', ' ']));
    }
    if !used {
        say("  The gateway does not use it: tools.mcp.enabled or its own \"enabled\" is false.");
    }
    Ok(ExitCode::SUCCESS)
}

/// The server without the values in which secrets may be.
fn veiled(server: &Value) -> Value {
    let mut server = server.clone();
    for secret in ["env", "headers"] {
        for value in server[secret].as_object_mut().into_iter().flat_map(Map::values_mut) {
            *value = json!(MASK);
        }
        if server[secret].is_null()
            && let Some(members) = server.as_object_mut()
        {
            members.remove(secret);
        }
    }
    server
}

fn edit() -> anyhow::Result<ExitCode> {
    let environment = Environment::process();
    let paths = paths(&environment)?;
    let editor = environment.get("VISUAL").or_else(|| environment.get("EDITOR")).unwrap_or("vi");
    let mut words = editor.split_whitespace();
    let program = words.next().context("$EDITOR is empty")?;
    let status = std::process::Command::new(program).args(words).arg(&paths.config_file).status();
    let status = status.with_context(|| format!("starting the editor {program}: set $EDITOR"))?;
    anyhow::ensure!(status.success(), "the editor ended with {status}");
    tell_gateway(&paths);
    super::config::check()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        add: Add,
    }

    fn made(words: &[&str]) -> Result<Value, String> {
        let line =
            Line::try_parse_from(std::iter::once(&"x").chain(words)).map_err(|error| error.to_string())?;
        server(line.add).map_err(|error| error.to_string())
    }

    #[test]
    fn a_program_or_an_address() {
        assert_eq!(
            made(&["-e", "KEY=a=b", "files", "npx", "-y", "server", "/data"]).unwrap(),
            json!({ "enabled": true, "type": "stdio", "command": "npx", "args": ["-y", "server", "/data"], "env": { "KEY": "a=b" } })
        );
        assert_eq!(
            made(&["-H", "Authorization: Bearer x", "remote", "https://h/mcp"]).unwrap(),
            json!({ "enabled": true, "type": "http", "url": "https://h/mcp", "headers": { "Authorization": "Bearer x" } })
        );
        for (words, word) in [
            (&["-e", "A=b", "r", "https://h"][..], "environment"),
            (&["-H", "A: b", "r", "prog"], "headers"),
            (&["-t", "http", "r", "prog"], "stdio"),
            (&["-e", "novalue", "r", "prog"], "expected a name"),
        ] {
            assert!(made(words).unwrap_err().contains(word), "{words:?}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let server = json!({ "url": "u", "headers": { "A": "secret" }, "env": { "B": "secret" } });
        assert!(!veiled(&server).to_string().contains("secret"));
        assert_eq!(veiled(&json!({ "url": "u" })), json!({ "url": "u" }));
    }
}
