//! What an operator asks on the command line, with an answer and an exit code.

use std::io::{BufRead, BufReader};
use std::process::{Output, Stdio};

use serde_json::{Value, json};

use crate::support::{Gateway, Home, picoclaw, wait_for};

fn run(home: &Home, arguments: &[&str]) -> (i32, String) {
    let Output { status, stdout, .. } = picoclaw(home.path()).args(arguments).output().unwrap();
    (status.code().unwrap(), String::from_utf8_lossy(&stdout).into_owned())
}

#[test]
fn health_is_a_line_and_an_exit_code() {
    let mut gateway = Gateway::start(json!({}));
    let (code, said) = run(&gateway.home, &["health"]);
    assert!(code == 0 && said.starts_with("healthy (up ") && said.lines().count() == 1, "{code} {said}");
    gateway.say("s", "!fail 500");
    let (code, said) = run(&gateway.home, &["health"]);
    assert!(code == 0 && said.starts_with("degraded: provider_echo_failing (up "), "{code} {said}");
    assert_eq!(run(&gateway.home, &["health", "--strict", "-q"]), (1, String::new()));
    let (_, said) = run(&gateway.home, &["health", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&said).unwrap()["issues_count"], 1);
    let address = format!("127.0.0.1:{}", gateway.port);
    assert_eq!(run(&Home::new(json!({})), &["health", "--url", &address]).0, 0);
    // What cannot be read any more does not make the gateway unwell.
    std::fs::write(gateway.home.join("config.json"), "{").unwrap();
    assert_eq!(run(&gateway.home, &["health"]).0, 0);
    gateway.home.configure(json!({}));
    gateway.chat("s", "better");

    let mut caller = gateway.client();
    let body = json!({ "messages": [{ "role": "user", "content": "!slow 2s\nx" }] }).to_string();
    caller.send("POST", "/v1/chat/completions", &[], body.as_bytes()).unwrap();
    wait_for("the turn", || (gateway.scrape().get("picoclaw_messages_active") == 1.0).then_some(()));
    gateway.signal("TERM");
    wait_for("draining", || (gateway.get("/health").status == 503).then_some(()));
    let (code, said) = run(&gateway.home, &["health"]);
    assert!(code == 1 && said.starts_with("draining (up "), "{code} {said}");
    assert!(gateway.wait().success());
    let (code, said) = run(&gateway.home, &["health", "--url", &address]);
    assert!(code == 1 && said.starts_with("unreachable: http://127.0.0.1:"), "{code} {said}");
    assert_eq!(run(&gateway.home, &["health", "-q"]), (1, String::new()));
}

#[test]
fn a_server_that_is_no_gateway_is_not_healthy() {
    let gateway = Gateway::start(json!({ "gateway": { "health_check": { "enabled": false } } }));
    let (code, said) = run(&gateway.home, &["health"]);
    assert!(code == 1 && said.starts_with("unreachable: ") && said.contains("HTTP 404"), "{code} {said}");
}

#[test]
fn a_gateway_that_hangs_is_given_up() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let (code, said) = run(&Home::new(json!({})), &["health", "--url", &address, "--timeout", "0.2"]);
    assert!(code == 1 && said.contains("no answer within 0.2 s"), "{code} {said}");
}

