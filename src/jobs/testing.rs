//! A world and a clock for tests.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use picoclaw_telemetry::words::Origin;
use tokio::time::Instant;

use super::clock::Clock;
use super::world::World;
use picoclaw::agent::Conversation;

/// A clock that goes with tokio's, which tests stop and advance.
pub(super) struct TestClock {
    began: Instant,
    base: i64,
}

impl TestClock {
    pub(super) fn at(base: i64) -> Arc<Self> {
        Arc::new(Self { began: Instant::now(), base })
    }
}

impl Clock for TestClock {
    fn now(&self) -> i64 {
        self.base + i64::try_from(self.began.elapsed().as_millis()).unwrap()
    }
}

/// Notes what is asked of it. An answer takes as long as `takes` says.
#[derive(Default)]
pub(super) struct TestWorld {
    pub(super) takes: Duration,
    pub(super) answer: Mutex<Option<Result<String, String>>>,
    pub(super) asked: Mutex<Vec<(Conversation, String, Origin)>>,
    pub(super) told: Mutex<Vec<(String, String, String)>>,
}

#[async_trait]
impl World for TestWorld {
    async fn ask(&self, conversation: Conversation, text: &str, origin: Origin) -> Result<String, String> {
        self.asked.lock().unwrap().push((conversation, text.to_owned(), origin));
        tokio::time::sleep(self.takes).await;
        self.answer.lock().unwrap().clone().unwrap_or_else(|| Ok("done".to_owned()))
    }

    async fn command(&self, _: &str, command: &str, _: Duration) -> Result<String, String> {
        if command == "false" { Err("exit 1".to_owned()) } else { Ok(format!("ran {command}")) }
    }

    async fn tell(&self, channel: &str, chat: &str, text: &str) -> Result<(), String> {
        if channel == "gone" {
            return Err("no such channel".to_owned());
        }
        self.told.lock().unwrap().push((channel.to_owned(), chat.to_owned(), text.to_owned()));
        Ok(())
    }
}
