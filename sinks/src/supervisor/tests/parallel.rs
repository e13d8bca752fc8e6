//! The same promises with real threads and real time: nobody waits for anybody.

use std::time::Duration;

use super::fake::{Answer, World, ask, sink};
use crate::config::RetryConfig;
use crate::supervisor::conservation;

const EMITTERS: usize = 3;
const EVENTS: usize = 4000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reloads_under_load_lose_nothing_uncounted_and_double_nothing() {
    for (ring, claims) in [(64, true), (64, false), (16_384, true), (16_384, false)] {
        let world = World::new(ring);
        let fake = world.fake("a");
        for _ in 0..10 {
            fake.script(&[Answer::Accept, Answer::Retry(None), Answer::Accept]);
        }
        let options: &[(&str, &str)] =
            if claims { &[("claim", "x"), ("path", "/a")] } else { &[("path", "/a")] };
        let mut config = sink("push", "a", options);
        config.retry = RetryConfig { initial_ms: 1, max_ms: 2, give_up_ms: 60_000 };
        let mut supervisor = world.start(std::slice::from_ref(&config)).unwrap();
        let emitters: Vec<_> = (0..EMITTERS)
            .map(|_| {
                let bus = world.context.bus.clone();
                std::thread::spawn(move || {
                    for n in 0..EVENTS {
                        bus.emit(picoclaw_telemetry::Event::ReloadStarted);
                        if n % 64 == 0 {
                            std::thread::yield_now();
                        }
                    }
                })
            })
            .collect();
        while emitters.iter().any(|emitter| !emitter.is_finished()) {
            config.retry.give_up_ms += 1;
            supervisor.reload(std::slice::from_ref(&config)).await.unwrap();
            assert_eq!(ask(&supervisor, "/a").await.0, 200);
            supervisor.reopener().reopen().await;
        }
        world.context.bus.close();
        supervisor.drain(Duration::from_secs(5)).await;
        let stats = world.stats("a");
        conservation(&stats, (EMITTERS * EVENTS) as u64).unwrap();
        let mut arrived = fake.arrived();
        if claims {
            assert!(arrived.is_sorted(), "one destination is used by one sink at a time");
        }
        arrived.sort_unstable();
        arrived.dedup();
        assert_eq!(arrived.len() as u64, stats.delivered(), "nothing arrives twice");
        assert_eq!((stats.buffered(), stats.left()), (0, 0));
        if ring > EMITTERS * EVENTS {
            assert_eq!(stats.lagged(), 0);
            // Two that send at the same time share the script: one of them may fail twice while it stops, and give up.
            let given_up = if claims { 0 } else { stats.dropped_total() };
            assert_eq!(arrived.len() as u64 + given_up, (EMITTERS * EVENTS) as u64);
        }
    }
}
