//! A service manager hears when the gateway is ready, reloads, stops, and that it is not stuck.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use serde_json::json;

use crate::support::{Gateway, Home};

/// The service manager's end of the notifications.
struct Manager(UnixDatagram);

impl Manager {
    fn listen(home: &Home) -> (Self, String) {
        let path = home.join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        (Self(socket), path.to_str().unwrap().to_owned())
    }

    /// Waits for a message that begins like this, past others.
    fn wait_for(&self, beginning: &str) -> String {
        loop {
            let mut bytes = [0; 512];
            let length = self.0.recv(&mut bytes).unwrap_or_else(|error| panic!("{error}: no {beginning}"));
            let message = String::from_utf8(bytes[..length].to_vec()).unwrap();
            if message.starts_with(beginning) {
                return message;
            }
        }
    }
}

#[test]
fn the_service_manager_hears_of_every_stage() {
    let home = Home::new(json!({}));
    let (manager, path) = Manager::listen(&home);
    let variables = [("NOTIFY_SOCKET", path.as_str()), ("WATCHDOG_USEC", "200000")];
    let mut gateway = Gateway::start_with(home, &[], &variables);
    manager.wait_for("READY=1");
    manager.wait_for("WATCHDOG=1");
    manager.wait_for("WATCHDOG=1");
    gateway.signal("HUP");
    let reloading = manager.wait_for("RELOADING=1");
    assert!(reloading.lines().nth(1).unwrap().starts_with("MONOTONIC_USEC="), "{reloading}");
    manager.wait_for("READY=1");
    gateway.say("s", "!fail 500");
    manager.wait_for("STATUS=degraded: provider_echo_failing");
    gateway.signal("TERM");
    manager.wait_for("STOPPING=1");
    assert!(gateway.wait().success());
}

#[test]
fn a_refused_reload_ends_for_the_service_manager_too() {
    let home = Home::new(json!({}));
    let (manager, path) = Manager::listen(&home);
    let gateway = Gateway::start_with(home, &[], &[("NOTIFY_SOCKET", path.as_str())]);
    manager.wait_for("READY=1");
    std::fs::write(gateway.home.join("config.json"), "{").unwrap();
    gateway.signal("HUP");
    manager.wait_for("RELOADING=1");
    manager.wait_for("READY=1");
}
