//! Asks the agent now and then whether there is anything to do: what, stands in `HEARTBEAT.md` of the workspace.

use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use picoclaw_telemetry::words::{HeartbeatOutcome, Origin};
use picoclaw_telemetry::{Bus, Detail, Event};
use tokio_util::sync::CancellationToken;

use super::clock::Clock;
use super::schedule::time;
use super::world::World;
use picoclaw::agent::Conversation;

/// How long after the start the first one comes.
const FIRST: Duration = Duration::from_secs(1);
/// No heartbeat comes more often.
pub const SHORTEST: Duration = Duration::from_secs(5 * 60);
/// What the agent answers when there is nothing to say.
const SILENT: &str = "HEARTBEAT_OK";
/// The name of its conversation, which remembers nothing.
const SESSION: &str = "heartbeat";
/// The last words of the usual file before the first task.
const TASKS_BELOW: &str = "tasks below this line:";
/// As much of the file is read.
const LARGEST: u64 = 256 << 10;

/// The heartbeat.
#[derive(Clone)]
pub struct Heartbeat {
    /// Where `HEARTBEAT.md` is, if it is.
    pub workspace: PathBuf,
    /// How often it beats, at least every [`SHORTEST`].
    pub interval: Duration,
    /// How long its turn may take.
    pub limit: Duration,
    /// What it asks and tells.
    pub world: Arc<dyn World>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Who hears of it.
    pub bus: Bus,
}

impl Heartbeat {
    /// Beats until told to stop. A beat under way goes on.
    pub async fn run(self, stop: CancellationToken) {
        let mut due = tokio::time::Instant::now() + FIRST;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep_until(due) => {}
            }
            due = tokio::time::Instant::now() + self.interval.max(SHORTEST);
            self.beat().await;
        }
    }

    /// One beat; without anything to do it is none.
    async fn beat(&self) {
        let workspace = self.workspace.clone();
        let read = tokio::task::spawn_blocking(move || (tasks(&workspace), last_chat(&workspace))).await;
        let Ok((tasks, chat)) = read else { return };
        let tasks = match tasks {
            Ok(Some(tasks)) => tasks,
            Ok(None) => return,
            Err(error) => {
                tracing::warn!(%error, "HEARTBEAT.md cannot be read.");
                return;
            }
        };
        let began = Instant::now();
        let (conversation, prompt) = (Conversation::Single(SESSION.to_owned()), self.prompt(&tasks));
        let asking = self.world.ask(conversation, &prompt, Origin::Heartbeat);
        let answer = tokio::time::timeout(self.limit, asking).await;
        let answer = answer.unwrap_or_else(|_| Err(format!("no answer within {} s", self.limit.as_secs())));
        let (outcome, error) = match answer {
            Err(error) => (HeartbeatOutcome::Failed, Some(error)),
            Ok(answer) if answer.contains(SILENT) || answer.trim().is_empty() => {
                (HeartbeatOutcome::Silent, None)
            }
            Ok(answer) => match self.tell(chat, &answer).await {
                Ok(()) => (HeartbeatOutcome::Delivered, None),
                Err(error) => (HeartbeatOutcome::Undelivered, Some(error)),
            },
        };
        let error = error.map(Detail::from);
        self.bus.emit(Event::HeartbeatEnd { outcome, duration: began.elapsed(), error });
    }

    async fn tell(&self, chat: Option<(String, String)>, text: &str) -> Result<(), String> {
        let nobody = || "no chat is known to whom it could be told: nobody has written yet".to_owned();
        let (channel, chat) = chat.ok_or_else(nobody)?;
        self.world.tell(&channel, &chat, text).await
    }

    fn prompt(&self, tasks: &str) -> String {
        format!(
            "# Heartbeat\n\nIt is {}. This is the periodic check, not a message of a person. Go through the tasks below \
             and do with your tools what has to be done. If nothing needs the person's attention, answer only: \
             {SILENT}\n\n{tasks}",
            time(self.clock.now())
        )
    }
}

/// What stands in `HEARTBEAT.md`, if there is a task.
fn tasks(workspace: &Path) -> std::io::Result<Option<String>> {
    let mut text = String::new();
    match std::fs::File::open(workspace.join("HEARTBEAT.md")) {
        Ok(file) => file.take(LARGEST).read_to_string(&mut text)?,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(has_tasks(&text).then_some(text))
}

/// The file that comes with a new workspace has only explanations: no model need be asked about those.
fn has_tasks(text: &str) -> bool {
    let tasks = text.rfind(TASKS_BELOW).map_or(text, |at| &text[at + TASKS_BELOW.len()..]);
    tasks.lines().any(|line| !line.trim().is_empty() && !line.starts_with('#'))
}

/// The chat in which a person last wrote, as the existing PicoClaw remembers it: `telegram:12345`.
fn last_chat(workspace: &Path) -> Option<(String, String)> {
    let text = std::fs::read(workspace.join("state/state.json")).ok()?;
    let state: serde_json::Value = serde_json::from_slice(&text).ok()?;
    let (channel, chat) = state["last_channel"].as_str()?.split_once(':')?;
    (!channel.is_empty() && !chat.is_empty()).then(|| (channel.to_owned(), chat.to_owned()))
}

#[cfg(test)]
mod tests;
