use std::time::Duration;

use picoclaw_telemetry::stats::{DropReason, SendErrorKind};
use picoclaw_telemetry::words::{HealthStatus, Level};
use picoclaw_telemetry::{Detail, Event};
use tokio::time::Instant;

use super::fake::{Answer, World, ask, sink};
use crate::supervisor::conservation;

const PATIENCE: Duration = Duration::from_secs(5);

fn numbers(range: std::ops::RangeInclusive<u64>) -> Vec<u64> {
    range.collect()
}

#[tokio::test(start_paused = true)]
async fn everything_arrives_once_and_in_order() {
    let world = World::new(64);
    let mut supervisor = world.start(&[sink("push", "a", &[])]).unwrap();
    for _ in 0..10 {
        world.emit(30);
        world.wait("taken in", || world.stats("a").recorded() == world.context.bus.seq()).await;
    }
    world.emit(5);
    world.context.bus.close();
    assert!(supervisor.drain(PATIENCE).await.is_empty());
    assert_eq!(world.fake("a").arrived(), numbers(1..=305));
    let stats = world.stats("a");
    conservation(&stats, 305).unwrap();
    assert_eq!((stats.delivered(), stats.lagged()), (305, 0));
}

#[tokio::test(start_paused = true)]
async fn records_gather_before_they_are_taken_in() {
    let world = World::new(1024);
    let _supervisor = world.start(&[sink("push", "a", &[])]).unwrap();
    // What happens while it starts is taken in at once.
    tokio::task::yield_now().await;
    for _ in 0..10 {
        world.emit(1);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    world.wait("arrived", || world.fake("a").arrived().len() == 10).await;
    assert_eq!(world.fake("a").tries.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_contains_all_that_happened_before_the_question() {
    let world = World::new(64);
    world.fake("b").script(&[Answer::Hang]);
    let sinks = [sink("pull", "a", &[("path", "/a")]), sink("push", "b", &[("path", "/b")])];
    let supervisor = world.start(&sinks).unwrap();
    for round in 1..=5u64 {
        world.emit(20);
        assert_eq!(ask(&supervisor, "/a").await, (200, (round * 20).to_string()));
        assert_eq!(ask(&supervisor, "/b").await, (200, (round * 20).to_string()));
        conservation(&world.stats("a"), round * 20).unwrap();
        conservation(&world.stats("b"), round * 20).unwrap();
    }
    assert!(world.stats("a").last_success() > 0.0);
}

#[tokio::test(start_paused = true)]
async fn overwritten_records_are_counted() {
    let world = World::new(16);
    let supervisor = world.start(&[sink("push", "a", &[("path", "/a")])]).unwrap();
    world.emit(100);
    assert_eq!(ask(&supervisor, "/a").await, (200, "100".to_owned()));
    let stats = world.stats("a");
    assert_eq!((stats.lagged(), stats.recorded(), stats.gaps()), (84, 16, 1));
    conservation(&stats, 100).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_failed_send_is_repeated_until_it_works() {
    let world = World::new(64);
    let fake = world.fake("a");
    let wish = Some(Duration::from_secs(77));
    fake.script(&[Answer::Retry(None), Answer::Retry(wish), Answer::Retry(None)]);
    let supervisor = world.start(&[sink("push", "a", &[])]).unwrap();
    world.emit(4);
    world.wait("failed", || !world.stats("a").up()).await;
    assert_eq!(world.stats("a").buffered(), 4);
    world.emit(2);
    world.wait("arrived", || fake.arrived().len() == 6).await;
    assert_eq!(fake.arrived(), numbers(1..=6));
    let stats = world.stats("a");
    world.wait("up", || stats.up()).await;
    assert_eq!((stats.retries(), stats.send_errors(SendErrorKind::Retry)), (3, 3));
    let tries = fake.tries.lock().unwrap();
    assert!(tries[2] - tries[1] >= Duration::from_secs(77));
    assert_eq!(supervisor.states()[0].last_error.as_deref(), Some("try later, ***"));
}

#[tokio::test(start_paused = true)]
async fn a_destination_that_stays_away_is_given_up() {
    let world = World::new(64);
    let fake = world.fake("a");
    *fake.always.lock().unwrap() = Some(Answer::Retry(None));
    let _supervisor = world.start(&[sink("push", "a", &[])]).unwrap();
    world.emit(4);
    let stats = world.stats("a");
    world.wait("given up", || stats.dropped(DropReason::GaveUp) == 4).await;
    {
        let tries = fake.tries.lock().unwrap();
        let lasted = *tries.last().unwrap() - tries[0];
        assert!(lasted >= Duration::from_secs(300) && lasted < Duration::from_secs(331), "{lasted:?}");
        assert!(tries.len() > 8 && tries.len() < 100, "{}", tries.len());
    }
    assert!(!stats.up());
    conservation(&stats, 4).unwrap();
    *fake.always.lock().unwrap() = None;
    world.emit(1);
    world.wait("up", || stats.up()).await;
    assert_eq!(fake.arrived(), [5]);
}

#[tokio::test(start_paused = true)]
async fn a_send_without_an_end_is_timed_out_and_repeated() {
    let world = World::new(64);
    world.fake("a").script(&[Answer::Hang]);
    let _supervisor = world.start(&[sink("push", "a", &[])]).unwrap();
    let began = Instant::now();
    world.emit(1);
    world.wait("arrived", || world.fake("a").arrived() == [1]).await;
    assert!(began.elapsed() >= Duration::from_secs(30));
    assert_eq!(world.stats("a").send_errors(SendErrorKind::Timeout), 1);
}

#[tokio::test(start_paused = true)]
async fn a_send_that_cannot_be_taken_back_goes_on_and_is_visible() {
    let world = World::new(64);
    let fake = world.fake("a");
    *fake.patient.lock().unwrap() = true;
    fake.script(&[Answer::Hang]);
    let mut supervisor = world.start(&[sink("push", "a", &[("path", "/a")])]).unwrap();
    world.emit(1);
    let stats = world.stats("a");
    world.wait("down", || !stats.up()).await;
    tokio::time::sleep(Duration::from_secs(1000)).await;
    world.emit(1);
    assert_eq!(ask(&supervisor, "/a").await, (200, "2".to_owned()));
    assert_eq!(fake.tries.lock().unwrap().len(), 1);
    assert_eq!(stats.send_errors(SendErrorKind::Timeout), 1);
    assert_eq!((stats.buffered(), stats.dropped_total()), (2, 0));
    assert_eq!(supervisor.drain(PATIENCE).await, ["a"]);
    conservation(&stats, 2).unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_is_counted_and_not_repeated() {
    let world = World::new(64);
    world.fake("a").script(&[Answer::Partial(3), Answer::Permanent]);
    let _supervisor = world.start(&[sink("push", "a", &[])]).unwrap();
    let stats = world.stats("a");
    world.emit(5);
    world.wait("sent in part", || stats.delivered() == 3).await;
    assert!(stats.up());
    world.emit(2);
    world.wait("refused", || stats.dropped(DropReason::Refused) == 4).await;
    assert!(!stats.up());
    world.emit(1);
    world.wait("up", || stats.up()).await;
    assert_eq!(world.fake("a").arrived(), [1, 2, 3, 8]);
    conservation(&stats, 8).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_drain_tries_once_more_whatever_the_pause() {
    let world = World::new(64);
    world.fake("a").script(&[Answer::Retry(Some(Duration::from_secs(200)))]);
    let mut supervisor = world.start(&[sink("push", "a", &[])]).unwrap();
    world.emit(3);
    world.wait("failed", || !world.stats("a").up()).await;
    world.emit(1);
    let began = Instant::now();
    assert!(supervisor.drain(PATIENCE).await.is_empty());
    assert!(began.elapsed() < Duration::from_secs(1));
    assert_eq!(world.fake("a").arrived(), numbers(1..=4));
}

#[tokio::test(start_paused = true)]
async fn a_drain_ends_in_time_and_names_who_lost_something() {
    let world = World::new(64);
    *world.fake("hangs").always.lock().unwrap() = Some(Answer::Hang);
    *world.fake("fails").always.lock().unwrap() = Some(Answer::Retry(None));
    let sinks = ["hangs", "fails", "works"].map(|name| sink("push", name, &[]));
    let mut supervisor = world.start(&sinks).unwrap();
    world.emit(3);
    world.wait("tried", || !world.fake("hangs").tries.lock().unwrap().is_empty()).await;
    world.emit(2);
    let began = Instant::now();
    assert_eq!(supervisor.drain(PATIENCE).await, ["hangs", "fails"]);
    assert!(began.elapsed() <= Duration::from_secs(6), "in parallel");
    for name in ["hangs", "fails", "works"] {
        conservation(&world.stats(name), 5).unwrap();
    }
    assert_eq!(world.stats("hangs").dropped(DropReason::Shutdown), 5);
    assert_eq!(world.stats("fails").dropped(DropReason::Shutdown), 5);
    assert_eq!(world.fake("works").arrived(), numbers(1..=5));
}

#[tokio::test(start_paused = true)]
async fn a_panic_restarts_one_sink_and_endpoints_keep_answering() {
    for panics_in_sink in [true, false] {
        let world = World::new(64);
        let fake = world.fake("a");
        if panics_in_sink {
            *fake.panics_at.lock().unwrap() = Some(3);
        } else {
            fake.script(&[Answer::Panic]);
        }
        let sinks = [sink("push", "a", &[("path", "/a")]), sink("push", "b", &[])];
        let supervisor = world.start(&sinks).unwrap();
        world.emit(5);
        world.wait("down", || !world.stats("a").up()).await;
        let (status, body) = ask(&supervisor, "/a").await;
        assert_eq!((status, body.as_str()), (503, "sink a is being restarted\n"));
        let error = supervisor.states()[0].last_error.clone().unwrap();
        assert!(error.starts_with("panicked: "), "{error}");
        world.emit(2);
        world.wait("restarted", || world.stats("a").restarts() == 1).await;
        world.emit(2);
        // What the panic did not take away is still in the ring.
        let crashed = if panics_in_sink { 3 } else { 5 };
        world.wait("up", || world.stats("a").up() && world.stats("a").delivered() == 9 - crashed).await;
        assert_eq!(ask(&supervisor, "/a").await, (200, "9".to_owned()));
        assert_eq!(fake.arrived(), numbers(crashed + 1..=9));
        assert_eq!(*fake.begun.lock().unwrap(), [0, 7]);
        conservation(&world.stats("a"), 9).unwrap();
        assert_eq!(world.stats("a").dropped(DropReason::Crashed), crashed);
        assert_eq!(*fake.crashed.lock().unwrap(), [crashed]);
        assert_eq!(world.fake("b").arrived(), numbers(1..=9));
        assert_eq!(world.stats("b").restarts(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_waits_for_its_restart_still_sends_what_is_left_when_it_stops() {
    let world = World::new(64);
    let fake = world.fake("a");
    *fake.panics_at.lock().unwrap() = Some(3);
    let mut supervisor = world.start(&[sink("push", "a", &[])]).unwrap();
    world.emit(5);
    world.wait("down", || !world.stats("a").up()).await;
    world.emit(2);
    let began = Instant::now();
    assert!(supervisor.drain(PATIENCE).await.is_empty());
    assert!(began.elapsed() < Duration::from_millis(100), "it does not wait for its restart");
    assert_eq!(fake.arrived(), numbers(4..=7));
    assert_eq!(*fake.begun.lock().unwrap(), [0, 7]);
    assert_eq!(*fake.crashed.lock().unwrap(), [3]);
    conservation(&world.stats("a"), 7).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_panics_again_while_it_stops_is_named_and_its_losses_are_counted() {
    let world = World::new(64);
    let fake = world.fake("a");
    *fake.always.lock().unwrap() = Some(Answer::Panic);
    let mut supervisor = world.start(&[sink("push", "a", &[])]).unwrap();
    world.emit(5);
    world.wait("down", || !world.stats("a").up()).await;
    world.emit(2);
    assert_eq!(supervisor.drain(PATIENCE).await, ["a"]);
    conservation(&world.stats("a"), 7).unwrap();
    assert_eq!(world.stats("a").dropped(DropReason::Crashed), 7);
}

#[tokio::test(start_paused = true)]
async fn a_reopened_destination_is_tried_at_once() {
    let world = World::new(64);
    world.fake("a").script(&[Answer::Retry(Some(Duration::from_secs(200)))]);
    let supervisor = world.start(&[sink("push", "a", &[]), sink("pull", "b", &[])]).unwrap();
    world.emit(3);
    world.wait("failed", || !world.stats("a").up()).await;
    let began = Instant::now();
    supervisor.reopener().reopen().await;
    world.wait("arrived", || world.fake("a").arrived().len() == 3).await;
    assert!(began.elapsed() < Duration::from_secs(1));
    assert_eq!(*world.fake("a").reopened.lock().unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn filters_apply_to_sinks_that_carry_records_only() {
    let world = World::new(64);
    let mut sinks = [sink("records", "a", &[]), sink("push", "b", &[])];
    for sink in &mut sinks {
        sink.filter.min_level = Some(Level::Warn);
        sink.filter.exclude = vec!["*.failed".to_owned()];
    }
    let mut supervisor = world.start(&sinks).unwrap();
    world.emit(1);
    let bus = &world.context.bus;
    bus.emit(Event::HealthChanged {
        from: HealthStatus::Healthy,
        to: HealthStatus::Degraded,
        issues: Detail::from("x"),
    });
    bus.emit(Event::ReloadFailed { duration: Duration::ZERO, error: Detail::from("x") });
    supervisor.drain(PATIENCE).await;
    assert_eq!(world.fake("a").arrived(), [2]);
    assert_eq!(world.stats("a").filtered(), 2);
    assert_eq!(world.fake("b").arrived(), [1, 2, 3]);
}
