//! A reload leaves plugins alone that did not change, and takes over those that did, under load and without a gap.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use super::{numbers, replace};
use crate::support::{Gateway, Home, library, plugin, wait_for, with_sinks};

#[test]
fn a_changed_library_is_taken_over_with_a_reload() {
    let home = Home::new(json!({}));
    let path = library(&home, "drill");
    home.configure(with_sinks(&[plugin("p", json!({ "path": path, "config": { "file": home.join("p") } }))]));
    let gateway = Gateway::start_in(home);
    wait_for("the plugin", || (gateway.children().len() == 1).then_some(()));
    let before = gateway.children();
    assert_eq!(gateway.reload().status, 200);
    assert_eq!(gateway.children(), before, "nothing changed");
    replace(&path);
    assert_eq!(gateway.reload().status, 200);
    wait_for("another process", || {
        let now = gateway.children();
        (now.len() == 1 && now != before).then_some(())
    });
    gateway.chat("s", "x");
    let account = gateway.settled("p");
    assert_eq!(numbers(&gateway.home.join("p")).len() as f64, account.delivered);
    assert_eq!(account.dropped, 0.0);
}

#[test]
fn a_changed_library_in_the_gateways_process_needs_a_restart_and_says_so() {
    let home = Home::new(json!({}));
    let path = library(&home, "drill");
    home.configure(with_sinks(&[plugin("p", json!({ "path": path, "isolation": "in_process" }))]));
    let gateway = Gateway::start_in(home);
    gateway.settled("p");
    assert_eq!(gateway.reload().status, 200);
    replace(&path);
    let answer = gateway.reload();
    assert_eq!(answer.status, 500);
    assert!(answer.text().contains("by a restart of the gateway only"), "{}", answer.text());
    gateway.chat("s", "x");
    assert!(gateway.settled("p").up);
}

#[test]
fn reloads_under_load_lose_nothing() {
    for isolation in ["process", "in_process"] {
        let home = Home::new(json!({}));
        let path = library(&home, "drill");
        let sinks = |n: u64, home: &Home| {
            let config = json!({ "file": home.join("p") });
            let options =
                json!({ "path": path, "isolation": isolation, "config": config, "flush_interval_ms": n });
            with_sinks(&[plugin("p", options)])
        };
        home.configure(sinks(1000, &home));
        let gateway = Gateway::start_in(home);
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let load = scope.spawn(|| {
                let mut answered = 0;
                while !done.load(Ordering::SeqCst) {
                    gateway.chat("s", "x");
                    answered += 1;
                }
                answered
            });
            for n in 0..5 {
                gateway.home.configure(sinks(1001 + n, &gateway.home));
                let answer = gateway.reload();
                assert_eq!(answer.status, 200, "{}", answer.text());
            }
            done.store(true, Ordering::SeqCst);
            assert!(load.join().unwrap() > 0);
        });
        let account = gateway.settled("p");
        assert_eq!((account.dropped, account.restarts), (0.0, 0.0), "{isolation}");
        let seen = numbers(&gateway.home.join("p"));
        assert_eq!(seen.len() as f64, account.delivered, "{isolation}");
        assert!(seen.is_sorted_by(|a, b| a < b), "{isolation}");
    }
}
