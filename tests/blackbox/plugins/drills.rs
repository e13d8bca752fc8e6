//! Whatever a plugin does: messages are answered, other sinks miss nothing, and what was lost is counted.

use serde_json::{Value, json};

use super::numbers;
use crate::support::{Account, Gateway, Home, library, plugin, wait_for, with_sinks};

/// A gateway with a plugin that is told to do something, `bad`, and one that is well, `good`.
fn gateway(isolation: &str, config: impl FnOnce(&Home) -> Value, options: Value) -> Gateway {
    let home = Home::new(json!({}));
    let mut bad = json!({ "path": library(&home, "drill"), "isolation": isolation, "config": config(&home) });
    let fields = options.as_object().unwrap().clone();
    bad.as_object_mut().unwrap().extend(fields);
    let good = json!({ "path": library(&home, "drill"), "config": { "file": home.join("good") } });
    home.configure(with_sinks(&[plugin("bad", bad), plugin("good", good)]));
    Gateway::start_in(home)
}

/// What a plugin is told to do once, with the first turn's end, before it takes the batch.
fn once(home: &Home, drill: &str) -> Value {
    let (once, file) = (home.join("once"), home.join("bad"));
    json!({ "drill": drill, "on": "agent.turn.end", "once": once, "file": file })
}

/// Everything was handed over, some of it after a restart, and nothing is missing.
fn assert_recovered(gateway: &Gateway, drill: &str) -> Account {
    for n in 0..5 {
        gateway.chat("s", &format!("{n}"));
    }
    wait_for(&format!("a restart after {drill}"), || {
        (gateway.sink("restarts_total", "bad") >= 1.0).then_some(())
    });
    gateway.chat("s", "and after it");
    let account = gateway.settled("bad");
    assert_eq!((account.dropped, account.restarts, account.up), (0.0, 1.0, true), "{drill}");
    let mut seen = numbers(&gateway.home.join("bad"));
    seen.dedup();
    assert_eq!(seen.len() as f64, account.delivered, "{drill}");
    let good = gateway.settled("good");
    assert_eq!(numbers(&gateway.home.join("good")).len() as f64, good.delivered, "{drill}");
    assert_eq!((good.dropped, good.restarts), (0.0, 0.0));
    account
}

#[test]
fn a_process_that_dies_costs_nothing_but_a_restart() {
    let deaths = [
        ("segfault", "SIGSEGV"),
        ("abort", "SIGABRT"),
        ("exit", "exited with status 0"),
        ("stack_overflow", "SIG"),
        ("eat", "SIGABRT"),
        ("panic_in_events", "told to panic in on_events"),
    ];
    for (drill, word) in deaths {
        let limits = json!({ "limits": { "memory_mb": 64 } });
        let gateway = gateway("process", |home| once(home, drill), limits);
        assert_recovered(&gateway, drill);
        gateway.logged(word);
    }
}

#[test]
fn a_panic_on_a_thread_costs_nothing_but_a_new_instance() {
    let gateway = gateway("in_process", |home| once(home, "panic_in_events"), json!({}));
    assert_recovered(&gateway, "panic_in_events");
    gateway.logged("plugins/drill/src/lib.rs:");
}

#[test]
fn a_process_that_hangs_is_killed() {
    for drill in ["hang", "spin"] {
        let gateway = gateway("process", |home| once(home, drill), json!({ "call_timeout_ms": 1000 }));
        assert_recovered(&gateway, drill);
        gateway.logged("a call took longer than 1000 ms");
    }
}

#[test]
fn a_thread_that_hangs_is_left_alone_and_its_sink_is_off() {
    let gateway = gateway("in_process", |home| once(home, "hang"), json!({ "call_timeout_ms": 1000 }));
    for _ in 0..3 {
        gateway.chat("s", "x");
    }
    wait_for("the sink to be down", || (gateway.sink("up", "bad") == 0.0).then_some(()));
    gateway.chat("s", "x");
    let account = gateway.settled("bad");
    assert!(account.dropped > 0.0 && !account.up, "{account:?}");
    assert_eq!(numbers(&gateway.home.join("bad")).len() as f64, account.delivered);
    assert_eq!(gateway.settled("good").dropped, 0.0);
    gateway.logged("off until the gateway starts again");
    gateway.stop();
}

