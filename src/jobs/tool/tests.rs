use picoclaw_telemetry::words::ToolStatus;

use super::*;
use crate::testing::TestClock;

const HERE: Caller<'_> = Caller { channel: "telegram", chat: "1" };
const THERE: Caller<'_> = Caller { channel: "telegram", chat: "2" };

struct Scene {
    _home: tempfile::TempDir,
    store: JobStore,
    tool: CronTool,
}

fn scene(allow_command: bool) -> Scene {
    let home = tempfile::tempdir().unwrap();
    let store = JobStore::new(home.path());
    Scene {
        tool: CronTool::new(store.clone(), TestClock::at(1_800_000_000_000), allow_command),
        store,
        _home: home,
    }
}

impl Scene {
    async fn call(&self, caller: Caller<'_>, arguments: Value) -> (ToolStatus, String) {
        let output = self.tool.call_for(caller, arguments).await;
        (output.status, output.text)
    }

    fn only(&self) -> Job {
        let document = self.store.read().unwrap();
        let mut jobs = document.jobs();
        let job = jobs.next().unwrap().clone();
        assert!(jobs.next().is_none());
        job
    }
}

#[tokio::test]
async fn a_job_lives_through_all_actions() {
    let scene = scene(true);
    // Models fill in what they do not need.
    let add = json!({ "action": "add", "message": "drink water", "every_seconds": 3600.0, "at_seconds": 0, "cron_expr": "" });
    let (status, text) = scene.call(HERE, add).await;
    assert_eq!(status, ToolStatus::Success, "{text}");
    let job = scene.only();
    assert_eq!((job.payload.channel.as_str(), job.payload.to.as_str()), ("telegram", "1"));
    assert_eq!(
        (job.schedule.every_ms, job.name.as_str(), job.delete_after_run),
        (Some(3_600_000), "drink water", false)
    );
    let id = json!(job.id);
    let (_, listed) = scene.call(HERE, json!({ "action": "list" })).await;
    assert!(listed.contains(&job.id) && listed.contains("every 1 h"), "{listed}");
    let (_, got) = scene.call(HERE, json!({ "action": "get", "job_id": id })).await;
    assert_eq!(serde_json::from_str::<Job>(&got).unwrap(), job);
    let (status, _) =
        scene.call(HERE, json!({ "action": "update", "job_id": id, "cron_expr": "0 9 * * *" })).await;
    assert_eq!((status, scene.only().schedule.expr.as_str()), (ToolStatus::Success, "0 9 * * *"));
    scene.call(HERE, json!({ "action": "disable", "job_id": id })).await;
    assert_eq!((scene.only().enabled, scene.only().state.next_run_at_ms), (false, None));
    scene.call(HERE, json!({ "action": "enable", "job_id": id })).await;
    assert!(scene.only().state.next_run_at_ms.is_some());
    let (status, _) = scene.call(HERE, json!({ "action": "remove", "job_id": id })).await;
    assert_eq!((status, scene.store.read().unwrap().jobs().count()), (ToolStatus::Success, 0));
}

#[tokio::test]
async fn nobody_reaches_the_jobs_of_another_chat() {
    let scene = scene(true);
    scene.call(HERE, json!({ "action": "add", "message": "mine", "at_seconds": 60 })).await;
    let id = scene.only().id;
    let (_, listed) = scene.call(THERE, json!({ "action": "list" })).await;
    assert_eq!(listed, "No jobs are scheduled.");
    for action in ["get", "update", "remove", "enable", "disable"] {
        let (status, text) =
            scene.call(THERE, json!({ "action": action, "job_id": id, "message": "theirs" })).await;
        assert!(status == ToolStatus::Error && text.contains("there is no job"), "{action}: {text}");
    }
    assert_eq!(scene.only().payload.message, "mine");
    let (_, listed) = scene.call(Caller::LOCAL, json!({ "action": "list" })).await;
    assert!(listed.contains(&id));
}

#[tokio::test]
async fn commands_are_for_those_at_the_terminal_when_they_are_allowed() {
    let command = json!({ "action": "add", "message": "look", "command": "df -h", "every_seconds": 60 });
    let scene1 = scene(true);
    assert_eq!(scene1.call(HERE, command.clone()).await.0, ToolStatus::Denied);
    assert_eq!(scene1.call(Caller::LOCAL, command.clone()).await.0, ToolStatus::Success);
    let scene2 = scene(false);
    assert_eq!(scene2.call(Caller::LOCAL, command.clone()).await.0, ToolStatus::Denied);
    let mut confirmed = command;
    confirmed["command_confirm"] = json!(true);
    assert_eq!(scene2.call(Caller::LOCAL, confirmed).await.0, ToolStatus::Success);
}

#[tokio::test]
async fn what_is_wrong_is_said() {
    let scene = scene(true);
    for (arguments, word) in [
        (json!({}), "none of add"),
        (json!({ "action": "add", "at_seconds": 5 }), "`message` is missing"),
        (json!({ "action": "add", "message": "x" }), "`cron_expr`"),
        (json!({ "action": "add", "message": "x", "cron_expr": "daily" }), "expected 5 fields"),
        (json!({ "action": "add", "message": "x", "every_seconds": 0.5 }), "whole number"),
        (json!({ "action": "remove" }), "`job_id` is missing"),
        (json!({ "action": "get", "job_id": "nope" }), "there is no job \"nope\""),
    ] {
        let (status, text) = scene.call(HERE, arguments).await;
        assert!(status == ToolStatus::Error && text.contains(word), "{text}");
    }
}
