use std::sync::Mutex;

use picoclaw_telemetry::Metric;

use super::*;
use crate::testing::{TestClock, TestWorld};

struct Scene {
    home: tempfile::TempDir,
    world: Arc<TestWorld>,
    bus: Bus,
    stop: CancellationToken,
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn begin(answer: &str, file: &str) -> Scene {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("HEARTBEAT.md"), file).unwrap();
    let world = Arc::new(TestWorld { answer: Mutex::new(Some(Ok(answer.into()))), ..TestWorld::default() });
    let scene = Scene { home, world, bus: Bus::default(), stop: CancellationToken::new() };
    let heartbeat = Heartbeat {
        workspace: scene.home.path().to_owned(),
        interval: Duration::from_secs(60),
        limit: Duration::from_secs(60),
        world: Arc::clone(&scene.world) as _,
        clock: TestClock::at(0),
        bus: scene.bus.clone(),
    };
    tokio::spawn(heartbeat.run(scene.stop.clone()));
    scene
}

impl Scene {
    fn beats(&self, outcome: &str) -> u64 {
        self.bus.inspect(|ledger| ledger.counter(Metric::HeartbeatsTotal, &[outcome]))
    }
}

async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn it_beats_after_a_second_and_then_not_more_often_than_every_five_minutes() {
    let scene = begin("HEARTBEAT_OK", "look at the door");
    pass(2).await;
    assert_eq!(scene.beats("silent"), 1);
    pass(298).await;
    assert_eq!(scene.beats("silent"), 1);
    pass(2).await;
    assert_eq!(scene.beats("silent"), 2);
    let asked = scene.world.asked.lock().unwrap().clone();
    assert_eq!((&asked[0].0, asked[0].2), (&Conversation::Single("heartbeat".into()), Origin::Heartbeat));
    assert!(asked[0].1.ends_with("look at the door"));
    assert!(scene.world.told.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_it_has_to_say_goes_to_the_last_chat() {
    let scene = begin("the door is open", "look at the door");
    pass(2).await;
    assert_eq!(scene.beats("undelivered"), 1);
    std::fs::create_dir(scene.home.path().join("state")).unwrap();
    std::fs::write(scene.home.path().join("state/state.json"), r#"{"last_channel":"telegram:5:6"}"#).unwrap();
    pass(300).await;
    assert_eq!(scene.beats("delivered"), 1);
    assert_eq!(
        scene.world.told.lock().unwrap()[0],
        ("telegram".into(), "5:6".into(), "the door is open".into())
    );
}

#[tokio::test(start_paused = true)]
async fn without_a_task_nobody_is_asked() {
    for file in ["", " \n", "# Heartbeat\n\n", "Explained.\nAdd your heartbeat tasks below this line:\n"] {
        let scene = begin("x", file);
        pass(1000).await;
        assert!(scene.world.asked.lock().unwrap().is_empty(), "{file}");
    }
    let scene = begin("x", "Explained.\nAdd your heartbeat tasks below this line:\n- look\n");
    std::fs::remove_file(scene.home.path().join("HEARTBEAT.md")).unwrap();
    pass(2).await;
    assert!(scene.world.asked.lock().unwrap().is_empty());
    std::fs::write(scene.home.path().join("HEARTBEAT.md"), "- look").unwrap();
    pass(300).await;
    assert_eq!(scene.world.asked.lock().unwrap().len(), 1);
}