#[test]
fn metrics_are_read_with_rates_until_nobody_looks() {
    let gateway = Gateway::start(json!({}));
    (0..3).for_each(|_| drop(gateway.chat("s", "x")));
    let (code, page) = run(&gateway.home, &["metrics"]);
    assert_eq!(code, 0);
    assert!(page.starts_with("Messages\n"), "{page}");
    for subject in ["Channels", "Providers", "Cost", "Jobs and heartbeat", "Sessions", "Process"] {
        assert!(page.contains(&format!("\n{subject}\n")), "{subject}: {page}");
    }
    assert!(page.contains("  picoclaw_messages_total  3\n      User messages accepted"), "{page}");
    assert!(page.contains("picoclaw_response_time_seconds  count 3  mean "), "{page}");
    assert!(!page.contains("\nOthers\n"), "{page}");
    let (_, filtered) = run(&gateway.home, &["metrics", "provider_requests_total", "--json"]);
    let document: Value = serde_json::from_str(&filtered).unwrap();
    assert_eq!(document.as_object().unwrap().len(), 1);
    assert_eq!(document["picoclaw_provider_requests_total"]["series"][0]["value"], 3.0);

    let mut watch = picoclaw(gateway.home.path());
    watch.args(["metrics", "messages_total", "--json", "--watch=0.1"]).stdout(Stdio::piped());
    let mut watch = watch.spawn().unwrap();
    let mut looks = BufReader::new(watch.stdout.take().unwrap()).lines();
    let mut look = || -> Value { serde_json::from_str(&looks.next().unwrap().unwrap()).unwrap() };
    let rate = |look: &Value| look["picoclaw_messages_total"]["series"][0]["per_second"].as_f64();
    assert_eq!(rate(&look()), None);
    gateway.chat("s", "x");
    wait_for("the message", || rate(&look()).filter(|rate| *rate > 0.0));
    drop(looks);
    assert!(watch.wait().unwrap().success(), "it ends when its reader does");
    let home = gateway.stop();
    let output = picoclaw(home.path()).args(["metrics", "--url", "127.0.0.1:1"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && said.lines().count() == 1, "{said}");
    assert!(said.starts_with("picoclaw: http://127.0.0.1:1/metrics: no gateway answers: "), "{said}");
}

#[test]
fn the_commands_show_the_token_by_themselves() {
    let auth = json!({ "token": "scrape-token-0123" });
    let gateway = Gateway::start(json!({
        "gateway": { "metrics": { "auth": auth }, "health_check": { "details": "authenticated" } }
    }));
    assert!(run(&gateway.home, &["status"]).1.contains("messages_total: 0"));
    assert!(run(&gateway.home, &["health", "--json"]).1.contains("messages_total"));
    assert_eq!(run(&gateway.home, &["metrics", "messages_total"]).0, 0);
    // From another home, as from another machine: with the configured secret, and without.
    let url = format!("http://127.0.0.1:{}", gateway.port);
    let knows = Home::new(json!({ "gateway": { "metrics": { "auth": auth } } }));
    assert_eq!(run(&knows, &["metrics", "--url", &url]).0, 0);
    assert!(run(&knows, &["health", "--json", "--url", &url]).1.contains("messages_total"));
    let stranger = Home::new(json!({}));
    assert_eq!(run(&stranger, &["metrics", "--url", &url]).0, 1);
    let (code, said) = run(&stranger, &["health", "--json", "--url", &url]);
    assert!(code == 0 && !said.contains("messages_total"), "{said}");
}

#[test]
fn integrations_are_listed_printed_and_written() {
    let home = Home::new(json!({}));
    let (code, listed) = run(&home, &["integrations"]);
    assert!(code == 0 && listed.lines().any(|line| line.starts_with("picoclaw.json ")), "{listed}");
    let (code, printed) = run(&home, &["integrations", "picoclaw.json"]);
    assert_eq!((code, serde_json::from_str::<Value>(&printed).unwrap()["version"].clone()), (0, json!(3)));
    assert_eq!(run(&home, &["integrations", "nothing"]).0, 1);

    let target = home.join("out");
    let target = target.to_str().unwrap();
    let (code, written) = run(&home, &["integrations", "--write", target]);
    assert_eq!((code, written.lines().count()), (0, listed.lines().count()));
    let example = home.join("out/picoclaw.json");
    assert_eq!(std::fs::read_to_string(&example).unwrap().trim_end(), printed.trim_end());
    std::fs::write(&example, "mine").unwrap();
    assert_eq!(run(&home, &["integrations", "picoclaw.json", "--write", target]).0, 1);
    assert_eq!(std::fs::read_to_string(&example).unwrap(), "mine");
    assert_eq!(run(&home, &["integrations", "picoclaw.json", "--write", target, "--force"]).0, 0);
    assert_ne!(std::fs::read_to_string(&example).unwrap(), "mine");
}