#[test]
fn a_batch_that_kills_twice_is_dropped_and_counted() {
    for isolation in ["process", "in_process"] {
        let drill = if isolation == "process" { "abort" } else { "panic_in_events" };
        let config =
            |home: &Home| json!({ "drill": drill, "on": "agent.turn.end", "file": home.join("bad") });
        let gateway = gateway(isolation, config, json!({}));
        gateway.chat("s", "x");
        wait_for("two restarts", || (gateway.sink("restarts_total", "bad") == 2.0).then_some(()));
        let account = gateway.settled("bad");
        assert!(account.dropped >= 1.0, "{isolation}: {account:?}");
        let seen = numbers(&gateway.home.join("bad"));
        assert_eq!(seen.len() as f64, account.delivered, "{isolation}");
        let reason = r#"picoclaw_sink_events_dropped_total{sink="bad",reason="refused"}"#;
        assert_eq!(gateway.scrape().get(reason), account.dropped);
    }
}

#[test]
fn one_that_cannot_begin_is_down_and_says_why() {
    for (drill, word) in [("refuse_create", "told to refuse"), ("panic_in_create", "told to panic in create")]
    {
        for isolation in ["process", "in_process"] {
            let gateway = gateway(isolation, |_| json!({ "drill": drill }), json!({}));
            wait_for("the sink to be down", || (gateway.sink("up", "bad") == 0.0).then_some(()));
            gateway.chat("s", "x");
            let issues = gateway.health()["issues"].to_string();
            assert!(issues.contains("sink_bad_down"), "{isolation} {drill}: {issues}");
            gateway.logged(word);
            assert_eq!(gateway.settled("good").dropped, 0.0);
        }
    }
}

