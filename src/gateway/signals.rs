//! What the operating system asks for.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;

use super::parts::Parts;
use super::reload::Reload;

/// How long a second stop leaves for the pid file and a word why.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// What the thread that waits for it needs.
const STACK: usize = 128 << 10;

/// The signals that a gateway understands.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

/// A signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// SIGINT or SIGTERM: stop.
    Stop(&'static str),
    /// SIGHUP: open log files anew and reload.
    Reload,
}

impl Signals {
    /// Listens from now on.
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// The next one.
    pub(super) async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.interrupt.recv() => Asked::Stop("SIGINT"),
            _ = self.terminate.recv() => Asked::Stop("SIGTERM"),
            _ = self.hangup.recv() => Asked::Reload,
        }
    }
}

/// Reloads and reopens as asked; returns why the gateway must stop.
pub(super) async fn serve(parts: &Arc<Parts>, signals: &mut Signals) -> &'static str {
    let reopener = parts.running.lock().await.supervisor.reopener();
    // A task of its own, so that a stop is heard meanwhile. Signals that come while it works become one more round.
    let hangup = Arc::new(Notify::new());
    tokio::spawn(obey_hangups(Reload(Arc::clone(parts)), Arc::clone(&hangup)));
    loop {
        match signals.next().await {
            Asked::Stop(cause) => return cause,
            Asked::Reload => {
                // Log files at once, whatever a reload that is under way waits for: a rotator has renamed them.
                let reopener = reopener.clone();
                tokio::spawn(async move { reopener.reopen().await });
                hangup.notify_one();
            }
        }
    }
}

async fn obey_hangups(reload: Reload, hangup: Arc<Notify>) {
    loop {
        hangup.notified().await;
        reload.when_free().await;
    }
}

/// Completes when a stop is asked for once more.
pub(super) async fn second_stop(signals: &mut Signals) {
    while signals.next().await == Asked::Reload {}
}

/// Ends the process a moment after a second stop was asked for, whatever it is doing: a disk, or a pipe that nobody
/// reads, may hold up the event loop or the last words. A thread of its own listens.
pub(super) fn end_at_second() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let (mut interrupt, mut terminate) = {
        let _inside = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    let work = move || {
        runtime.block_on(async {
            for _ in 0..2 {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
            }
        });
        std::thread::sleep(LAST_WORDS);
        std::process::exit(1);
    };
    std::thread::Builder::new().name("signals".to_owned()).stack_size(STACK).spawn(work)?;
    Ok(())
}
