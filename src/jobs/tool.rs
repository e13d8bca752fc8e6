//! The tool `cron`, by which a model manages jobs.
//!
//! A person at a remote channel reaches only the jobs of their own chat, and schedules no commands.

use std::fmt::Write;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::clock::Clock;
use super::document::{ChangeError, Document};
use super::job::{Job, Payload};
use super::schedule::{Schedule, time};
use super::store::{JobStore, StoreError};
use picoclaw::chat::ToolSpec;
use picoclaw::tools::{Caller, Tool, ToolOutput};

/// The longest name that is made of a message.
const LONGEST_NAME: usize = 30;

/// Manages jobs.
#[derive(Clone)]
pub struct CronTool {
    store: JobStore,
    clock: Arc<dyn Clock>,
    allow_command: bool,
}

/// On whose behalf, as it is kept in jobs.
struct Asking {
    channel: String,
    chat: String,
    remote: bool,
}

impl Asking {
    fn may_touch(&self, job: &Job) -> bool {
        !self.remote || job.payload.channel == self.channel && job.payload.to == self.chat
    }
}

impl CronTool {
    /// A tool for these jobs. Commands can be scheduled only with `allow_command`.
    pub fn new(store: JobStore, clock: Arc<dyn Clock>, allow_command: bool) -> Self {
        Self { store, clock, allow_command }
    }

    fn act(&self, asking: &Asking, arguments: &Value) -> Result<String, ToolOutput> {
        let action = arguments["action"].as_str().unwrap_or_default();
        match action {
            "add" => self.add(asking, arguments),
            "list" => Ok(list(&self.store.read().map_err(failed)?, asking)),
            "get" => {
                let document = self.store.read().map_err(failed)?;
                shown(own(&document, asking, id(arguments)?).map_err(|error| failed(error.into()))?)
            }
            "update" => self.update(asking, arguments),
            "remove" => {
                let id = id(arguments)?;
                let removed = self.store.update(|document| {
                    own(document, asking, id)?;
                    document.remove(id)
                });
                removed
                    .map(|(job, _)| format!("Removed the job {} (id: {}).", job.name, job.id))
                    .map_err(failed)
            }
            "enable" => self.switch(asking, id(arguments)?, true),
            "disable" => self.switch(asking, id(arguments)?, false),
            other => Err(ToolOutput::error(format!(
                "the action \"{other}\" is none of add, list, get, update, remove, enable, disable"
            ))),
        }
    }

    fn add(&self, asking: &Asking, arguments: &Value) -> Result<String, ToolOutput> {
        let now = self.clock.now();
        let message = text(arguments, "message")?.ok_or_else(|| {
            ToolOutput::error("argument `message` is missing; give what is to be done or said")
        })?;
        let schedule = schedule(arguments, now)?.ok_or_else(|| {
            ToolOutput::error(
                "one of `at_seconds`, `every_seconds` and `cron_expr` is needed; give when it runs",
            )
        })?;
        let command = text(arguments, "command")?.unwrap_or_default();
        self.permit(asking, command, arguments)?;
        let name = text(arguments, "name")?.map_or_else(|| short(message), str::to_owned);
        let payload = Payload {
            message: message.to_owned(),
            command: command.to_owned(),
            channel: asking.channel.clone(),
            to: asking.chat.clone(),
            ..Payload::default()
        };
        let id = super::new_id().map_err(|error| ToolOutput::error(format!("no id for the job: {error}")))?;
        let job = Job::new(id, &name, schedule, payload, now);
        let added = self.store.update(|document| document.add(job.clone()));
        added.map_err(failed)?;
        let next = job.state.next_run_at_ms.map_or_else(|| "never".to_owned(), time);
        Ok(format!(
            "Added the job {name} (id: {}, {}); it runs next at {next}.",
            job.id,
            job.schedule.describe()
        ))
    }

