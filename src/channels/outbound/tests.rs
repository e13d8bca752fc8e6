use std::collections::VecDeque;
use std::sync::Mutex;

use async_trait::async_trait;
use picoclaw_telemetry::{Dimension, Metric};

use super::*;
use crate::channel::{Broken, Piece};
use crate::link::Link;
use crate::testing::Silent;
use picoclaw::chat::courier::Attachment;

/// Fails as told, one entry per attempt, then takes everything.
#[derive(Default)]
struct Network {
    failures: Mutex<VecDeque<SendError>>,
    attempts: Mutex<Vec<(Instant, String)>>,
}

#[async_trait]
impl Channel for Network {
    async fn run(&self, _: &Arc<Link>) -> Result<(), Broken> {
        Ok(())
    }

    async fn send(&self, _: &str, piece: &Piece, replace: Option<&str>) -> Result<Option<String>, SendError> {
        let text = match piece {
            Piece::Text { text, .. } => text.clone(),
            Piece::File { file, .. } => file.name.clone(),
        };
        let text = replace.map_or(text.clone(), |id| format!("{id}={text}"));
        self.attempts.lock().unwrap().push((Instant::now(), text.clone()));
        self.failures.lock().unwrap().pop_front().map_or(Ok(Some(text)), Err)
    }
}

struct Scene {
    network: Arc<Network>,
    post: Post,
    bus: Bus,
    began: Instant,
}

fn scene(failures: Vec<SendError>) -> Scene {
    let bus = Bus::default();
    let label = bus.vocabulary().declare(Dimension::Channel, "net");
    let network = Arc::new(Network { failures: Mutex::new(failures.into()), ..Network::default() });
    let (post, out) = queue("net", label, bus.clone());
    tokio::spawn(work(Arc::clone(&network) as _, Arc::new(Silent { splits: true }), out));
    Scene { network, post, bus, began: Instant::now() }
}

impl Scene {
    fn times(&self) -> Vec<u128> {
        let attempts = self.network.attempts.lock().unwrap();
        attempts.iter().map(|(at, _)| (*at - self.began).as_millis()).collect()
    }

    fn count(&self, metric: Metric, labels: &[&str]) -> u64 {
        self.bus.inspect(|ledger| ledger.counter(metric, labels))
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_may_pass_is_tried_four_times_with_growing_pauses() {
    let failures = vec![SendError::passing("busy"); 9];
    let scene = scene(failures);
    let error = scene.post.deliver("1", Outgoing::text("x"), None).await.unwrap_err();
    let expected = DeliveryError::Failed { channel: "net".to_owned(), tries: 4, reason: "busy".to_owned() };
    assert_eq!(error, expected);
    assert_eq!(scene.times(), [0, 500, 1500, 3500]);
    assert_eq!(scene.count(Metric::OutboundRetriesTotal, &["net"]), 3);
    assert_eq!(scene.count(Metric::OutboundMessagesTotal, &["net", "failure"]), 1);
    assert_eq!(scene.bus.inspect(|ledger| ledger.gauge(Metric::OutboundPending, &["net"])), 0.0);
}

#[tokio::test(start_paused = true)]
async fn what_the_network_asks_for_counts_and_what_is_final_is_not_repeated() {
    let wish = |seconds| SendError::Passing {
        reason: "slow down".to_owned(),
        after: Some(Duration::from_secs(seconds)),
    };
    let scene = scene(vec![wish(7), SendError::Final("blocked".to_owned()), wish(3600)]);
    assert_eq!(
        scene.post.deliver("1", Outgoing::text("x"), None).await.unwrap_err().to_string(),
        "the channel \"net\" could not deliver the message (2 tries): blocked"
    );
    assert_eq!(scene.times(), [0, 7000]);
    // Nobody waits an hour.
    assert!(scene.post.deliver("1", Outgoing::text("x"), None).await.is_err());
    assert_eq!(scene.times().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn pieces_that_were_taken_are_not_sent_again_and_only_the_first_replaces() {
    let scene = scene(vec![]);
    let file = Attachment { name: "a.png".into(), mime: "image/png".into(), bytes: vec![1].into() };
    let message = Outgoing { attachments: vec![file], ..Outgoing::text("x") };
    scene.network.failures.lock().unwrap().extend([]);
    let receipt = scene.post.deliver("1", message.clone(), Some("old".into())).await.unwrap();
    assert_eq!(receipt, Receipt { id: Some("old=x".into()), tries: 1 });
    let sent = |scene: &Scene| -> Vec<String> {
        scene.network.attempts.lock().unwrap().iter().map(|(_, text)| text.clone()).collect()
    };
    assert_eq!(sent(&scene), ["old=x", "a.png"]);
    assert_eq!(scene.times(), [0, 100], "ten a second");
    assert_eq!(scene.count(Metric::OutboundMessagesTotal, &["net", "success"]), 1);
}

#[tokio::test(start_paused = true)]
async fn a_message_with_marks_is_sent_as_several_and_counted_once() {
    let scene = scene(vec![]);
    let message = Outgoing::text("one<|[SPLIT]|>two <| [SPLIT] |> ");
    let receipt = scene.post.deliver("1", message, Some("old".into())).await.unwrap();
    assert_eq!(receipt, Receipt { id: Some("old=one".into()), tries: 1 });
    let attempts = scene.network.attempts.lock().unwrap();
    assert_eq!(attempts.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>(), ["old=one", "two"]);
    drop(attempts);
    assert_eq!(scene.count(Metric::OutboundMessagesTotal, &["net", "success"]), 1);
}

#[tokio::test(start_paused = true)]
async fn the_queue_is_bounded_and_nothing_waits_for_ever() {
    let scene = scene(vec![SendError::Passing { reason: "x".into(), after: Some(LONGEST_WISH) }; 40]);
    let post = scene.post.clone();
    let mut waiting = Vec::new();
    for _ in 0..QUEUE + 1 {
        let post = post.clone();
        waiting.push(tokio::spawn(async move { post.deliver("1", Outgoing::text("x"), None).await }));
        tokio::task::yield_now().await;
    }
    let error = post.deliver("1", Outgoing::text("x"), None).await.unwrap_err();
    assert_eq!(error, DeliveryError::Full { channel: "net".to_owned(), waiting: QUEUE });
    assert_eq!(scene.count(Metric::OutboundMessagesTotal, &["net", "failure"]), 1);
}
