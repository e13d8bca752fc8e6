//! Keeps one plugin at work: starts it, hands it what is asked of it, watches the time, and starts it again.

use std::sync::Arc;
use std::time::Duration;

use picoclaw_telemetry::SinkStats;
use tokio::time::{Instant, sleep_until};

use super::hello::Hello;
use super::output::Output;
use super::peer::Launcher;
use super::request::{Request, Requests, Trouble};
use super::restarts::{Pauses, Restarts};
use super::session::Session;
use super::work::{Blame, Over, Work};

/// What is needed to keep a plugin.
pub(super) struct Keeper {
    pub(super) name: String,
    pub(super) launcher: Launcher,
    pub(super) hello: Hello,
    pub(super) output: Output,
    pub(super) stats: Arc<SinkStats>,
    /// Whether nobody else says that the plugin is up: a sink's runner does so when something goes out.
    pub(super) judges: bool,
    pub(super) call_timeout: Duration,
    pub(super) flush_every: Duration,
    pub(super) pauses: Pauses,
    pub(super) requests: Requests,
}

impl Keeper {
    /// Works until nobody asks any more.
    pub(super) async fn run(mut self) {
        let mut restarts = Restarts::new(self.pauses);
        let mut blame = Blame::default();
        // Whether it failed while nobody waited, so that nobody else will notice that it is back.
        let mut unnoticed = false;
        loop {
            let began = Instant::now();
            let not_wanted = self.requests.end();
            let over = match Session::open(&self.launcher, &self.hello, &self.output, not_wanted).await {
                Ok(session) => {
                    self.greet(&session);
                    if unnoticed || self.judges {
                        self.stats.mark_up();
                    }
                    Work::new(&mut self, &mut blame, session).run().await
                }
                Err(_) if self.requests.are_over() => return self.requests.refuse(),
                Err(failed) => Over::Failed { failed, unnoticed },
            };
            let Over::Failed { failed, unnoticed: again } = over else { return };
            unnoticed = again;
            if failed.leaked {
                return self.off(&failed.message).await;
            }
            let pause = restarts.failed(Instant::now(), began.elapsed());
            self.report(&failed.message, pause.time, pause.breaker);
            if self.rest(Instant::now() + pause.time, &failed.message).await {
                return;
            }
            self.stats.add_restarts(1);
        }
    }

    fn greet(&self, session: &Session) {
        let ready = session.ready();
        let (plugin, pid) = (&self.name, session.pid());
        tracing::info!(target: "picoclaw_sinks", plugin, pid, called = ready.name, version = ready.version, "Plugin is ready.");
        if ready.signals_taken > 0 {
            tracing::warn!(target: "picoclaw_sinks", plugin, signals = ready.signals_taken, "Plugin took over signals of its process.");
        }
    }

    fn report(&self, error: &str, pause: Duration, breaker: bool) {
        let (plugin, pause_ms) = (&self.name, pause.as_millis());
        self.stats.mark_down();
        if breaker {
            tracing::error!(target: "picoclaw_sinks", plugin, error, pause_ms, "Plugin fails again and again; it rests before it is started again.");
        } else {
            tracing::warn!(target: "picoclaw_sinks", plugin, error, pause_ms, "Plugin failed; it is started again.");
        }
    }

    /// Waits, and answers those who ask meanwhile. Whether nobody will ask any more.
    async fn rest(&mut self, until: Instant, why: &str) -> bool {
        loop {
            let request = tokio::select! {
                () = sleep_until(until) => return false,
                request = self.requests.next() => request,
            };
            let Some(request) = request else { return true };
            let stop = matches!(request, Request::Stop { .. });
            let after = Some(until.saturating_duration_since(Instant::now()));
            request.fail(Trouble { message: format!("the plugin is not running: {why}"), after, off: false });
            if stop {
                return true;
            }
        }
    }

    /// The rest of the life of a plugin whose thread hangs.
    async fn off(&mut self, why: &str) {
        self.stats.mark_down();
        tracing::error!(target: "picoclaw_sinks", plugin = self.name, error = why, "Plugin is off.");
        while let Some(request) = self.requests.next().await {
            let stop = matches!(request, Request::Stop { .. });
            request.fail(Trouble { message: why.to_owned(), after: None, off: true });
            if stop {
                return;
            }
        }
    }
}
