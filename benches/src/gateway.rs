//! The real binary, in a home of its own.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::{Core, Running, free_port};

/// The longest that a start may take before something must be broken.
const PATIENCE: Duration = Duration::from_secs(10);

/// The tools that are there unless switched off.
const TOOLS: &[&str] = &[
    "append_file",
    "cron",
    "edit_file",
    "exec",
    "find_skills",
    "install_skill",
    "list_dir",
    "load_image",
    "message",
    "read_file",
    "send_file",
    "spawn",
    "spawn_status",
    "subagent",
    "web",
    "web_fetch",
    "write_file",
];

/// A gateway that answers.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) running: Running,
    pub(crate) port: u16,
    /// From the start of the process to the first 200 on `/health`.
    pub(crate) start: Duration,
    _home: TempDir,
}

/// What distinguishes the variants.
#[derive(Clone, Debug)]
pub(crate) struct Variant {
    pub(crate) sinks: Value,
    pub(crate) persistence: &'static str,
    /// Whether the built-in tools are offered to the model, with each request.
    pub(crate) tools: bool,
    /// Where the models live.
    pub(crate) upstream: u16,
}

impl Gateway {
    /// Starts it and waits for the first 200.
    pub(crate) fn start(binary: &Path, variant: &Variant, core: Core) -> anyhow::Result<Self> {
        let port = free_port()?;
        let home = tempfile::tempdir()?;
        fs::write(home.path().join("config.json"), config(variant, port).to_string())?;
        let mut command = Command::new(binary);
        command.arg("gateway").env("PICOCLAW_HOME", home.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let began = Instant::now();
        let running = Running::start(&mut command, core)?;
        while !get(port, "/health").is_ok_and(|answer| answer.contains(" 200 ")) {
            anyhow::ensure!(began.elapsed() < PATIENCE, "the gateway does not start");
            std::thread::sleep(Duration::from_micros(100));
        }
        Ok(Self { running, port, start: began.elapsed(), _home: home })
    }

    /// Does what monitors do.
    pub(crate) fn look(&self) -> anyhow::Result<()> {
        for path in ["/health", "/metrics"] {
            get(self.port, path)?;
        }
        Ok(())
    }

    /// How many messages the gateway says that it has received.
    pub(crate) fn messages(&self) -> anyhow::Result<u64> {
        let metrics = get(self.port, "/metrics")?;
        let line = metrics.lines().find_map(|line| line.strip_prefix("picoclaw_messages_total "));
        line.context("/metrics has no picoclaw_messages_total")?.trim().parse().context("no whole number")
    }
}

/// All four sinks at once. The Agent hears and forgets.
pub(crate) fn four_sinks() -> anyhow::Result<Value> {
    let agent = UdpSocket::bind("127.0.0.1:0")?;
    let address = agent.local_addr()?.to_string();
    std::thread::spawn(move || {
        let mut bytes = [0; 65536];
        while agent.recv(&mut bytes).is_ok() {}
    });
    Ok(json!([
        { "type": "prometheus" }, { "type": "newrelic" }, { "type": "jsonlog" },
        { "type": "datadog", "options": { "address": address } },
    ]))
}

fn config(variant: &Variant, port: u16) -> Value {
    let model = |name: &str, stream: bool| {
        json!({
            "model_name": name, "provider": "openai", "model": name,
            "api_base": format!("http://127.0.0.1:{}/v1", variant.upstream),
            "streaming": { "enabled": stream },
        })
    };
    let switch = |name: &&str| ((*name).to_owned(), json!({ "enabled": variant.tools }));
    let tools: serde_json::Map<_, _> = TOOLS.iter().map(switch).collect();
    json!({
        "gateway": { "port": port, "host": "127.0.0.1" },
        "model_list": [model("whole", false), model("unpaced", true), model("paced", true)],
        "agents": { "defaults": { "model_name": "whole" } },
        "tools": tools,
        "session": { "persistence": variant.persistence },
        "telemetry": { "sinks": variant.sinks },
    })
}

fn get(port: u16, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