#[test]
fn one_that_asks_for_time_gets_it_and_one_that_refuses_loses() {
    for isolation in ["process", "in_process"] {
        let gateway = self::gateway(isolation, |home| once(home, "retry"), json!({}));
        gateway.chat("s", "x");
        let account = gateway.settled("bad");
        assert_eq!((account.dropped, account.restarts), (0.0, 0.0), "{isolation}");
        assert_eq!(numbers(&gateway.home.join("bad")).len() as f64, account.delivered);
        let scrape = gateway.scrape();
        assert_eq!(scrape.get(r#"picoclaw_sink_send_errors_total{sink="bad",kind="retry"}"#), 1.0);

        let gateway = self::gateway(isolation, |home| once(home, "lose"), json!({}));
        gateway.chat("s", "x");
        wait_for("a loss", || {
            let scrape = gateway.scrape();
            let errors = r#"picoclaw_sink_send_errors_total{sink="bad",kind="permanent"}"#;
            (scrape.get(errors) == 1.0).then_some(())
        });
        gateway.chat("s", "x");
        let account = gateway.settled("bad");
        assert!(account.dropped > 0.0 && account.up && account.restarts == 0.0, "{account:?}");
        assert_eq!(numbers(&gateway.home.join("bad")).len() as f64, account.delivered);
    }
}

#[test]
fn a_flood_of_lines_does_not_drown_the_log() {
    let gateway = gateway("process", |home| once(home, "flood"), json!({}));
    for _ in 0..3 {
        gateway.chat("s", "x");
    }
    let account = gateway.settled("bad");
    assert_eq!((account.dropped, account.restarts), (0.0, 0.0));
    gateway.logged("lines are suppressed");
    let log = std::fs::read_to_string(gateway.home.join("logs/picoclaw.log")).unwrap();
    let lines = log.matches("of a flood").count();
    assert!((1..=300).contains(&lines), "{lines} lines of 40000");
    // It is not told of its own words, which would make it speak again.
    assert!(account.filtered >= lines as f64, "{account:?}");
}

#[test]
fn panics_at_other_moments_are_survived() {
    for isolation in ["process", "in_process"] {
        let options = json!({ "flush_interval_ms": 20 });
        let gateway = gateway(isolation, |home| once(home, "panic_in_flush"), options);
        gateway.chat("s", "x");
        wait_for("a restart", || (gateway.sink("restarts_total", "bad") == 1.0).then_some(()));
        gateway.chat("s", "x");
        let account = gateway.settled("bad");
        assert_eq!((account.dropped, account.up), (0.0, true), "{isolation}");
        gateway.stop();
        let gateway = self::gateway(isolation, |_| json!({ "drill": "panic_in_drop" }), json!({}));
        gateway.chat("s", "x");
        gateway.stop();
    }
}

/// Five crashes in a minute are too many.
#[test]
fn one_that_crashes_again_and_again_rests() {
    let gateway = gateway("process", |_| json!({ "drill": "abort" }), json!({}));
    gateway.logged("fails again and again");
    assert_eq!(gateway.sink("restarts_total", "bad"), 4.0);
    gateway.chat("s", "x");
    assert_eq!(gateway.settled("good").dropped, 0.0);
    assert!(gateway.health()["issues"].to_string().contains("sink_bad_down"));
}

/// What does not fit into the buffer while a plugin is slow is lost, and counted where it is lost.
#[test]
fn what_a_slow_plugin_cannot_take_is_counted() {
    let home = Home::new(json!({}));
    let mut sink = plugin(
        "bad",
        json!({ "path": library(&home, "drill"), "config": once(&home, "hang"), "call_timeout_ms": 1500 }),
    );
    sink["buffer"] = json!({ "max_events": 20 });
    home.configure(with_sinks(&[sink]));
    let gateway = Gateway::start_in(home);
    let full = r#"picoclaw_sink_events_dropped_total{sink="bad",reason="buffer_full"}"#;
    wait_for("a full buffer", || {
        gateway.chat("s", "x");
        (gateway.scrape().get(full) > 0.0).then_some(())
    });
    wait_for("a restart", || (gateway.sink("restarts_total", "bad") == 1.0).then_some(()));
    let account = gateway.settled("bad");
    assert_eq!(gateway.scrape().get(full), account.dropped);
    let mut seen = numbers(&gateway.home.join("bad"));
    seen.dedup();
    assert_eq!(seen.len() as f64, account.delivered);
}

#[test]
fn a_plugin_that_hangs_does_not_keep_the_gateway_from_stopping() {
    for isolation in ["process", "in_process"] {
        let gateway = gateway(isolation, |home| once(home, "hang"), json!({ "call_timeout_ms": 600_000 }));
        gateway.chat("s", "x");
        wait_for("the hang", || gateway.home.join("once").exists().then_some(()));
        gateway.stop();
    }
}

/// Nor from taking a new configuration, with which the old process is gone.
#[test]
fn a_plugin_that_hangs_is_replaced_by_a_reload() {
    let gateway = gateway("process", |home| once(home, "hang"), json!({ "call_timeout_ms": 600_000 }));
    gateway.chat("s", "x");
    wait_for("the hang", || gateway.home.join("once").exists().then_some(()));
    let before = gateway.children();
    assert_eq!(before.len(), 2);
    let options =
        json!({ "path": library(&gateway.home, "drill"), "config": { "file": gateway.home.join("bad") } });
    gateway.home.configure(with_sinks(&[plugin("bad", options)]));
    assert_eq!(gateway.reload().status, 200);
    wait_for("another process alone", || {
        let now = gateway.children();
        (now.len() == 1 && !before.contains(&now[0])).then_some(())
    });
    gateway.chat("s", "x");
    wait_for("its events", || (gateway.sink("buffer_events", "bad") == 0.0).then_some(()));
    assert!(gateway.sink("up", "bad") == 1.0);
}
