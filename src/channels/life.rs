//! The life of a channel: run, and run again after a pause when it broke off.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::{Instant, sleep, timeout};

use super::channel::{Broken, Channel};
use super::link::Link;

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// A channel that ran this long starts anew with the first pause.
const STEADY: Duration = Duration::from_secs(60);
/// How long a channel may take to say goodbye, and its conversations to end.
pub(super) const GOODBYE: Duration = Duration::from_secs(3);

/// Runs a channel until it is to stop, whatever it breaks off with.
pub(super) async fn live(channel: Arc<dyn Channel>, link: Arc<Link>) {
    let mut pause = FIRST_PAUSE;
    while !link.stop.is_cancelled() {
        let began = Instant::now();
        let broken = match run(channel.as_ref(), &link).await {
            _ if link.stop.is_cancelled() => break,
            Ok(()) => Broken("it ended by itself".to_owned()),
            Err(broken) => broken,
        };
        link.down(&broken.0);
        if began.elapsed() >= STEADY {
            pause = FIRST_PAUSE;
        }
        tokio::select! {
            () = sleep(pause) => {}
            () = link.stop.cancelled() => break,
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    link.tasks.close();
    let _ = timeout(GOODBYE, link.tasks.wait()).await;
    link.stopped();
}

async fn run(channel: &dyn Channel, link: &Arc<Link>) -> Result<(), Broken> {
    let run = AssertUnwindSafe(channel.run(link)).catch_unwind();
    let late = async {
        link.stop.cancelled().await;
        sleep(GOODBYE).await;
    };
    tokio::select! {
        end = run => end.unwrap_or_else(|_| Err(Broken("it panicked".to_owned()))),
        () = late => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;
    use picoclaw_telemetry::{Bus, Dimension, Metric};

    use super::*;
    use crate::channel::{Piece, SendError};
    use crate::last_chat::LastChat;
    use crate::outbound;
    use crate::testing::Silent;

    /// Runs as long as told each time, the last time until it is stopped.
    struct Moody {
        runs: Mutex<Vec<Duration>>,
        began: Mutex<Vec<Instant>>,
    }

    #[async_trait]
    impl Channel for Moody {
        async fn run(&self, link: &Arc<Link>) -> Result<(), Broken> {
            self.began.lock().unwrap().push(Instant::now());
            let next = self.runs.lock().unwrap().pop();
            let Some(time) = next else {
                link.up();
                link.stop.cancelled().await;
                return Ok(());
            };
            sleep(time).await;
            assert!(time != Duration::from_secs(1), "as the test wants");
            Err(Broken("network gone".to_owned()))
        }

        async fn send(&self, _: &str, _: &Piece, _: Option<&str>) -> Result<Option<String>, SendError> {
            Ok(None)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_and_begin_anew_after_a_steady_run() {
        let bus = Bus::default();
        let label = bus.vocabulary().declare(Dimension::Channel, "net");
        let (post, _out) = outbound::queue("net", label, bus.clone());
        let link = Arc::new(Link::new(
            "net",
            label,
            bus.clone(),
            Arc::new(Silent::default()),
            post,
            LastChat::new(std::path::Path::new("/nowhere")),
        ));
        let secs = Duration::from_secs;
        let channel = Arc::new(Moody {
            // From the last to the first; the one of a second panics.
            runs: Mutex::new(vec![secs(0), secs(90), secs(0), secs(1), secs(0)]),
            began: Mutex::default(),
        });
        let start = Instant::now();
        let task = tokio::spawn(live(channel.clone(), link.clone()));
        sleep(secs(200)).await;
        assert!(link.is_up());
        let began: Vec<u64> =
            channel.began.lock().unwrap().iter().map(|at| (*at - start).as_secs()).collect();
        assert_eq!(began, [0, 1, 4, 8, 99, 101]);
        assert_eq!(bus.inspect(|ledger| ledger.counter(Metric::ChannelFailuresTotal, &["net"])), 5);
        let up = || bus.inspect(|ledger| ledger.gauge(Metric::ChannelUp, &["net"]));
        assert_eq!(up(), 1.0);
        link.stop.cancel();
        task.await.unwrap();
        assert_eq!(up(), 0.0);
    }
}
