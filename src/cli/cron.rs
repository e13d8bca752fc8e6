//! `picoclaw cron`: the scheduled jobs, on the same file as the gateway's.

use std::process::ExitCode;

use anyhow::Context as _;
use picoclaw_sinks::registry::known_types;

use super::say;
use picoclaw::config::{self, Environment};
use picoclaw::pidfile;
use picoclaw_jobs::schedule::time;
use picoclaw_jobs::{Clock, Job, JobStore, Payload, Schedule, SystemClock, new_id};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List the jobs, with their next and their last run.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Add a job: --every or --cron or --at.
    Add(Box<Add>),
    /// Remove a job.
    Remove {
        /// Its id, or its name if no other has that.
        job: String,
    },
    /// Switch a job on.
    Enable {
        /// Its id, or its name if no other has that.
        job: String,
    },
    /// Switch a job off.
    Disable {
        /// Its id, or its name if no other has that.
        job: String,
    },
}

#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(group(clap::ArgGroup::new("when").required(true).args(["every", "cron", "at"])))]
pub(super) struct Add {
    /// Its name.
    #[arg(short, long)]
    name: String,
    /// What the agent is told when the time comes.
    #[arg(short, long)]
    message: String,
    /// Again and again, every so many seconds.
    #[arg(short, long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    every: Option<u32>,
    /// By the clock: minute hour day month weekday, such as "0 9 * * 1-5".
    #[arg(short, long, value_name = "EXPRESSION")]
    cron: Option<String>,
    /// Once, at a time such as 2026-12-24T18:00:00Z or 2026-12-24T18:00:00+01:00.
    #[arg(long, value_name = "TIME")]
    at: Option<jiff::Timestamp>,
    /// The time zone of --cron, such as Europe/Berlin, instead of that of the machine.
    #[arg(long, value_name = "ZONE", requires = "cron")]
    tz: Option<String>,
    /// The channel that hears of the outcome.
    #[arg(long, requires = "to")]
    channel: Option<String>,
    /// The chat in it.
    #[arg(long, requires = "channel")]
    to: Option<String>,
    /// Send the message as it is, without asking the agent.
    #[arg(short, long, requires = "channel")]
    deliver: bool,
}

pub(super) fn run(command: Command) -> anyhow::Result<ExitCode> {
    let environment = Environment::process();
    let loaded = config::load(&environment, &known_types())?;
    let store = JobStore::new(&loaded.paths.workspace);
    let now = SystemClock.now();
    match command {
        Command::List { json } => list(&store, json)?,
        Command::Add(add) => {
            let job = job(*add, now)?;
            store.update(|document| document.add(job.clone()))?;
            say(&format!("✓ Added {} ({}): {}", job.name, job.id, job.schedule.describe()));
            if let Some(next) = job.state.next_run_at_ms {
                say(&format!("  runs next at {}", time(next)));
            }
            let runs = |name| loaded.config.channel_list.get(name).is_some_and(|channel| channel.runs(name));
            if !job.payload.channel.is_empty() && !runs(&job.payload.channel) {
                let channel = &job.payload.channel;
                say(&format!("  but nobody hears of it: no channel {channel} is enabled in channel_list"));
            }
            if pidfile::running(&loaded.paths.pid_file).is_none() {
                say("  when a gateway runs: none does now (start it with `picoclaw gateway`)");
            }
        }
        Command::Remove { job } => {
            let (job, _) = store.update(|document| document.remove(&job))?;
            say(&format!("✓ Removed {} ({})", job.name, job.id));
        }
        Command::Enable { job } => switch(&store, &job, true, now)?,
        Command::Disable { job } => switch(&store, &job, false, now)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn job(add: Add, now: i64) -> anyhow::Result<Job> {
    let schedule = match (add.every, add.cron, add.at) {
        (Some(seconds), ..) => Schedule::every(i64::from(seconds) * 1000),
        (_, Some(expression), _) => Schedule::cron(&expression, add.tz.as_deref().unwrap_or_default()),
        (.., at) => Schedule::at(at.context("--at is missing")?.as_millisecond()),
    };
    let payload = Payload {
        message: add.message,
        deliver: add.deliver.then_some(true),
        channel: add.channel.unwrap_or_default(),
        to: add.to.unwrap_or_default(),
        ..Payload::default()
    };
    let id = new_id().context("making an id for the job")?;
    Ok(Job::new(id, &add.name, schedule, payload, now))
}

fn switch(store: &JobStore, job: &str, enabled: bool, now: i64) -> anyhow::Result<()> {
    let (job, _) = store.update(|document| document.change(job, now, |job| job.enabled = enabled))?;
    let word = if enabled { "Enabled" } else { "Disabled" };
    say(&format!("✓ {word} {} ({})", job.name, job.id));
    Ok(())
}

fn list(store: &JobStore, json: bool) -> anyhow::Result<()> {
    let document = store.read()?;
    let jobs: Vec<&Job> = document.jobs().collect();
    if json {
        say(&serde_json::to_string_pretty(&jobs)?);
        return Ok(());
    }
    if jobs.is_empty() {
        say("No jobs are scheduled.");
    }
    for job in jobs {
        say(&format!("{} ({}): {}", job.name, job.id, job.schedule.describe()));
        say(&format!("  next: {}", next(job)));
        if let Some(last) = job.state.last_run_at_ms {
            let error = if job.state.last_error.is_empty() { "" } else { ": " };
            say(&format!("  last: {}, {}{error}{}", time(last), job.state.last_status, job.state.last_error));
        }
        if !job.payload.channel.is_empty() {
            say(&format!("  tells: {} {}", job.payload.channel, job.payload.to));
        }
    }
    Ok(())
}

fn next(job: &Job) -> String {
    match (job.enabled, job.schedule.timing(), job.state.next_run_at_ms) {
        (false, ..) => "never, disabled".to_owned(),
        (true, Err(error), _) => format!("never: {error}"),
        (true, Ok(_), Some(next)) => time(next),
        (true, Ok(_), None) => "when the gateway has looked at it".to_owned(),
    }
}
