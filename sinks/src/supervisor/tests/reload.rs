use std::time::Duration;

use super::fake::{Answer, World, ask, sink};
use crate::supervisor::conservation;

fn changed(kind: &str, name: &str, options: &[(&str, &str)]) -> crate::config::SinkConfig {
    let mut sink = sink(kind, name, options);
    sink.retry.initial_ms += 1;
    sink
}

#[tokio::test(start_paused = true)]
async fn only_what_changed_is_touched() {
    let world = World::new(64);
    let before = [sink("push", "same", &[]), sink("push", "new settings", &[]), sink("push", "gone", &[])];
    let mut supervisor = world.start(&before).unwrap();
    world.emit(5);
    let after = [changed("push", "new settings", &[]), sink("push", "same", &[]), sink("push", "new", &[])];
    let changes = supervisor.reload(&after).await.unwrap();
    assert_eq!(changes.to_string(), "started new; restarted new settings; stopped gone; unchanged 1");
    let names: Vec<_> = supervisor.states().into_iter().map(|state| state.name).collect();
    assert_eq!(names, ["new settings", "same", "new"]);
    world.emit(5);
    assert!(supervisor.drain(Duration::from_secs(5)).await.is_empty());
    let all: Vec<u64> = (1..=10).collect();
    assert_eq!(world.fake("same").arrived(), all);
    assert_eq!(*world.fake("same").begun.lock().unwrap(), [0]);
    assert_eq!(world.fake("gone").arrived(), &all[..5]);
    assert_eq!(world.fake("new").arrived(), &all[5..]);
    // Old and new together: nothing twice, nothing missing, and the numbers go on.
    let mut arrived = world.fake("new settings").arrived();
    arrived.sort_unstable();
    assert_eq!(arrived, all);
    assert_eq!(world.stats("new settings").delivered(), 10);
    conservation(&world.stats("new settings"), 10).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_refused_configuration_changes_nothing() {
    let world = World::new(64);
    let before = [sink("push", "a", &[]), sink("pull", "b", &[("path", "/b")])];
    let mut supervisor = world.start(&before).unwrap();
    for bad in [
        vec![changed("push", "a", &[]), sink("broken", "c", &[])],
        vec![before[1].clone(), sink("pull", "c", &[("path", "/b")])],
    ] {
        assert!(supervisor.reload(&bad).await.is_err());
    }
    world.emit(3);
    assert_eq!(ask(&supervisor, "/b").await, (200, "3".to_owned()));
    assert!(supervisor.drain(Duration::from_secs(5)).await.is_empty());
    assert_eq!(world.fake("a").arrived(), [1, 2, 3]);
    assert_eq!(*world.fake("a").begun.lock().unwrap(), [0]);
}

#[tokio::test(start_paused = true)]
async fn a_new_file_that_cannot_be_written_is_refused_and_an_absent_agent_is_not() {
    let world = World::new(64);
    let before = [sink("push", "a", &[("claim", "file a")])];
    let mut supervisor = world.start(&before).unwrap();
    for name in ["a", "log", "agent"] {
        *world.fake(name).unreachable.lock().unwrap() = true;
    }
    // What runs and has not changed may be down: that is no fault of the new configuration.
    let agent = sink("push", "agent", &[("claim", "udp x")]);
    let log = sink("push", "log", &[("claim", "file x")]);
    let error = supervisor.reload(&[before[0].clone(), agent.clone(), log]).await.unwrap_err().to_string();
    assert!(error.starts_with("telemetry.sinks[2]: the sink \"log\" would not work: try later"), "{error}");
    assert_eq!(supervisor.states().len(), 1);
    let changed = changed("push", "a", &[("claim", "file a")]);
    assert!(supervisor.reload(&[changed]).await.is_err());
    let changes = supervisor.reload(&[before[0].clone(), agent]).await.unwrap();
    assert_eq!(changes.to_string(), "started agent; unchanged 1");
}

#[tokio::test(start_paused = true)]
async fn old_routes_reach_the_new_sink() {
    let world = World::new(64);
    let mut supervisor = world.start(&[sink("pull", "a", &[("path", "/a")])]).unwrap();
    let old = supervisor.routes();
    world.emit(3);
    supervisor.reload(&[changed("pull", "a", &[("path", "/a")])]).await.unwrap();
    world.emit(1);
    let response = old[0].endpoint.ask(picoclaw_telemetry::sink::EndpointRequest::default()).await;
    assert_eq!((response.status, &response.body[..]), (200, &b"4"[..]));
}

#[tokio::test(start_paused = true)]
async fn one_destination_is_handed_over_in_order() {
    let world = World::new(64);
    let fake = world.fake("a");
    let claim = [("claim", "file x")];
    let mut supervisor = world.start(&[sink("push", "a", &claim)]).unwrap();
    for round in 0..5 {
        fake.script(&[Answer::Retry(None)]);
        world.emit(4);
        let mut next = sink("push", "a", &claim);
        next.retry.max_ms += round + 1;
        let (changes, ()) = tokio::join!(supervisor.reload(std::slice::from_ref(&next)), async {
            tokio::task::yield_now().await;
            world.emit(3);
        });
        assert_eq!(changes.unwrap().restarted, ["a"]);
    }
    assert!(supervisor.drain(Duration::from_secs(5)).await.is_empty());
    assert_eq!(fake.arrived(), (1..=35).collect::<Vec<u64>>());
    conservation(&world.stats("a"), 35).unwrap();
}

#[tokio::test(start_paused = true)]
async fn files_are_opened_anew_also_while_a_reload_waits() {
    let world = World::new(64);
    let slow = [("claim", "file x")];
    world.fake("slow").script(&[Answer::Hang]);
    let mut supervisor = world.start(&[sink("push", "a", &[]), sink("push", "slow", &slow)]).unwrap();
    let reopener = supervisor.reopener();
    world.emit(1);
    world.wait("under way", || !world.fake("slow").tries.lock().unwrap().is_empty()).await;
    let began = tokio::time::Instant::now();
    let next = [sink("push", "a", &[]), changed("push", "slow", &slow)];
    let (changes, reopened) = tokio::join!(supervisor.reload(&next), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        tokio::spawn(async move { reopener.reopen().await });
        world.wait("reopened", || *world.fake("a").reopened.lock().unwrap() == 1).await;
        began.elapsed()
    });
    assert_eq!(changes.unwrap().restarted, ["slow"]);
    assert!(reopened < Duration::from_secs(2) && began.elapsed() >= Duration::from_secs(5));
    supervisor.reopener().reopen().await;
    assert_eq!(
        *world.fake("slow").reopened.lock().unwrap(),
        2,
        "the one that runs now, also when it still waited"
    );
}

