use picoclaw_telemetry::{Dimension, Metric};

use super::*;

fn standing(bus: &Bus, identity: u64, rpm: u32) -> Arc<Standing> {
    let label = |dimension, name| bus.vocabulary().declare(dimension, name);
    let terms = Terms {
        identity,
        provider: label(Dimension::Provider, "openai"),
        model: label(Dimension::Model, "gpt"),
        cools_down: true,
    };
    Arc::new(Standing::new(terms, rpm))
}

fn fail(standing: &Standing, bus: &Bus) {
    standing.failed(bus, Instant::now(), &ProviderError::new(FailureReason::Auth, "no"));
}

fn active(bus: &Bus) -> f64 {
    bus.inspect(|ledger| ledger.gauge(Metric::ProviderCooldownActive, &["openai"]))
}

fn begun(bus: &Bus) -> u64 {
    bus.inspect(|ledger| ledger.total(Metric::ProviderCooldownsTotal))
}

#[tokio::test(start_paused = true)]
async fn the_gauge_follows_every_rest_to_its_end() {
    let bus = Bus::default();
    let standing = standing(&bus, 1, 0);
    fail(&standing, &bus);
    assert_eq!((active(&bus), begun(&bus)), (1.0, 1));
    let remaining = Duration::from_secs(60);
    let error = "no".to_owned();
    let again = Duration::from_secs(15);
    let resting = Unavailable::Resting { reason: FailureReason::Auth, error, remaining, again };
    assert_eq!(standing.admit(&bus).map(drop), Err(resting));
    assert_eq!(standing.resting().map(|resting| resting.remaining), Some(remaining));
    tokio::time::advance(remaining).await;
    standing.tick(&bus);
    assert_eq!((active(&bus), standing.resting()), (0.0, None));
    assert!(standing.admit(&bus).is_ok());

    fail(&standing, &bus);
    standing.answered(&bus);
    assert_eq!((active(&bus), begun(&bus)), (0.0, 2));
    standing.answered(&bus);
    assert_eq!(active(&bus), 0.0);
}

#[tokio::test(start_paused = true)]
async fn a_reload_keeps_the_unchanged_and_forgets_the_rest() {
    let bus = Bus::default();
    let before = [standing(&bus, 1, 0), standing(&bus, 2, 0), standing(&bus, 2, 0)];
    tokio::time::advance(Duration::from_secs(1)).await;
    before.iter().for_each(|standing| fail(standing, &bus));
    assert_eq!(active(&bus), 3.0);
    let mut now = [standing(&bus, 2, 7), standing(&bus, 3, 0)];
    hand_over(&bus, before.iter(), now.iter_mut());
    assert_eq!(active(&bus), 1.0);
    assert!(now[0].resting().is_some() && now[1].resting().is_none());
    assert_eq!(now[0].rpm(), 7, "which is no reason to forgive");
    // What is still under way with the old ones changes nothing.
    tokio::time::advance(Duration::from_secs(1)).await;
    fail(&before[0], &bus);
    before[0].answered(&bus);
    assert_eq!(active(&bus), 1.0);
}

#[tokio::test(start_paused = true)]
async fn an_unused_place_goes_to_somebody_else() {
    let bus = Bus::default();
    let standing = standing(&bus, 1, 1);
    drop(standing.admit(&bus).expect("a place"));
    standing.admit(&bus).expect("the same place").uses_up();
    let throttled = standing.admit(&bus).map(drop);
    assert_eq!(throttled, Err(Unavailable::Throttled { remaining: Duration::from_secs(60) }));
    assert!(standing.reserve(Duration::from_secs(59)).is_err());
    let place = standing.reserve(Duration::from_secs(60)).expect("a place");
    assert_eq!(place.wait, Duration::from_secs(60));
    tokio::time::advance(Duration::from_secs(60)).await;
    place.uses_up();
    assert!(standing.admit(&bus).is_err());
}
