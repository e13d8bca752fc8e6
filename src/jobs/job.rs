//! A job as `cron/jobs.json` has it: the format of the existing PicoClaw. What other programs keep there stays.

use picoclaw_telemetry::words::JobState;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::schedule::Schedule;

/// A scheduled job. Times are Unix time in milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Job {
    /// Its name for programs.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// Whether it runs.
    pub enabled: bool,
    /// When it runs.
    pub schedule: Schedule,
    /// What it does.
    pub payload: Payload,
    /// How it stands.
    pub state: State,
    /// When it was made.
    pub created_at_ms: i64,
    /// When it was last changed, or ran.
    pub updated_at_ms: i64,
    /// Whether a job that runs once is removed then.
    pub delete_after_run: bool,
    /// What other programs keep here.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// What a job does.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Payload {
    /// `agent_turn`.
    pub kind: String,
    /// What the agent is told.
    pub message: String,
    /// A command of the shell that runs instead of a turn.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub command: String,
    /// Whether the message is sent as it is, without asking the agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deliver: Option<bool>,
    /// The channel that hears of the outcome.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub channel: String,
    /// The chat in it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub to: String,
    /// What other programs keep here.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// How a job stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct State {
    /// When it runs next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_run_at_ms: Option<i64>,
    /// When it last ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_run_at_ms: Option<i64>,
    /// How that ended: `ok` or `error`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub last_status: String,
    /// What went wrong then.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub last_error: String,
    /// What other programs keep here.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Job {
    /// A new job, enabled, which is removed after it ran if it runs only once.
    pub fn new(id: String, name: &str, schedule: Schedule, payload: Payload, now: i64) -> Self {
        Self {
            id,
            name: name.to_owned(),
            enabled: true,
            delete_after_run: schedule.kind == "at",
            state: State {
                next_run_at_ms: schedule.timing().ok().and_then(|t| t.next(now)),
                ..State::default()
            },
            schedule,
            payload: Payload { kind: "agent_turn".to_owned(), ..payload },
            created_at_ms: now,
            updated_at_ms: now,
            other: Map::new(),
        }
    }

    /// What keeps it from running, if anything does.
    pub fn condition(&self) -> JobState {
        match (self.enabled, self.schedule.timing()) {
            (false, _) => JobState::Disabled,
            (true, Ok(_)) => JobState::Enabled,
            (true, Err(_)) => JobState::Invalid,
        }
    }
}
