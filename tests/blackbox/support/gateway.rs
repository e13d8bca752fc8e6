//! A gateway in a home of its own.

use std::fs::{self, File};
use std::io::PipeWriter;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::http::{Answer, Client, request};
use super::scrape::Scrape;
use super::wait_for;

/// A home directory with a configuration.
pub(crate) struct Home(TempDir);

impl Home {
    /// A home whose configuration is this, on a port that the system chooses, with retries that do not wait.
    pub(crate) fn new(config: Value) -> Self {
        let home = Self(tempfile::tempdir().expect("a temporary directory"));
        home.configure(config);
        home
    }

    /// Writes another configuration.
    pub(crate) fn configure(&self, mut config: Value) {
        let defaults = json!({
            "gateway": { "port": 0, "host": "127.0.0.1" },
            "agents": { "defaults": { "llm_retry_backoff_secs": 0 } },
        });
        merge(&mut config, defaults);
        fs::write(self.path().join("config.json"), config.to_string()).expect("the home is writable");
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// The lines of a log as JSON; every one must be.
    pub(crate) fn log(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.join("logs/picoclaw.log")).unwrap_or_default();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
            .collect()
    }

    /// The lines of all sessions.
    pub(crate) fn session_lines(&self) -> Vec<Value> {
        let mut lines = Vec::new();
        for entry in fs::read_dir(self.join("workspace/sessions")).into_iter().flatten().flatten() {
            if entry.path().extension().is_some_and(|extension| extension == "jsonl") {
                let text = fs::read_to_string(entry.path()).unwrap_or_default();
                lines.extend(
                    text.lines().map(|line| serde_json::from_str::<Value>(line).expect("a JSON line")),
                );
            }
        }
        lines
    }
}

/// Values that the configuration does not say.
fn merge(config: &mut Value, defaults: Value) {
    match (config, defaults) {
        (Value::Object(config), Value::Object(defaults)) => {
            for (key, value) in defaults {
                match config.get_mut(&key) {
                    Some(present) => merge(present, value),
                    None => drop(config.insert(key, value)),
                }
            }
        }
        (config @ Value::Null, defaults) => *config = defaults,
        _ => {}
    }
}

/// The command, with nothing of this machine's environment that could change what it does.
pub(crate) fn picoclaw(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_picoclaw"));
    for (name, _) in std::env::vars() {
        let prefixes = ["PICOCLAW_", "DD_", "NOTIFY_SOCKET", "WATCHDOG_"];
        if prefixes.iter().any(|prefix| name.starts_with(prefix)) || name.to_lowercase().ends_with("_proxy") {
            command.env_remove(name);
        }
    }
    command.env("PICOCLAW_HOME", home).env("RUST_BACKTRACE", "0");
    command
}

/// A running gateway. Dropping it kills it; a failing test shows what it said.
pub(crate) struct Gateway {
    pub(crate) home: Home,
    pub(crate) port: u16,
    pub(crate) token: String,
    child: Child,
}

impl Gateway {
    /// Starts a gateway with this configuration and waits until it accepts messages.
    pub(crate) fn start(config: Value) -> Self {
        Self::start_in(Home::new(config))
    }

    /// Starts a gateway in this home.
    pub(crate) fn start_in(home: Home) -> Self {
        Self::start_with(home, &[], &[])
    }

    /// Starts a gateway in this home with further arguments and variables.
    pub(crate) fn start_with(home: Home, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let output = File::create(home.join("output")).expect("the home is writable");
        let errors = output.try_clone().expect("a second handle");
        let mut command = picoclaw(home.path());
        command.arg("gateway").args(arguments).envs(variables.iter().copied()).stdout(output).stderr(errors);
        let mut gateway = Self::spawn(home, command);
        wait_for("the gateway to be ready", || {
            gateway.assert_running();
            gateway.output().contains("Press Ctrl+C").then_some(())
        });
        gateway
    }