#[tokio::test(start_paused = true)]
async fn a_name_can_change_hands() {
    let world = World::new(64);
    let mut supervisor = world.start(&[sink("push", "a", &[("claim", "file x")])]).unwrap();
    world.emit(2);
    let changes = supervisor.reload(&[sink("push", "b", &[("claim", "file x")])]).await.unwrap();
    assert_eq!(changes.to_string(), "started b; stopped a; unchanged 0");
    world.emit(1);
    supervisor.drain(Duration::from_secs(5)).await;
    assert_eq!((world.fake("a").arrived(), world.fake("b").arrived()), (vec![1, 2], vec![3]));
}

#[tokio::test(start_paused = true)]
async fn what_is_new_takes_records_in_while_what_is_old_is_stuck() {
    let file = [("claim", "file x")];
    // One that changes beside it, and one that is to have its file.
    for claim in [&[][..], &file] {
        let world = World::new(64);
        world.fake("stuck").script(&[Answer::Hang]);
        let mut running = vec![sink("push", "stuck", &file)];
        if claim.is_empty() {
            running.push(sink("push", "changed", claim));
        }
        let mut supervisor = world.start(&running).unwrap();
        world.emit(1);
        world.wait("under way", || !world.fake("stuck").tries.lock().unwrap().is_empty()).await;
        let began = tokio::time::Instant::now();
        let next = [changed("push", "changed", claim), sink("push", "new", &[])];
        let (changes, ()) = tokio::join!(supervisor.reload(&next), async {
            tokio::task::yield_now().await;
            for _ in 0..50 {
                world.emit(32);
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        assert_eq!(changes.unwrap().stopped, ["stuck"]);
        assert!(began.elapsed() >= Duration::from_secs(5), "it was stuck");
        supervisor.drain(Duration::from_secs(5)).await;
        for name in ["changed", "new"] {
            let stats = world.stats(name);
            assert_eq!((stats.lagged(), stats.dropped_total()), (0, 0), "{name}");
            let arrived = world.fake(name).arrived();
            assert_eq!(&arrived[arrived.len() - 1600..], (2..=1601).collect::<Vec<u64>>(), "{name}");
        }
    }
}
