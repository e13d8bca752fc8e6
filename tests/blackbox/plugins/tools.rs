//! A plugin's tools are the agent's tools, and no plugin takes the agent with it.

use serde_json::{Value, json};

use crate::support::{Gateway, Home, library, wait_for};

/// A gateway with one plugin that has tools.
fn gateway(name: &str, mut options: Value) -> Gateway {
    let home = Home::new(json!({}));
    options["path"] = json!(library(&home, name));
    home.configure(json!({ "tools": { "plugins": { name: options } } }));
    Gateway::start_in(home)
}

fn results(gateway: &Gateway, tool: &str, status: &str) -> f64 {
    let series = format!(r#"picoclaw_tool_results_total{{tool="{tool}",status="{status}"}}"#);
    gateway.scrape().get(&series)
}

#[test]
fn a_model_calls_the_tools_of_a_plugin() {
    for isolation in ["process", "in_process"] {
        let gateway = gateway("clock", json!({ "isolation": isolation }));
        let call = r#"!tool days_between {"from":"2024-02-28","to":"2024-03-01"}"#;
        let answer = gateway.chat("s", call);
        assert!(answer.contains('2'), "{answer}");
        let wrong = gateway.chat("s", r#"!tool days_between {"from":"yesterday","to":"2024-03-01"}"#);
        assert!(wrong.contains("is no date"), "{wrong}");
        let answer = gateway.chat("s", "!tool current_time {}");
        assert!(answer.contains("UTC+00:00"), "{answer}");
        assert_eq!(results(&gateway, "days_between", "success"), 1.0, "{isolation}");
        assert_eq!(results(&gateway, "days_between", "error"), 1.0);
        assert_eq!(results(&gateway, "current_time", "success"), 1.0);
    }
}

#[test]
fn a_call_that_ends_its_plugin_is_an_error_for_the_model_and_the_next_one_works() {
    let deaths = [
        ("segfault", "SIGSEGV"),
        ("exit", "exited with status 0"),
        ("panic_in_events", "told to panic"),
        ("hang", "a call took longer than 1000 ms"),
    ];
    let gateway = gateway("drill", json!({ "call_timeout_ms": 1000 }));
    for (drill, word) in deaths {
        let before = results(&gateway, "obey", "error");
        let answer = gateway.chat("s", &format!(r#"!tool obey {{"drill":"{drill}"}}"#));
        assert!(answer.contains(word), "{drill}: {answer}");
        assert_eq!(results(&gateway, "obey", "error"), before + 1.0);
        wait_for("the plugin to be back", || {
            let answer = gateway.chat("s", r#"!tool obey {"drill":"nothing"}"#);
            answer.contains("obeyed").then_some(())
        });
    }
}

#[test]
fn one_on_a_thread_survives_its_panic() {
    let gateway = gateway("drill", json!({ "isolation": "in_process" }));
    let answer = gateway.chat("s", r#"!tool obey {"drill":"panic_in_events"}"#);
    assert!(answer.contains("told to panic"), "{answer}");
    wait_for("the plugin to be back", || {
        gateway.chat("s", r#"!tool obey {"drill":"nothing"}"#).contains("obeyed").then_some(())
    });
}

/// What the metrics say of a plugin: whether it is up, and how often it was started again.
fn state(gateway: &Gateway, plugin: &str) -> (f64, f64) {
    let scrape = gateway.scrape();
    let get = |metric: &str| scrape.get(&format!(r#"picoclaw_plugin_{metric}{{plugin="{plugin}"}}"#));
    (get("up"), get("restarts_total"))
}

#[test]
fn metrics_and_health_say_how_a_plugin_is() {
    let gateway = gateway("drill", json!({}));
    assert_eq!(state(&gateway, "drill"), (1.0, 0.0));
    assert_eq!(
        (&gateway.health()["status"], &gateway.health()["plugins_down"]),
        (&json!("healthy"), &json!(0))
    );
    gateway.chat("s", r#"!tool obey {"drill":"segfault"}"#);
    wait_for("the plugin to be back", || (state(&gateway, "drill") == (1.0, 1.0)).then_some(()));
    assert_eq!(gateway.health()["status"], "healthy");
    // A successor that refuses to work: the tools are gone, and that is no secret.
    let path = library(&gateway.home, "drill");
    let plugins =
        |config: Value| json!({ "tools": { "plugins": { "drill": { "path": path, "config": config } } } });
    gateway.home.configure(plugins(json!({ "drill": "refuse_create" })));
    assert_eq!(gateway.reload().status, 200);
    let health = gateway.health();
    let told = (&health["status"], &health["issues"], &health["plugins_down"]);
    assert_eq!(told, (&json!("degraded"), &json!("plugin_drill_down"), &json!(1)));
    assert_eq!(state(&gateway, "drill"), (0.0, 1.0));
    // A reload that is refused changes nothing about the one that is at work.
    gateway.home.configure(plugins(json!({})));
    assert_eq!(gateway.reload().status, 200);
    let mut refused = plugins(json!({ "drill": "refuse_create" }));
    refused["telemetry"] = json!({ "sinks": [{ "type": "jsonlog", "options": { "path": "/proc/nope" } }] });
    gateway.home.configure(refused);
    assert_eq!(gateway.reload().status, 500);
    assert_eq!(state(&gateway, "drill"), (1.0, 1.0));
    assert!(gateway.chat("s", r#"!tool obey {"drill":"nothing"}"#).contains("obeyed"));
    // Without it nothing is down, and the counter stays.
    gateway.home.configure(json!({}));
    assert_eq!(gateway.reload().status, 200);
    assert_eq!(gateway.health()["status"], "healthy");
    let scrape = gateway.scrape();
    assert_eq!(scrape.get(r#"picoclaw_plugin_restarts_total{plugin="drill"}"#), 1.0);
    assert_eq!(scrape.family("picoclaw_plugin_up").count(), 0);
}

#[test]
fn a_gateway_stops_without_waiting_for_a_plugin_that_does_not_get_ready_again() {
    let home = Home::new(json!({}));
    let mark = home.join("ready-once");
    let tool = r#""tools":[{"name":"t","parameters":{"type":"object"}}]"#;
    let program = super::frames::READY.replace(r#""protocol": 1"#, &format!(r#""protocol": 1, {tool}"#));
    let program = format!(
        "import os, sys, time\nif os.path.exists(sys.argv[1]): time.sleep(1000)\nopen(sys.argv[1], 'w')\n\
         {}\n",
        program.replace("if kind == 3: break", "sys.exit(4)")
    );
    let command = json!([super::python(), "-c", program, mark]);
    home.configure(json!({ "tools": { "plugins": { "p": { "command": command } } } }));
    let gateway = Gateway::start_in(home);
    assert!(gateway.chat("s", "!tool t {}").contains("exited with status 4"));
    wait_for("its successor, which hangs", || (!gateway.children().is_empty()).then_some(()));
    assert_eq!(gateway.health()["issues"], "plugin_p_down");
    let children = gateway.children();
    let home = gateway.stop();
    let log = std::fs::read_to_string(home.join("logs/picoclaw.log")).unwrap();
    assert!(!log.contains("did not stop in time"), "{log}");
    assert!(children.iter().all(|pid| !std::path::Path::new(&format!("/proc/{pid}")).exists()));
}

#[test]
fn a_plugin_that_does_not_start_leaves_the_gateway_without_its_tools() {
    let gateway = gateway("drill", json!({ "config": { "drill": "refuse_create" } }));
    gateway.logged("its tools are left out");
    let answer = gateway.chat("s", r#"!tool obey {}"#);
    assert!(answer.contains("There is no tool named"), "{answer}");
    // With the next reload it may be another plugin.
    let path = library(&gateway.home, "clock");
    gateway.home.configure(json!({ "tools": { "plugins": { "clock": { "path": path } } } }));
    assert_eq!(gateway.reload().status, 200);
    assert!(gateway.chat("s", "!tool current_time {}").contains("UTC"));
    assert_eq!(gateway.children().len(), 1, "the other one was stopped");
}

#[test]
fn a_reload_leaves_plugins_alone_that_did_not_change() {
    let home = Home::new(json!({}));
    let (clock, drill) = (library(&home, "clock"), library(&home, "drill"));
    let configure = |home: &Home, drill_options: Value| {
        let mut drill_options = drill_options;
        drill_options["path"] = json!(drill);
        home.configure(
            json!({ "tools": { "plugins": { "clock": { "path": clock }, "drill": drill_options } } }),
        );
    };
    configure(&home, json!({}));
    let gateway = Gateway::start_in(home);
    let before = gateway.children();
    assert_eq!(before.len(), 2);
    assert_eq!(gateway.reload().status, 200);
    assert_eq!(gateway.children(), before, "nothing changed");
    let changed = |what: &str| {
        wait_for(what, || {
            let now = gateway.children();
            let kept = now.iter().filter(|pid| before.contains(pid)).count();
            (now.len() == 2 && kept == 1).then_some(())
        });
    };
    configure(&gateway.home, json!({ "call_timeout_ms": 5000 }));
    assert_eq!(gateway.reload().status, 200);
    changed("another process for the one that changed");
    assert!(gateway.chat("s", "!tool current_time {}").contains("UTC"));
    assert!(gateway.chat("s", r#"!tool obey {"drill":"nothing"}"#).contains("obeyed"));
    let between = gateway.children();
    super::replace(&clock);
    assert_eq!(gateway.reload().status, 200);
    wait_for("another process for the library that was replaced", || {
        let now = gateway.children();
        (now.len() == 2 && now.iter().filter(|pid| between.contains(pid)).count() == 1).then_some(())
    });
}

#[test]
fn one_in_the_gateways_process_that_was_replaced_refuses_the_reload_and_goes_on() {
    let gateway = gateway("clock", json!({ "isolation": "in_process" }));
    super::replace(&gateway.home.join("libpicoclaw_plugin_clock.so"));
    let answer = gateway.reload();
    assert_eq!(answer.status, 500);
    assert!(answer.text().contains("tools.plugins.clock.path: "), "{}", answer.text());
    assert!(answer.text().contains("by a restart of the gateway only"), "{}", answer.text());
    assert!(gateway.chat("s", "!tool current_time {}").contains("UTC"));
}

#[test]
fn plugins_with_tools_end_in_good_order_with_the_gateway() {
    let home = gateway("drill", json!({ "config": { "drill": "panic_in_drop" } })).stop();
    let log = std::fs::read_to_string(home.join("logs/picoclaw.log")).unwrap();
    // Only an instance that is ended, and not killed, gets so far.
    assert!(log.contains("told to panic in drop"), "{log}");
}