    fn update(&self, asking: &Asking, arguments: &Value) -> Result<String, ToolOutput> {
        let (id, now) = (id(arguments)?, self.clock.now());
        let name = text(arguments, "name")?.map(str::to_owned);
        let message = text(arguments, "message")?.map(str::to_owned);
        let schedule = schedule(arguments, now)?;
        let command = arguments.get("command").and_then(Value::as_str).map(str::to_owned);
        self.permit(asking, command.as_deref().unwrap_or_default(), arguments)?;
        if name.is_none() && message.is_none() && schedule.is_none() && command.is_none() {
            return Err(ToolOutput::error("nothing to change: give a name, message, command or schedule"));
        }
        let changed = self.store.update(|document| {
            own(document, asking, id)?;
            document.change(id, now, |job| {
                job.name = name.unwrap_or_else(|| job.name.clone());
                job.payload.message = message.unwrap_or_else(|| job.payload.message.clone());
                job.payload.command = command.unwrap_or_else(|| job.payload.command.clone());
                if let Some(schedule) = schedule {
                    job.delete_after_run = schedule.kind == "at";
                    job.schedule = schedule;
                }
            })
        });
        changed.map_err(failed).and_then(|(job, _)| Ok(format!("Changed the job:\n{}", shown(&job)?)))
    }

    fn switch(&self, asking: &Asking, id: &str, enabled: bool) -> Result<String, ToolOutput> {
        let now = self.clock.now();
        let changed = self.store.update(|document| {
            own(document, asking, id)?;
            document.change(id, now, |job| job.enabled = enabled)
        });
        let word = if enabled { "enabled" } else { "disabled" };
        changed.map(|(job, _)| format!("The job {} (id: {}) is {word}.", job.name, job.id)).map_err(failed)
    }

    fn permit(&self, asking: &Asking, command: &str, arguments: &Value) -> Result<(), ToolOutput> {
        if command.is_empty() {
            return Ok(());
        }
        if asking.remote {
            return Err(ToolOutput::denied(
                "commands can be scheduled only at the terminal, not from this channel",
            ));
        }
        if !self.allow_command && arguments["command_confirm"] != Value::Bool(true) {
            return Err(ToolOutput::denied("commands of jobs are switched off (tools.cron.allow_command)"));
        }
        Ok(())
    }
}

#[async_trait]
impl Tool for CronTool {
    fn spec(&self) -> ToolSpec {
        ToolSpec {
            name: "cron".to_owned(),
            description: "Schedules reminders and tasks, and manages those that are scheduled. Use it whenever the person \
                          wants to be reminded or something done later or regularly: at_seconds for once, \
                          every_seconds for an interval, cron_expr for times of day. When its time comes, you are told \
                          the message in a new conversation, and your answer is sent to this chat."
                .to_owned(),
            parameters: parameters(),
        }
    }

    async fn call(&self, arguments: Value) -> ToolOutput {
        self.call_for(Caller::LOCAL, arguments).await
    }

    async fn call_for(&self, caller: Caller<'_>, arguments: Value) -> ToolOutput {
        let asking = Asking {
            channel: caller.channel.to_owned(),
            chat: caller.chat.to_owned(),
            remote: caller.is_remote(),
        };
        let tool = self.clone();
        let done =
            tokio::task::spawn_blocking(move || tool.act(&asking, &arguments).map(ToolOutput::success)).await;
        done.unwrap_or_else(|_| Err(ToolOutput::error("the tool failed unexpectedly"))).into()
    }
}

fn parameters() -> Value {
    let text = |what: &str| json!({ "type": "string", "description": what });
    let number = |what: &str| json!({ "type": "integer", "description": what });
    json!({
        "type": "object",
        "properties": {
            "action": {
                "type": "string",
                "enum": ["add", "list", "get", "update", "remove", "enable", "disable"],
                "description": "What to do. Look with get before you update."
            },
            "name": text("A short name for people"),
            "message": text("What you are told when the time comes: the reminder or the task"),
            "command": text("A shell command that runs instead; the message says what it is for"),
            "command_confirm": { "type": "boolean", "description": "Confirms that the person wants the command to run" },
            "at_seconds": number("Once, so many seconds from now: 600 is in 10 minutes"),
            "every_seconds": number("Again and again, every so many seconds: 7200 is every 2 hours"),
            "cron_expr": text("By the clock: minute hour day month weekday, such as 0 9 * * 1-5"),
            "job_id": text("Which job, for get, update, remove, enable and disable")
        },
        "required": ["action"]
    })
}