    /// Starts a gateway in this home whose output and errors go to a pipe.
    pub(crate) fn start_unheard(home: Home, pipe: &PipeWriter) -> Self {
        let handle = || pipe.try_clone().expect("a second handle");
        let mut command = picoclaw(home.path());
        command.arg("gateway").stdout(handle()).stderr(handle());
        let mut gateway = Self::spawn(home, command);
        wait_for("the gateway to be ready", || {
            gateway.assert_running();
            let answer = request(gateway.port, "GET", "/ready", &[], b"").ok()?;
            (answer.status == 200).then_some(())
        });
        gateway
    }

    /// Starts the command and waits for its pid file.
    fn spawn(home: Home, mut command: Command) -> Self {
        let child = command.stdin(Stdio::null()).spawn().expect("the binary starts");
        let mut gateway = Self { home, port: 0, token: String::new(), child };
        let pid = gateway.pid();
        let record: Value = wait_for("the pid file", || {
            gateway.assert_running();
            let text = fs::read(gateway.home.join(".picoclaw.pid")).ok()?;
            serde_json::from_slice(&text).ok().filter(|record: &Value| record["pid"] == json!(pid))
        });
        gateway.port = u16::try_from(record["port"].as_u64().expect("a port")).expect("a port");
        gateway.token = record["token"].as_str().expect("a token").to_owned();
        gateway
    }

    fn assert_running(&mut self) {
        if let Some(status) = self.child.try_wait().expect("the child can be asked") {
            panic!("the gateway ended with {status}:\n{}", self.output());
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn output(&self) -> String {
        fs::read_to_string(self.home.join("output")).unwrap_or_default()
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(self.port)
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        request(self.port, "GET", path, &[], b"").expect("an answer")
    }

    pub(crate) fn post(&self, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        request(self.port, "POST", path, headers, body.as_bytes()).expect("an answer")
    }

    /// Says something in a session and returns the answer.
    pub(crate) fn say(&self, session: &str, text: &str) -> Answer {
        let body = json!({ "session_id": session, "messages": [{ "role": "user", "content": text }] });
        self.post("/v1/chat/completions", &[], &body.to_string())
    }

    /// Says something in no session, and returns when the turn is under way; its answer can be read later.
    pub(crate) fn begin(&self, text: &str) -> Client {
        let mut caller = self.client();
        let body = json!({ "messages": [{ "role": "user", "content": text }] }).to_string();
        caller.send("POST", "/v1/chat/completions", &[], body.as_bytes()).expect("the gateway reads");
        wait_for("the turn", || (self.scrape().get("picoclaw_messages_active") == 1.0).then_some(()));
        caller
    }

    /// The text of a successful answer.
    pub(crate) fn chat(&self, session: &str, text: &str) -> String {
        let answer = self.say(session, text);
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["choices"][0]["message"]["content"].as_str().expect("a content").to_owned()
    }

    pub(crate) fn scrape(&self) -> Scrape {
        Scrape::parse(&self.get("/metrics").text())
    }

    pub(crate) fn health(&self) -> Value {
        self.get("/health").json()
    }

    pub(crate) fn reload(&self) -> Answer {
        self.post("/reload", &[("Authorization", &format!("Bearer {}", self.token))], "")
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.pid().to_string()).status();
        assert!(status.expect("kill runs").success());
    }

    /// Waits for the end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        wait_for("the gateway to end", || self.child.try_wait().expect("the child can be asked"))
    }

    /// Stops it and gives its home back.
    pub(crate) fn stop(mut self) -> Home {
        self.signal("TERM");
        assert!(self.wait().success(), "{}", self.output());
        self.release()
    }

    /// Waits for its good end and gives its home back.
    pub(crate) fn ended(mut self) -> Home {
        assert!(self.wait().success(), "{}", self.output());
        self.release()
    }

    /// Kills it and gives its home back.
    pub(crate) fn kill(mut self) -> Home {
        self.signal("KILL");
        self.wait();
        self.release()
    }

    fn release(mut self) -> Home {
        std::mem::replace(&mut self.home, Home(tempfile::tempdir().expect("a temporary directory")))
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = fs::read_to_string(self.home.join("logs/picoclaw.log")).unwrap_or_default();
            let tail: Vec<&str> = log.lines().rev().take(20).collect();
            eprintln!("--- output\n{}\n--- log (newest first)\n{}", self.output(), tail.join("\n"));
        }
    }
}
