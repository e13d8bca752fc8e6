//! A reload changes what can change, and a bad configuration changes nothing.

use std::fs;
use std::io::ErrorKind;
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;

use serde_json::json;

use crate::support::{Agent, Gateway, Home, free_ports, picoclaw, request, wait_for};

#[test]
fn only_the_operator_may_reload() {
    let gateway = Gateway::start(json!({}));
    let get = gateway.get("/reload");
    assert_eq!((get.status, get.text().as_str()), (405, r#"{"error":"method not allowed, use POST"}"#));
    let anybody = gateway.post("/reload", &[], "");
    assert_eq!((anybody.status, anybody.text().as_str()), (401, r#"{"error":"unauthorized"}"#));
    let operator = gateway.reload();
    assert_eq!((operator.status, operator.text().as_str()), (200, r#"{"status":"reload triggered"}"#));
    let scrape = gateway.scrape();
    assert_eq!(scrape.get(r#"picoclaw_config_reloads_total{outcome="success"}"#), 1.0);
}

#[test]
fn sinks_come_and_go_and_counters_go_on() {
    let agent = Agent::start();
    let gateway = Gateway::start(json!({}));
    (0..3).for_each(|_| drop(gateway.chat("s", "x")));
    let sinks = json!([
        { "type": "prometheus", "options": { "path": "/other" } },
        { "type": "newrelic" },
        { "type": "datadog", "options": { "address": agent.address, "flush_interval_seconds": 0.1 } },
    ]);
    gateway.home.configure(json!({ "telemetry": { "sinks": sinks } }));
    let answer = gateway.reload();
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(gateway.get("/metrics").status, 404);
    let scrape = |path: &str| crate::support::Scrape::parse(&gateway.get(path).text());
    assert_eq!(scrape("/other").get("picoclaw_messages_total"), 3.0);
    gateway.chat("s", "x");
    assert_eq!(scrape("/other").get("picoclaw_messages_total"), 4.0);
    assert_eq!(gateway.health()["messages_total"], 4);
    gateway.stop();
    // The new sink tells of what came after it began: the Agent had nobody before.
    assert_eq!(agent.stop().count("picoclaw.messages"), 1.0);
}

#[test]
fn a_sink_that_was_down_and_is_taken_out_is_not_down_any_more() {
    let sinks = |gone: bool| {
        let mut sinks = vec![json!({ "type": "prometheus" }), json!({ "type": "newrelic" })];
        if !gone {
            let path = "blocked/audit.log";
            sinks.push(json!({ "type": "jsonlog", "name": "audit", "options": { "path": path } }));
        }
        json!({ "telemetry": { "sinks": sinks } })
    };
    let home = Home::new(sinks(false));
    fs::write(home.join("blocked"), "a file where the directory should be").unwrap();
    let gateway = Gateway::start_in(home);
    wait_for("the sink to be down", || (gateway.health()["sinks_down"] == 1).then_some(()));
    let of_audit = |metric: &str| -> Vec<f64> {
        let scrape = gateway.scrape();
        let series = scrape.family(metric).filter(|(name, _)| name.contains(r#"sink="audit""#));
        series.map(|(_, value)| value).collect()
    };
    let counted = of_audit("picoclaw_sink_events_total");
    assert_eq!((of_audit("picoclaw_sink_up").len(), counted.len()), (1, 4));

    gateway.home.configure(sinks(true));
    assert_eq!(gateway.reload().status, 200);
    assert_eq!(gateway.health()["sinks_down"], 0);
    assert_eq!(gateway.health()["issues"], "");
    for gauge in ["up", "buffer_events", "lag_events", "last_success_timestamp_seconds"] {
        assert_eq!(of_audit(&format!("picoclaw_sink_{gauge}")).len(), 0, "{gauge}");
    }
    let after = of_audit("picoclaw_sink_events_total");
    assert_eq!(after.len(), counted.len());

    fs::remove_file(gateway.home.join("blocked")).unwrap();
    gateway.home.configure(sinks(false));
    assert_eq!(gateway.reload().status, 200);
    wait_for("the sink to work", || (of_audit("picoclaw_sink_up") == [1.0]).then_some(()));
    let again = of_audit("picoclaw_sink_events_total");
    assert!(again.iter().sum::<f64>() > after.iter().sum::<f64>(), "{after:?} {again:?}");
}

#[test]
fn a_bad_configuration_changes_nothing_and_shows() {
    let gateway = Gateway::start(json!({}));
    gateway.chat("s", "x");
    for bad in [
        "{",
        r#"{"gateway":{"port":-1}}"#,
        r#"{"telemetry":{"sinks":[{"type":"datadog","options":{"x":1}}]}}"#,
    ] {
        fs::write(gateway.home.join("config.json"), bad).unwrap();
        let answer = gateway.reload();
        assert_eq!(answer.status, 500);
        assert!(
            answer.json()["error"].as_str().unwrap().contains("config.json")
                || answer.text().contains("telemetry")
        );
        let scrape = gateway.scrape();
        assert_eq!(scrape.get("picoclaw_config_last_reload_successful"), 0.0);
        assert_eq!(scrape.get("picoclaw_messages_total"), 1.0);
    }
    assert_eq!(gateway.scrape().get(r#"picoclaw_config_reloads_total{outcome="failure"}"#), 3.0);
    gateway.home.configure(json!({}));
    assert_eq!(gateway.reload().status, 200);
    assert_eq!(gateway.scrape().get("picoclaw_config_last_reload_successful"), 1.0);
    let home = gateway.stop();
    let refused: Vec<_> = home.log().into_iter().filter(|l| l["kind"] == "gateway.reload.failed").collect();
    assert_eq!(refused.len(), 3);
    assert!(refused.iter().all(|line| line["level"] == "error" && line["error"].is_string()));
}

#[test]
fn models_and_keys_are_taken_over_while_turns_go_on() {
    let gateway = Gateway::start(json!({}));
    let port = gateway.port;
    let slow = std::thread::spawn(move || {
        let body = json!({ "messages": [{ "role": "user", "content": "!slow 1s\nstill here" }] }).to_string();
        request(port, "POST", "/v1/chat/completions", &[], body.as_bytes()).unwrap()
    });
    wait_for("the turn", || (gateway.scrape().get("picoclaw_messages_active") == 1.0).then_some(()));
    gateway.home.configure(json!({ "gateway": { "api_key": "new-key-1234" } }));
    gateway.signal("HUP");
    let reloads = r#"picoclaw_config_reloads_total{outcome="success"}"#;
    wait_for("the reload", || (gateway.scrape().get(reloads) == 1.0).then_some(()));
    assert_eq!(gateway.say("s", "x").status, 401);
    assert!(slow.join().unwrap().text().contains("still here"));
}

#[test]
fn a_new_log_goes_on_where_the_file_ends_and_unchanged_sinks_are_left_alone() {
    let sinks = |audit: &str| {
        json!([
            { "type": "prometheus" },
            { "type": "jsonlog" },
            { "type": "jsonlog", "name": "audit", "options": { "path": "logs/audit.log", "level": audit } },
        ])
    };
    let gateway = Gateway::start(json!({ "telemetry": { "sinks": sinks("info") } }));
    gateway.chat("s", "x");
    gateway.home.configure(json!({ "telemetry": { "sinks": sinks("debug") } }));
    assert_eq!(gateway.reload().status, 200);
    gateway.chat("s", "x");
    let home = gateway.stop();
    let log = home.log();
    let completed = log.iter().find(|line| line["kind"] == "gateway.reload.completed").unwrap();
    let changes = completed.to_string();
    assert!(changes.contains("restarted audit; unchanged 3"), "{changes}");
    let text = fs::read_to_string(home.join("logs/audit.log")).unwrap();
    let audit: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for (name, lines) in [("picoclaw.log", &log), ("audit.log", &audit)] {
        let numbers: Vec<u64> = lines.iter().map(|line| line["seq"].as_u64().unwrap()).collect();
        assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>(), "{name}");
        let turns = lines.iter().filter(|line| line["kind"] == "agent.turn.end").count();
        assert_eq!(turns, 2, "{name} has every turn once");
    }
}

#[test]
fn what_needs_a_restart_is_said_and_not_done_until_it_happens() {
    let [probes, other_port, other_probes] = free_ports();
    let gateway = Gateway::start(json!({ "gateway": { "health_check": { "port": probes } } }));
    gateway.home.configure(json!({
        "gateway": { "port": other_port, "hot_reload": true, "health_check": { "port": other_probes } },
        "telemetry": { "session_active_minutes": 5 },
    }));
    let keys = [
        "gateway.port",
        "gateway.hot_reload",
        "gateway.health_check.port",
        "telemetry.session_active_minutes",
    ];
    for _ in 0..2 {
        let answer = gateway.reload().json();
        assert_eq!(answer, json!({ "status": "reload triggered", "needs_restart": keys }));
        for port in [gateway.port, probes] {
            assert_eq!(request(port, "GET", "/live", &[], b"").unwrap().status, 200);
        }
        for port in [other_port, other_probes] {
            let refused = TcpStream::connect(("127.0.0.1", port)).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        }
    }
    gateway.home.configure(json!({ "gateway": { "health_check": { "port": probes } } }));
    assert_eq!(gateway.reload().json(), json!({ "status": "reload triggered" }));
    let home = gateway.stop();
    let log = home.log();
    let warned: Vec<&str> =
        log.iter().filter(|line| line["level"] == "warn").filter_map(|line| line["key"].as_str()).collect();
    assert_eq!(warned, [keys, keys].concat());

    // The start does what the reload could not.
    home.configure(json!({ "gateway": { "port": other_port, "health_check": { "port": other_probes } } }));
    let gateway = Gateway::start_in(home);
    assert_eq!(gateway.port, other_port);
    assert_eq!(request(other_probes, "GET", "/live", &[], b"").unwrap().status, 200);
}

#[test]
fn probes_on_a_port_of_their_own_move_to_another_path() {
    let [probes] = free_ports();
    let health = |path: &str| json!({ "gateway": { "health_check": { "port": probes, "path": path } } });
    let gateway = Gateway::start(health("/health"));
    let status = |path: &str| request(probes, "GET", path, &[], b"").unwrap().status;
    gateway.home.configure(health("/up"));
    assert_eq!(gateway.reload().json()["changed"], json!(["gateway.health_check.path"]));
    assert_eq!((status("/up"), status("/ready"), status("/live")), (200, 200, 200));
    assert_eq!((status("/health"), status("/metrics")), (404, 404));
}

#[test]
fn what_changed_is_told_and_a_log_that_cannot_be_written_changes_nothing() {
    let gateway = Gateway::start(json!({}));
    let sinks = |path: &str| {
        let log = json!({ "type": "jsonlog", "name": "audit", "options": { "path": path } });
        json!([{ "type": "prometheus" }, { "type": "newrelic" }, { "type": "jsonlog" }, log])
    };
    for path in ["/dev/full", "/proc/nope/log"] {
        gateway.home.configure(json!({ "telemetry": { "sinks": sinks(path) } }));
        let answer = gateway.reload();
        assert_eq!(answer.status, 500);
        let why = answer.json()["error"].as_str().unwrap().to_owned();
        assert!(
            why.contains("telemetry.sinks[3]") && why.contains(&format!("{path} cannot be written")),
            "{why}"
        );
    }
    assert_eq!(gateway.health()["status"], "healthy");
    gateway.home.configure(json!({
        "telemetry": { "sinks": sinks("logs/audit.log") },
        "agents": { "defaults": { "turn_timeout_secs": 5 } },
        "gateway": { "hot_reload": true },
    }));
    assert_eq!(
        gateway.reload().json(),
        json!({
            "status": "reload triggered",
            "changed": ["agents.defaults.turn_timeout_secs", "telemetry.sinks"],
            "sinks": "started audit; unchanged 4",
            "needs_restart": ["gateway.hot_reload"],
        })
    );
    // The same by the command, which also lets the logs be opened anew.
    let log = gateway.home.join("logs/audit.log");
    wait_for("the log", || log.exists().then_some(()));
    fs::rename(&log, gateway.home.join("logs/audit.log.1")).unwrap();
    let model = json!({ "model_name": "m", "model": "echo/echo" });
    gateway.home.configure(json!({
        "telemetry": { "sinks": sinks("logs/audit.log") },
        "agents": { "defaults": { "turn_timeout_secs": 5 } },
        "gateway": { "hot_reload": true },
        "model_list": [model],
    }));
    let output = picoclaw(gateway.home.path()).arg("reload").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert!(
        said.starts_with("reloaded\nchanged: model_list[") && said.contains("next start: gateway.hot"),
        "{said}"
    );
    wait_for("the new file", || log.exists().then_some(()));
    let lines = gateway.stop().log();
    assert!(lines.last().unwrap()["message"].as_str().unwrap().starts_with("Gateway stopped"), "{lines:?}");
}

#[test]
fn a_gateway_that_stops_takes_nothing_new_over() {
    let mut gateway = Gateway::start(json!({}));
    let mut caller = gateway.begin("!slow 2s\ndone");
    gateway.signal("TERM");
    wait_for("draining", || (gateway.get("/health").status == 503).then_some(()));
    let late = json!({ "type": "jsonlog", "options": { "path": "late.log" } });
    gateway.home.configure(json!({ "telemetry": { "sinks": [late] } }));
    let answer = gateway.reload();
    assert_eq!(answer.status, 500);
    assert!(answer.json()["error"].as_str().unwrap().contains("stopping"), "{}", answer.text());
    gateway.signal("HUP");
    assert_eq!(caller.read(false).unwrap().status, 200);
    assert!(gateway.wait().success());
    assert!(!gateway.home.join("late.log").exists());
}

#[test]
fn a_gateway_that_stops_gives_a_reload_up_that_waits_for_others() {
    let agent = Agent::start();
    let sinks = json!([
        { "type": "jsonlog" },
        { "type": "datadog", "options": { "address": agent.address, "flush_interval_seconds": 600 } },
    ]);
    let mut gateway = Gateway::start(json!({ "telemetry": { "sinks": sinks } }));
    gateway.chat("s", "x");
    // A plugin that never says that it is ready.
    let plugins = json!({ "p": { "command": ["/usr/bin/sleep", "1000"] } });
    gateway.home.configure(json!({ "telemetry": { "sinks": sinks }, "tools": { "plugins": plugins } }));
    gateway.signal("HUP");
    wait_for("the plugin", || (!gateway.children().is_empty()).then_some(()));
    gateway.signal("TERM");
    assert!(gateway.wait().success());
    let output = gateway.output();
    assert!(
        !output.contains("A reload is under way") && !output.contains("could not be stopped"),
        "{output}"
    );
    assert_eq!(agent.stop().count("picoclaw.messages"), 1.0, "the last flush");
}

#[test]
fn a_changed_file_is_taken_over_when_asked_to() {
    let gateway = Gateway::start(json!({ "gateway": { "hot_reload": true } }));
    let config = json!({ "gateway": { "hot_reload": true, "metrics": { "path": "/elsewhere" } } });
    gateway.home.configure(config);
    wait_for("the reload", || (gateway.get("/elsewhere").status == 200).then_some(()));
}

#[test]
fn a_log_that_was_renamed_is_opened_anew_even_while_a_reload_goes_on() {
    // An Agent that has stopped reading: the sink uses its whole patience when it is to go.
    let home = Home::new(json!({}));
    let path = home.join("dsd.socket");
    let _stuck = UnixDatagram::bind(&path).unwrap();
    let filling = UnixDatagram::unbound().unwrap();
    filling.set_nonblocking(true).unwrap();
    while filling.send_to(b"x", &path).is_ok() {}
    let log = json!({ "type": "jsonlog", "options": { "level": "debug" } });
    let metrics = json!({ "type": "prometheus" });
    let datadog = json!({ "type": "datadog", "options": {
        "socket": path, "flush_interval_seconds": 0.1,
    } });
    home.configure(json!({ "telemetry": { "sinks": [log, metrics, datadog] } }));
    let gateway = Gateway::start_in(home);
    gateway.chat("s", "x");
    gateway.home.configure(json!({ "telemetry": { "sinks": [log, metrics] } }));
    let file = gateway.home.join("logs/picoclaw.log");
    wait_for("the log", || file.exists().then_some(()));
    std::thread::scope(|scope| {
        let reloading = scope.spawn(|| gateway.reload().status);
        let begun = || gateway.home.log().iter().any(|line| line["kind"] == "gateway.reload.started");
        wait_for("the reload", || begun().then_some(()));
        assert!(!reloading.is_finished(), "the reload was meant to take a while");
        fs::rename(&file, gateway.home.join("logs/picoclaw.log.1")).unwrap();
        gateway.signal("HUP");
        wait_for("the new file", || file.exists().then_some(()));
        assert_eq!(reloading.join().unwrap(), 200);
    });
    let reloads = r#"picoclaw_config_reloads_total{outcome="success"}"#;
    wait_for("the second reload", || (gateway.scrape().get(reloads) == 2.0).then_some(()));
}