/// The job that is meant, if it is within reach. Others might as well not exist.
fn own<'a>(document: &'a Document, asking: &Asking, id: &str) -> Result<&'a Job, ChangeError> {
    let job = document.find(id)?;
    if asking.may_touch(job) { Ok(job) } else { Err(ChangeError::Unknown(id.to_owned())) }
}

fn list(document: &Document, asking: &Asking) -> String {
    let mut jobs = document.jobs().filter(|job| asking.may_touch(job)).peekable();
    if jobs.peek().is_none() {
        return "No jobs are scheduled.".to_owned();
    }
    let mut text = "Scheduled jobs:".to_owned();
    for job in jobs {
        let _ = write!(text, "\n- {} (id: {}, {}", job.name, job.id, job.schedule.describe());
        match job.state.next_run_at_ms.filter(|_| job.enabled) {
            Some(next) => drop(write!(text, ", next at {})", time(next))),
            None => text.push_str(", disabled)"),
        }
        if !job.state.last_error.is_empty() {
            let _ = write!(text, " last run failed: {}", job.state.last_error);
        }
    }
    text
}

fn shown(job: &Job) -> Result<String, ToolOutput> {
    serde_json::to_string(job).map_err(|error| ToolOutput::error(format!("the job cannot be shown: {error}")))
}

fn id(arguments: &Value) -> Result<&str, ToolOutput> {
    text(arguments, "job_id")?
        .ok_or_else(|| ToolOutput::error("argument `job_id` is missing; list shows the ids"))
}

/// A text; an empty one counts as absent, since models fill in what they do not need.
fn text<'a>(arguments: &'a Value, name: &str) -> Result<Option<&'a str>, ToolOutput> {
    match arguments.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.trim()).filter(|text| !text.is_empty())),
        Some(_) => Err(ToolOutput::error(format!("argument `{name}` must be a string"))),
    }
}

/// The schedule that the arguments name; zeros and empty texts count as absent.
fn schedule(arguments: &Value, now: i64) -> Result<Option<Schedule>, ToolOutput> {
    let ms = |name: &str| -> Result<Option<i64>, ToolOutput> {
        let wrong = || ToolOutput::error(format!("argument `{name}` must be a whole number of seconds"));
        let seconds = match arguments.get(name) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::Number(number)) => {
                number.as_i64().or_else(|| whole(number.as_f64()?)).ok_or_else(wrong)?
            }
            Some(Value::String(text)) if text.trim().is_empty() => return Ok(None),
            Some(Value::String(text)) => text.trim().parse().map_err(|_| wrong())?,
            Some(_) => return Err(wrong()),
        };
        if seconds < 0 {
            return Err(wrong());
        }
        Ok(seconds.checked_mul(1000).filter(|ms| *ms > 0))
    };
    if let Some(ms) = ms("at_seconds")? {
        return Ok(Some(Schedule::at(now.saturating_add(ms))));
    }
    if let Some(ms) = ms("every_seconds")? {
        return Ok(Some(Schedule::every(ms)));
    }
    Ok(text(arguments, "cron_expr")?.map(|expr| Schedule::cron(expr, "")))
}

/// A float that is a whole number, such as the `600.0` that some models write.
fn whole(number: f64) -> Option<i64> {
    (number.fract() == 0.0 && number.abs() < 9e15).then_some(number as i64)
}

fn short(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    match line.char_indices().nth(LONGEST_NAME) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

#[allow(clippy::needless_pass_by_value)] // As `map_err` hands it over.
fn failed(error: StoreError) -> ToolOutput {
    ToolOutput::error(error.to_string())
}

#[cfg(test)]
mod tests;
