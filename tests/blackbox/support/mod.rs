//! What the tests share: a gateway, an HTTP client, a provider that fails on demand, a DogStatsD receiver,
//! plugins.

mod agent;
mod bot_api;
mod disk;
mod gateway;
mod http;
mod network;
mod plugin;
mod receiver;
mod scrape;
mod upstream;
mod websocket;

use std::net::TcpListener;
use std::time::{Duration, Instant};

pub(crate) use agent::Agent;
pub(crate) use bot_api::{BOT_TOKEN, BotApi, Fault};
pub(crate) use disk::HangingDisk;
pub(crate) use gateway::{Gateway, Home, picoclaw};
pub(crate) use http::{Client, request};
pub(crate) use network::{Network, Peer};
pub(crate) use plugin::{Account, c_library, library, plugin, with_sinks};
pub(crate) use receiver::Receiver;
pub(crate) use scrape::Scrape;
pub(crate) use upstream::{Behaviour, Upstream};
pub(crate) use websocket::Socket;

/// How long a condition may take on a busy machine before the test fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// Different ports on which nobody listens now.
pub(crate) fn free_ports<const N: usize>() -> [u16; N] {
    // All are held until the last is found, so that none comes twice.
    let held: Vec<_> = (0..N).map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port")).collect();
    std::array::from_fn(|n| held[n].local_addr().expect("an address").port())
}

/// Waits until `condition` gives something.
pub(crate) fn wait_for<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
