use super::fake::{World, ask, sink};
use crate::supervisor::SinkState;

#[tokio::test(start_paused = true)]
async fn a_set_of_sinks_that_does_not_fit_together_does_not_start() {
    let world = World::new(16);
    let error = |sinks: &[_]| world.start(sinks).unwrap_err().to_string();
    assert_eq!(
        error(&[sink("push", "a", &[]), sink("pull", "a", &[])]),
        "telemetry.sinks[1]: the name \"a\" belongs to telemetry.sinks[0]; give one of them another \"name\""
    );
    let taken = error(&[sink("pull", "a", &[("path", "/m")]), sink("pull", "b", &[("path", "/m")])]);
    assert!(taken.starts_with("telemetry.sinks[1]: the path /m is answered by the sink \"a\""), "{taken}");
    let taken =
        error(&[sink("push", "a", &[("claim", "file x")]), sink("push", "b", &[("claim", "file x")])]);
    assert!(taken.starts_with("telemetry.sinks[1]: file x is used by the sink \"a\""), "{taken}");
    let broken = error(&[sink("push", "a", &[]), sink("broken", "b", &[])]);
    assert_eq!(broken, "telemetry.sinks[1].options.x: is broken");
    assert!(world.context.sinks.all().is_empty(), "nothing has started");
}

#[tokio::test(start_paused = true)]
async fn disabled_sinks_are_left_out() {
    let world = World::new(16);
    let mut off = sink("broken", "a", &[]);
    off.enabled = false;
    let supervisor = world.start(&[off, sink("push", "a", &[])]).unwrap();
    assert_eq!(supervisor.states().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_unreachable_destination_stops_nothing_and_is_visible() {
    let world = World::new(64);
    let fake = world.fake("a");
    *fake.unreachable.lock().unwrap() = true;
    let mut critical = sink("push", "a", &[]);
    critical.critical = true;
    let mut supervisor = world.start(&[critical, sink("pull", "b", &[("path", "/b")])]).unwrap();
    world.emit(3);
    world.wait("down", || !world.stats("a").up()).await;
    let states = supervisor.states();
    let SinkState { last_error, down_since, .. } = states[0].clone();
    assert_eq!(last_error.as_deref(), Some("try later, ***"));
    assert!(down_since.is_some() && states[0].critical && !states[0].up);
    assert!(states[1].up);
    assert_eq!(ask(&supervisor, "/b").await, (200, "3".to_owned()));
    *fake.unreachable.lock().unwrap() = false;
    world.wait("up", || world.stats("a").up()).await;
    assert!(supervisor.drain(std::time::Duration::from_secs(5)).await.is_empty());
    assert_eq!(fake.arrived(), [1, 2, 3]);
}
