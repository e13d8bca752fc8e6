//! What the agent does without being asked: scheduled jobs and the heartbeat, started and stopped.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::parts::Parts;
use picoclaw::config::Config;
use picoclaw::tools::Tool;
use picoclaw_jobs::service::Service;
use picoclaw_jobs::{AgentWorld, CronTool, Heartbeat, JobStore, Jobs, Limits, SystemClock};

/// How long a turn of a job may take when turns have no limit.
const LONGEST_TURN: Duration = Duration::from_secs(60 * 60);
/// How long jobs may take to write down how they ended when the gateway stops.
const PATIENCE: Duration = Duration::from_secs(2);

/// The tool by which models manage jobs, if it is enabled.
pub fn cron_tool(config: &Config, jobs: &JobStore) -> Option<Arc<dyn Tool>> {
    let cron = &config.tools.cron;
    cron.enabled
        .then(|| Arc::new(CronTool::new(jobs.clone(), Arc::new(SystemClock), cron.allow_command)) as _)
}

/// What runs by itself.
pub(super) struct Automatic {
    jobs: Service,
    stop: CancellationToken,
}

impl Automatic {
    /// Begins nothing more.
    pub(super) fn stop(&self) {
        self.jobs.stop();
        self.stop.cancel();
    }

    /// Waits a moment until what was under way is written down.
    pub(super) async fn ended(&self) {
        if timeout(PATIENCE, self.jobs.ended()).await.is_err() {
            tracing::warn!("Jobs did not end in time; how they ended is not in cron/jobs.json.");
        }
    }
}

/// Starts the jobs and the heartbeat.
pub(super) async fn start(parts: &Parts) -> Automatic {
    let (config, paths) = {
        let running = parts.running.lock().await;
        (running.loaded.config.clone(), running.loaded.paths.clone())
    };
    let turn = config.agents.defaults.turn_timeout().unwrap_or(LONGEST_TURN);
    let cron = &config.tools.cron;
    let world = Arc::new(AgentWorld {
        agent: parts.agent.clone(),
        courier: Arc::new(parts.channels.clone()),
        allow_command: cron.allow_command,
    });
    let jobs = Jobs {
        store: parts.jobs.clone(),
        world: Arc::clone(&world) as _,
        clock: Arc::new(SystemClock),
        bus: parts.bus.clone(),
        limits: Limits { turn, command: cron.exec_timeout() },
    };
    let automatic = Automatic { jobs: jobs.start(), stop: CancellationToken::new() };
    if config.heartbeat.enabled {
        let heartbeat = Heartbeat {
            workspace: paths.workspace,
            interval: config.heartbeat.interval(),
            limit: turn,
            world,
            clock: Arc::new(SystemClock),
            bus: parts.bus.clone(),
        };
        tokio::spawn(heartbeat.run(automatic.stop.clone()));
    }
    automatic
}
