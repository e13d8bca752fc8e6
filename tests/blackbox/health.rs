//! `/health` tells the truth, in a form that every monitor reads.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Gateway, Home, free_ports, request, wait_for};

#[test]
fn the_document_is_flat_for_whoever_asks() {
    let gateway = Gateway::start(json!({}));
    let answer = gateway.get("/health");
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    assert_eq!(answer.header("cache-control"), "no-store");
    assert!(answer.text().starts_with(r#"{"status":"healthy","#));
    let document = answer.json();
    assert!(document.as_object().unwrap().values().all(|value| value.is_string() || value.is_number()));
    assert_eq!(document["pid"], json!(gateway.pid()));
    for headers in [vec![("Accept", "text/html")], vec![("Host", "anything.example")]] {
        let other = request(gateway.port, "GET", "/health?probe=1", &headers, b"").unwrap();
        assert_eq!((other.status, other.header("content-type")), (200, "application/json"));
    }
    let head = request(gateway.port, "HEAD", "/health", &[], b"").unwrap();
    assert_eq!(head.status, 200);
    assert_eq!(gateway.get("/live").text(), r#"{"alive":true}"#);
    let ready = gateway.get("/ready").json();
    assert_eq!(
        (&ready["status"], &ready["ready"], &ready["config_loaded"]),
        (&json!("ready"), &json!(true), &json!(true))
    );
    assert_eq!(ready["checks"]["sessions"]["status"], "ok");
}

#[test]
fn a_failing_provider_degrades_and_an_answer_heals() {
    let gateway = Gateway::start(json!({}));
    assert_eq!(gateway.say("s", "!fail 500").status, 502);
    let answer = gateway.get("/health");
    assert_eq!(answer.status, 200, "somebody else's outage alone is no 503");
    assert_eq!(
        (answer.json()["status"].clone(), answer.json()["issues"].clone()),
        (json!("degraded"), json!("provider_echo_failing"))
    );
    assert!(!answer.text().contains("healthy"));
    gateway.chat("s", "better");
    assert_eq!(gateway.health()["status"], "healthy");
    wait_for("the change in the log", || {
        let kinds = gateway.home.log().iter().filter(|line| line["kind"] == "gateway.health.changed").count();
        (kinds >= 1).then_some(())
    });
}

#[test]
fn sessions_that_cannot_be_written_fail_the_gateway_until_they_can() {
    let gateway = Gateway::start(json!({ "gateway": { "health_check": { "failing_after_seconds": 1 } } }));
    let sessions = gateway.home.join("workspace/sessions");
    let aside = gateway.home.join("workspace/aside");
    fs::rename(&sessions, &aside).unwrap();
    fs::write(&sessions, "a file where the directory was").unwrap();
    let answer = gateway.say("new-session", "x");
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(answer.text().contains("sessions"), "{}", answer.text());
    assert_eq!(gateway.health()["issues"], "sessions_unwritable");
    let failing = wait_for("failing", || Some(gateway.get("/health")).filter(|answer| answer.status == 503));
    assert_eq!(failing.json()["status"], "failing");
    assert_eq!(gateway.get("/ready").status, 503);
    fs::remove_file(&sessions).unwrap();
    fs::rename(&aside, &sessions).unwrap();
    // Nobody sends messages to a failing gateway: it has to find out by itself.
    wait_for("recovery", || (gateway.health()["status"] == "healthy").then_some(()));
    gateway.chat("new-session", "x");
}

#[test]
fn path_port_and_existence_are_configured() {
    let gateway = Gateway::start(json!({ "gateway": { "health_check": { "path": "/status/health" } } }));
    assert_eq!((gateway.get("/status/health").status, gateway.get("/health").status), (200, 404));
    let gateway = Gateway::start(json!({ "gateway": { "health_check": { "enabled": false } } }));
    assert_eq!((gateway.get("/live").status, gateway.get("/ready").status), (404, 404));
    let [free] = free_ports();
    let gateway = Gateway::start(json!({ "gateway": { "health_check": { "port": free } } }));
    let other = |path: &str| request(free, "GET", path, &[], b"").unwrap().status;
    assert_eq!(
        (other("/health"), other("/live"), other("/metrics"), other("/v1/models")),
        (200, 200, 404, 404)
    );
    assert_eq!(gateway.get("/metrics").status, 200);
}

#[test]
fn without_the_sink_the_basic_keys_remain() {
    let gateway = Gateway::start(json!({ "telemetry": { "sinks": [] } }));
    let document: Value = gateway.health();
    assert_eq!(document["status"], "healthy");
    for key in ["issues", "issues_count", "time", "uptime", "uptime_seconds", "pid", "version"] {
        assert!(!document[key].is_null(), "{key}");
    }
}

#[test]
fn a_log_that_cannot_be_written_shows_and_stops_nothing() {
    let home = Home::new(json!({}));
    fs::write(home.join("logs"), "a file where the directory should be").unwrap();
    let gateway = Gateway::start_in(home);
    wait_for("the sink to be down", || (gateway.health()["issues"] == "sink_jsonlog_down").then_some(()));
    assert_eq!((gateway.get("/health").status, gateway.chat("s", "x").as_str()), (200, "x"));
    assert_eq!(gateway.scrape().get(r#"picoclaw_sink_up{sink="jsonlog"}"#), 0.0);
    let check = gateway.get("/ready").json()["checks"]["sink_jsonlog"].clone();
    let why = check["message"].as_str().unwrap();
    assert!(why.starts_with("its sends fail: ") && why.contains("logs"), "{check}");
    fs::remove_file(gateway.home.join("logs")).unwrap();
    wait_for("recovery", || (gateway.health()["status"] == "healthy").then_some(()));
    // Everything that waited is there once the gateway has stopped.
    let lines = gateway.stop().log();
    assert!(lines.iter().any(|line| line["kind"] == "gateway.start"));
    let numbers: Vec<u64> = lines.iter().map(|line| line["seq"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
}

#[test]
fn the_keys_and_their_kinds_are_the_same_in_every_state() {
    let mut gateway =
        Gateway::start(json!({ "gateway": { "health_check": { "failing_after_seconds": 0 } } }));
    let shape = |document: &Value, state: &str| -> Vec<(String, bool)> {
        assert_eq!(document["status"], state);
        let object = document.as_object().unwrap();
        assert!(object.len() <= 40, "{}", object.len());
        let version = object["version"].as_str().unwrap();
        version.parse::<f64>().expect_err("a version that reads as a number would become one");
        object.iter().map(|(key, value)| (key.clone(), value.is_number())).collect()
    };
    let healthy = shape(&gateway.health(), "healthy");
    for name in ["error", "timestamp", "type", "eventType", "entityName", "hostname", ""] {
        assert!(healthy.iter().all(|(key, _)| key != name), "{name} has a meaning of its own at New Relic");
    }
    gateway.chat("s", "!tool list_dir {\"path\":\".\"}");
    assert_eq!(shape(&gateway.health(), "healthy"), healthy, "numbers stay numbers under load");
    gateway.say("s", "!fail auth");
    assert_eq!(gateway.say("s", "!fail auth").status, 502);
    assert_eq!(gateway.say("s", "!fail auth").status, 502);
    assert_eq!(shape(&gateway.health(), "degraded"), healthy);
    gateway.chat("s", "better");

    let sessions = gateway.home.join("workspace/sessions");
    let aside = gateway.home.join("workspace/aside");
    fs::rename(&sessions, &aside).unwrap();
    fs::write(&sessions, "a file where the directory was").unwrap();
    assert_eq!(gateway.say("new-session", "x").status, 503);
    let failing = wait_for("failing", || Some(gateway.get("/health")).filter(|answer| answer.status == 503));
    assert_eq!(shape(&failing.json(), "failing"), healthy);
    assert!(!failing.text().contains("healthy"));
    fs::remove_file(&sessions).unwrap();
    fs::rename(&aside, &sessions).unwrap();
    wait_for("recovery", || (gateway.health()["status"] == "healthy").then_some(()));

    let mut caller = gateway.client();
    let body = json!({ "messages": [{ "role": "user", "content": "!slow 1s\nx" }] }).to_string();
    caller.send("POST", "/v1/chat/completions", &[], body.as_bytes()).unwrap();
    wait_for("the turn", || (gateway.health()["messages_active"] == 1).then_some(()));
    gateway.signal("TERM");
    let draining =
        wait_for("draining", || Some(gateway.get("/health")).filter(|answer| answer.status == 503));
    assert_eq!(shape(&draining.json(), "draining"), healthy);
    assert_eq!(draining.json()["issues"], "", "how a gateway stops is no issue");
    assert_eq!(gateway.scrape().get(r#"picoclaw_health_status{status="draining"}"#), 1.0);
    let head = request(gateway.port, "HEAD", "/health", &[], b"").unwrap();
    assert_eq!((head.status, head.header("content-type")), (503, "application/json"));
    assert_eq!(gateway.get("/live").status, 200);
    assert_eq!(caller.read(false).unwrap().status, 200);
    assert!(gateway.wait().success());
}

#[test]
fn the_keys_are_the_same_whatever_is_configured() {
    let keys = |gateway: &Gateway| gateway.health().as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let plain = keys(&Gateway::start(json!({})));
    let model = |n: u32| {
        json!({ "model_name": format!("m{n}"), "provider": format!("unhealthy{n}"), "model": "x",
                "api_base": "http://127.0.0.1:9", "input_price": 1.0 })
    };
    let channel = |n: u32| {
        let settings = json!({ "token": "1:x", "base_url": "http://127.0.0.1:9" });
        (format!("healthy{n}"), json!({ "enabled": true, "type": "telegram", "settings": settings }))
    };
    let channels: serde_json::Map<String, Value> = (0..20).map(channel).collect();
    let gateway = Gateway::start(json!({
        "model_list": (0..40).map(model).collect::<Vec<_>>(),
        "channel_list": channels,
        "tools": {
            "plugins": { "unhealthy": { "command": ["/bin/false"] } },
            "mcp": { "enabled": true, "servers": { "healthy": { "enabled": true, "command": "/bin/false" } } },
        },
        "hooks": { "enabled": true, "processes": { "healthy": { "enabled": true, "command": ["/bin/false"] } } },
    }));
    assert_eq!(keys(&gateway), plain);
    let issues = wait_for("all to be down", || {
        let health = gateway.health();
        let issues = health["issues"].as_str().unwrap().to_owned();
        (health["issues_count"].as_u64() >= Some(23)).then_some(issues)
    });
    for issue in
        ["plugin_unhealth_y_down", "mcp_health_y_down", "hook_health_y_down", "channel_health_y7_down"]
    {
        assert!(issues.split(',').any(|word| word == issue), "{issue} in {issues}");
    }
    assert!(
        !gateway.get("/health").text().contains("healthy")
            && !gateway.get("/ready").text().contains("healthy")
    );
}

#[test]
fn a_critical_sink_that_is_down_fails_the_gateway() {
    let home = Home::new(json!({}));
    let directory = home.join("audit");
    fs::write(&directory, "a file where the directory should be").unwrap();
    let audit = json!({
        "type": "jsonlog", "name": "audit", "critical": true, "options": { "path": directory.join("audit.log") },
        "retry": { "initial_ms": 10, "max_ms": 50 },
    });
    home.configure(json!({
        "gateway": { "health_check": { "failing_after_seconds": 1 } },
        "telemetry": { "sinks": [{ "type": "newrelic" }, audit] },
    }));
    let gateway = Gateway::start_in(home);
    let failing = wait_for("failing", || Some(gateway.get("/health")).filter(|answer| answer.status == 503));
    let document = failing.json();
    assert_eq!((&document["status"], &document["issues"]), (&json!("failing"), &json!("sink_audit_down")));
    fs::remove_file(&directory).unwrap();
    wait_for("recovery", || (gateway.health()["status"] == "healthy").then_some(()));
}
