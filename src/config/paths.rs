//! Where things are on disk.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::environment::Environment;
use super::sections::{Config, MAIN};

/// Where things are on disk. Nothing of it needs to exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// `$PICOCLAW_HOME`, else `~/.picoclaw`.
    pub home: PathBuf,
    /// `$PICOCLAW_CONFIG`, else `config.json` in the home.
    pub config_file: PathBuf,
    /// `.security.yml` beside the configuration.
    pub security_file: PathBuf,
    /// `$PICOCLAW_TELEMETRY_CONFIG`, else `telemetry.json` in the home.
    pub telemetry_file: PathBuf,
    /// Where the agent works: `agents.defaults.workspace`.
    pub workspace: PathBuf,
    /// The conversations, in the workspace with which the gateway started.
    pub sessions_dir: PathBuf,
    /// Where the agents of `agents.list` work that have a workspace of their own, by id.
    pub agent_workspaces: BTreeMap<String, PathBuf>,
    /// `logs` in the home.
    pub log_dir: PathBuf,
    /// Who runs, in the home.
    pub pid_file: PathBuf,
}

impl Paths {
    /// The paths before the configuration is read; the workspace is the usual one. Without a home directory of the user
    /// there is nothing to start from.
    pub fn find(environment: &Environment) -> Option<Self> {
        let absolute = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
        let home = match environment.get("PICOCLAW_HOME") {
            Some(home) => absolute(environment.expand(home)),
            None => environment.home()?.join(".picoclaw"),
        };
        let file = |variable: &str, name: &str| match environment.get(variable) {
            Some(path) => absolute(environment.expand(path)),
            None => home.join(name),
        };
        let config_file = file("PICOCLAW_CONFIG", "config.json");
        let directory = config_file.parent().unwrap_or(&home);
        Some(Self {
            security_file: directory.join(".security.yml"),
            telemetry_file: file("PICOCLAW_TELEMETRY_CONFIG", "telemetry.json"),
            workspace: home.join("workspace"),
            sessions_dir: home.join("workspace/sessions"),
            agent_workspaces: BTreeMap::new(),
            log_dir: home.join("logs"),
            pid_file: home.join(".picoclaw.pid"),
            config_file,
            home,
        })
    }

    /// The same with what the configuration says about the workspaces.
    pub(super) fn with_workspace(mut self, config: &Config, environment: &Environment) -> Self {
        let workspace = &config.agents.defaults.workspace;
        if !workspace.is_empty() {
            self.workspace = self.home.join(environment.expand(workspace));
            self.sessions_dir = self.workspace.join("sessions");
        }
        let agents = config.agents();
        let default = Config::default_agent(&agents);
        for (place, agent) in agents.iter().enumerate() {
            let id = agent.id();
            let workspace = match agent.workspace.trim() {
                "" if place == default || id == MAIN => continue,
                "" => self.workspace.with_file_name(format!("workspace-{id}")),
                given => self.home.join(environment.expand(given)),
            };
            if workspace != self.workspace {
                self.agent_workspaces.insert(id, workspace);
            }
        }
        self
    }

    /// The same for an agent: its own workspace and conversations, if it has some.
    #[must_use]
    pub fn of_agent(&self, id: &str) -> Self {
        let mut paths = self.clone();
        if let Some(workspace) = self.agent_workspaces.get(id) {
            paths.sessions_dir = workspace.join("sessions");
            paths.workspace.clone_from(workspace);
        }
        paths
    }

    /// What is the gateway's own and nobody else's business, wherever the workspace is: the conversations (of the store
    /// and of the workspaces), the configuration with its secrets, the token of the pid file, the logs. A home somewhere
    /// in the workspace is private as a whole.
    pub fn private(&self) -> Vec<PathBuf> {
        let conversations =
            [&self.workspace, &self.home, &self.home.join("workspace")].map(|at| at.join("sessions"));
        let own = [
            &self.sessions_dir,
            &self.config_file,
            &self.security_file,
            &self.telemetry_file,
            &self.pid_file,
            &self.log_dir,
        ];
        let mut private: Vec<PathBuf> = own.into_iter().cloned().chain(conversations).collect();
        private.extend(self.agent_workspaces.values().map(|workspace| workspace.join("sessions")));
        // Jobs run commands: who may not run any must not write them there either.
        private.push(self.workspace.join("cron"));
        if self.home != self.workspace && self.home.starts_with(&self.workspace) {
            private.push(self.home.clone());
        }
        private
    }

    /// The directory of the configuration, where relative names of secret files start.
    pub fn config_dir(&self) -> &Path {
        self.config_file.parent().unwrap_or(&self.home)
    }
}
