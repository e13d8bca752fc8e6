use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;

use super::fake::{Answer, World, ask, sink};
use crate::config::RetryConfig;
use crate::supervisor::conservation;

#[derive(Clone, Debug)]
enum Step {
    Emit(usize),
    Sleep(u64),
    Ask,
    Reopen,
    Reload(u64),
    PanicSoon,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1usize..40).prop_map(Step::Emit),
        3 => (0u64..3000).prop_map(Step::Sleep),
        2 => Just(Step::Ask),
        1 => Just(Step::Reopen),
        1 => (1u64..1000).prop_map(Step::Reload),
        1 => Just(Step::PanicSoon),
    ];
    prop::collection::vec(step, 1..30)
}

fn answers() -> impl Strategy<Value = Vec<Answer>> {
    let answer = prop_oneof![
        4 => Just(Answer::Accept),
        3 => (0u64..5).prop_map(|n| Answer::Retry((n > 2).then(|| Duration::from_secs(n)))),
        1 => (0usize..4).prop_map(Answer::Partial),
        1 => Just(Answer::Permanent),
        1 => Just(Answer::Hang),
        1 => Just(Answer::Panic),
    ];
    prop::collection::vec(answer, 0..30)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever happens, each event is delivered, filtered, dropped for a reason, or lagged, and nothing arrives twice.
    #[test]
    fn no_event_disappears_uncounted(
        ring in 2usize..64, steps in steps(), answers in answers(), claims in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(run(ring, steps, &answers, claims));
    }
}

async fn run(ring: usize, steps: Vec<Step>, answers: &[Answer], claims: bool) {
    let world = World::new(ring);
    let fake = world.fake("a");
    fake.script(answers);
    let options: &[(&str, &str)] = if claims { &[("claim", "x"), ("path", "/a")] } else { &[("path", "/a")] };
    let mut config = sink("records", "a", options);
    config.retry = RetryConfig { initial_ms: 50, max_ms: 2000, give_up_ms: 4000 };
    config.filter.exclude = vec!["gateway.ready".to_owned()];
    let mut supervisor = world.start(std::slice::from_ref(&config)).unwrap();
    let stats = world.stats("a");
    for step in steps {
        match step {
            Step::Emit(n) => world.emit(n),
            Step::Sleep(millis) => tokio::time::sleep(Duration::from_millis(millis)).await,
            Step::Ask => {
                let seq = world.context.bus.seq();
                let (status, _) = ask(&supervisor, "/a").await;
                if status == 200 {
                    conservation(&stats, seq).unwrap();
                }
            }
            Step::Reopen => supervisor.reopener().reopen().await,
            Step::Reload(n) => {
                config.retry.give_up_ms = 4000 + n;
                supervisor.reload(std::slice::from_ref(&config)).await.unwrap();
            }
            Step::PanicSoon => *fake.panics_at.lock().unwrap() = Some(world.context.bus.seq() + 3),
        }
        // At any moment, however long ago the sink looked.
        let seq = world.context.bus.seq();
        assert_eq!(stats.recorded() + stats.lagged() + stats.backlog(seq), seq);
    }
    supervisor.drain(Duration::from_secs(5)).await;
    let emitted = world.context.bus.seq();
    conservation(&stats, emitted).unwrap();
    assert_eq!((stats.buffered(), stats.left()), (0, 0));
    let arrived = fake.arrived();
    let distinct: BTreeSet<u64> = arrived.iter().copied().collect();
    assert_eq!(distinct.len(), arrived.len(), "nothing arrives twice");
    assert_eq!(arrived.len() as u64, stats.delivered());
}
