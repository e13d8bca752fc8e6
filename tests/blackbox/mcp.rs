//! MCP servers: their tools are the agent's, and whatever one does, the gateway serves on and says so.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::support::{Gateway, Home, free_ports, picoclaw, wait_for};

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/blackbox/support/mcp_server.py")
}

/// A server over standard streams, in this mode of the fixture.
pub(crate) fn program(mode: &[&str]) -> Value {
    let mut args = vec![fixture().display().to_string()];
    args.extend(mode.iter().map(|word| (*word).to_owned()));
    json!({ "enabled": true, "command": "python3", "args": args })
}

fn config(servers: Value) -> Value {
    json!({ "tools": { "mcp": { "enabled": true, "servers": servers } } })
}

fn gauge(gateway: &Gateway, metric: &str, server: &str) -> f64 {
    gateway.scrape().get(&format!(r#"{metric}{{server="{server}"}}"#))
}

fn wait_until_up(gateway: &Gateway, server: &str) {
    let up = || (gauge(gateway, "picoclaw_mcp_server_up", server) == 1.0).then_some(());
    wait_for("the server to be connected", up);
}

/// Calls a tool as soon as the agent has it.
fn call(gateway: &Gateway, tool: &str, arguments: &Value) -> String {
    wait_for("the agent to have the tool", || {
        let answer = gateway.chat("s", &format!("!tool {tool} {arguments}"));
        (!answer.contains("There is no tool named")).then_some(answer)
    })
}

fn wait_for_end(pid: &str) {
    wait_for("the server to end", || {
        let status = fs::read_to_string(Path::new("/proc").join(pid.trim()).join("status"));
        status.map_or(true, |status| status.contains("State:\tZ")).then_some(())
    });
}

fn results(gateway: &Gateway, tool: &str, status: &str) -> f64 {
    gateway.scrape().get(&format!(r#"picoclaw_tool_results_total{{tool="{tool}",status="{status}"}}"#))
}

#[test]
fn a_model_calls_the_tools_of_a_server() {
    let gateway = Gateway::start(config(json!({ "fix": program(&[]), "off": { "command": "x" } })));
    wait_until_up(&gateway, "fix");
    assert_eq!(gauge(&gateway, "picoclaw_mcp_server_tools", "fix"), 9.0);
    assert!(call(&gateway, "mcp_fix_echo", &json!({"text": "hello there"})).contains("hello there"));
    assert!(call(&gateway, "mcp_fix_fail", &json!({})).contains("it went wrong"));
    assert_eq!(results(&gateway, "mcp_fix_echo", "success"), 1.0);
    assert_eq!(results(&gateway, "mcp_fix_fail", "error"), 1.0);
    assert_eq!(gauge(&gateway, "picoclaw_mcp_server_restarts_total", "fix"), 0.0);
    let scrape = gateway.scrape();
    assert!(scrape.family("picoclaw_mcp_server_up").all(|(series, _)| !series.contains("off")));
    gateway.logged("MCP server connected");
}

#[test]
fn results_that_are_long_or_no_text_go_to_the_workspace() {
    let gateway = Gateway::start(config(json!({ "fix": program(&[]) })));
    let long = call(&gateway, "mcp_fix_long", &json!({"length": 20_000}));
    assert!(
        long.len() < 5_000 && long.contains("20000 bytes is in mcp-results/mcp_fix_long-"),
        "{}",
        long.len()
    );
    let picture = call(&gateway, "mcp_fix_picture", &json!({}));
    let path = picture.split_once("in mcp-results/").unwrap().1.split_once(']').unwrap().0;
    let bytes = fs::read(gateway.home.join("workspace/mcp-results").join(path)).unwrap();
    assert_eq!(bytes, b"\x89PNG\r\n\x1a\n");
}

#[test]
fn the_death_of_a_server_is_an_error_for_the_model_and_it_comes_back() {
    let gateway = Gateway::start(config(json!({ "fix": program(&[]) })));
    wait_until_up(&gateway, "fix");
    let answer = call(&gateway, "mcp_fix_crash", &json!({}));
    assert!(answer.contains("the MCP server fix did not finish the call"), "{answer}");
    assert_eq!(results(&gateway, "mcp_fix_crash", "error"), 1.0);
    wait_for("the restart", || {
        (gauge(&gateway, "picoclaw_mcp_server_restarts_total", "fix") >= 1.0).then_some(())
    });
    wait_until_up(&gateway, "fix");
    assert!(call(&gateway, "mcp_fix_echo", &json!({"text": "back"})).contains("back"));
    assert_eq!(gauge(&gateway, "picoclaw_mcp_server_consecutive_failures", "fix"), 0.0);
    gateway.logged("MCP server failed");
}

#[test]
fn a_server_that_hangs_or_refuses_delays_nothing_and_is_an_issue() {
    let servers =
        json!({ "hung": program(&["hang"]), "refusing": program(&["refuse"]), "fix": program(&[]) });
    let gateway = Gateway::start(config(servers));
    assert!(gateway.chat("s", "hello").contains("hello"));
    let health = wait_for("the issue", || {
        let health = gateway.health();
        health.to_string().contains("mcp_refusing_down").then_some(health)
    });
    assert_eq!(health["status"], "degraded");
    assert!(!health.to_string().contains("mcp_hung_down"), "it may be ready yet: {health}");
    assert_eq!(gateway.get("/ready").status, 200);
    assert_eq!(gauge(&gateway, "picoclaw_mcp_server_up", "hung"), 0.0);
    gateway.logged("no licence");
    wait_until_up(&gateway, "fix");
    gateway.home.configure(config(json!({ "fix": program(&[]) })));
    assert_eq!(gateway.reload().status, 200);
    assert_eq!(gateway.health()["status"], "healthy");
}

#[test]
fn tools_come_and_go() {
    let gateway = Gateway::start(config(json!({ "fix": program(&[]) })));
    assert!(call(&gateway, "mcp_fix_grow", &json!({})).contains("grown"));
    assert!(call(&gateway, "mcp_fix_grown", &json!({})).contains("still growing"));
    assert_eq!(gauge(&gateway, "picoclaw_mcp_server_tools", "fix"), 10.0);
    // An unchanged server is left alone by a reload; one that is gone ends.
    let pid = call(&gateway, "mcp_fix_pid", &json!({}));
    gateway.home.configure(config(json!({ "fix": program(&[]), "two": program(&[]) })));
    assert_eq!(gateway.reload().status, 200);
    wait_until_up(&gateway, "two");
    assert_eq!(call(&gateway, "mcp_fix_pid", &json!({})), pid);
    gateway.home.configure(config(json!({ "two": program(&[]) })));
    assert_eq!(gateway.reload().status, 200);
    wait_for_end(&pid);
    wait_for("the tool to be gone", || {
        gateway.chat("s", "!tool mcp_fix_pid {}").contains("There is no tool named").then_some(())
    });
    assert!(gauge(&gateway, "picoclaw_mcp_server_up", "fix").is_nan(), "it is not down but gone");
    let pid = call(&gateway, "mcp_two_pid", &json!({}));
    gateway.stop();
    wait_for_end(&pid);
}

#[test]
fn a_server_sees_what_it_is_given_and_no_secret_of_the_gateway() {
    let mut server = program(&[]);
    server["env"] = json!({ "GIVEN": "given", "BOTH": "config" });
    server["env_file"] = json!("server.env");
    let home = Home::new(config(json!({ "fix": server })));
    fs::create_dir_all(home.join("workspace")).unwrap();
    fs::write(home.join("workspace/server.env"), "FILED=filed\nBOTH=file\n").unwrap();
    let gateway = Gateway::start_with(home, &[], &[("OPENAI_API_KEY", "sk-from-the-environment")]);
    let seen = call(&gateway, "mcp_fix_environment", &json!({}));
    for expected in ["PATH=", "GIVEN=given", "FILED=filed", "BOTH=config"] {
        assert!(seen.contains(expected), "{expected} in {seen}");
    }
    assert!(!seen.contains("OPENAI") && !seen.contains("PICOCLAW"), "{seen}");
}

#[test]
fn an_operator_sees_whether_a_server_can_be_used() {
    let home = Home::new(json!({ "tools": { "mcp": { "servers": {
        "fix": program(&[]), "refusing": program(&["refuse"]), "nothing": { "enabled": true },
    } } } }));
    let test = |words: &[&str]| {
        let output = picoclaw(home.path()).args(["mcp", "test"]).args(words).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&text).into_owned())
    };
    let (code, said) = test(&["fix"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("tools: 9\n") && said.contains("\n  mcp_fix_echo"), "{said}");
    assert!(said.contains("The gateway does not use it"), "MCP is not enabled: {said}");
    let (code, said) = test(&["fix", "--json"]);
    let answer: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((code, &answer["connected"], &answer["used"]), (Some(0), &json!(true), &json!(false)));
    assert_eq!(answer["tools"].as_array().unwrap().len(), 9);
    let (code, said) = test(&["refusing"]);
    assert!(code == Some(1) && said.contains("no licence"), "{said}");
    let (code, said) = test(&["refusing", "--json"]);
    let answer: Value = serde_json::from_str(&said).unwrap();
    assert!(code == Some(1) && answer["connected"] == false && answer["error"].is_string(), "{said}");
    assert!(test(&["nothing"]).1.contains("neither a command nor a url"));
    assert!(test(&["none"]).1.contains("there is no MCP server"));
}

/// A server over HTTP that ends with the test.
struct HttpServer(Child);

impl HttpServer {
    fn start(port: u16) -> Self {
        let mut command = Command::new("python3");
        command.arg(fixture()).args(["http", &port.to_string()]).stdin(Stdio::null());
        Self(command.spawn().unwrap())
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_server_over_http_is_used_and_found_again() {
    let [port] = free_ports();
    let url = format!("http://127.0.0.1:{port}/mcp");
    let headers = json!({ "X-Secret": "sesame" });
    let server = json!({ "enabled": true, "type": "http", "url": url, "headers": headers });
    let gateway = Gateway::start(config(json!({ "far": server })));
    // It starts after the gateway, which finds it.
    let running = HttpServer::start(port);
    wait_until_up(&gateway, "far");
    assert!(call(&gateway, "mcp_far_echo", &json!({"text": "over http"})).contains("over http"));
    drop(running);
    let answer = call(&gateway, "mcp_far_echo", &json!({"text": "lost"}));
    assert!(answer.contains("the MCP server far"), "{answer}");
    wait_for("the failure", || (gauge(&gateway, "picoclaw_mcp_server_up", "far") == 0.0).then_some(()));
    let _running = HttpServer::start(port);
    wait_until_up(&gateway, "far");
    assert!(call(&gateway, "mcp_far_echo", &json!({"text": "again"})).contains("again"));
    assert!(!gateway.output().contains("sesame"));
}
