//! The running parts, as a reload and a shutdown need them.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use picoclaw_sinks::config::SinkConfig;
use picoclaw_sinks::supervisor::Supervisor;
use picoclaw_telemetry::words::{HttpRejection, Level};
use picoclaw_telemetry::{Bus, PluginRegistry};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::fixed::Fixed;
use super::routes::Guards;
use super::setup::SetupError;
use super::supply::Supply;
use super::team;
use picoclaw::agent::{Agent, Assistant, Team};
use picoclaw::config::{Config, Environment, Loaded, Paths};
use picoclaw::health::{Judge, Watched};
use picoclaw::http::admin::Token;
use picoclaw::http::body::BodyLimits;
use picoclaw::http::channel::access::Access;
use picoclaw::http::channel::{CHANNEL, CLI_CHANNEL, HttpChannel, Settings};
use picoclaw::http::endpoints::Endpoints;
use picoclaw::http::inlets::Inlets;
use picoclaw::media::Inbox;
use picoclaw::providers::HttpClients;
use picoclaw::service::Notifier;
use picoclaw_channels::{Channels, Surroundings};
use picoclaw_hooks::Chain;

/// Everything that a reload touches.
pub(super) struct Parts {
    pub(super) bus: Bus,
    pub(super) agent: Agent,
    pub(super) judge: Arc<Judge>,
    pub(super) masker: Arc<picoclaw_sinks::mask::Masker>,
    pub(super) channel: Arc<HttpChannel>,
    pub(super) channels: Channels,
    pub(super) inlets: Inlets,
    pub(super) endpoints: Endpoints,
    pub(super) guards: Guards,
    pub(super) service: Arc<Notifier>,
    pub(super) operator: Option<Token>,
    pub(super) environment: Environment,
    pub(super) debug: bool,
    /// The scheduled jobs, of the workspace with which the gateway started.
    pub(super) jobs: picoclaw_jobs::JobStore,
    pub(super) fixed: Fixed,
    /// Where the store was opened.
    pub(super) sessions_dir: PathBuf,
    /// Wakes who gives the agent the tools of MCP servers.
    pub(super) mcp_changed: Arc<tokio::sync::Notify>,
    /// Where whoever looks learns how the plugins with tools are.
    pub(super) plugin_registry: PluginRegistry,
    /// Cancelled when the gateway begins to stop: a reload that still waits for others is given up.
    pub(super) stopping: CancellationToken,
    // One reload at a time; the lock is held across its awaits.
    pub(super) running: tokio::sync::Mutex<Running>,
}

/// What is in force.
pub(super) struct Running {
    pub(super) loaded: Loaded,
    pub(super) supervisor: Supervisor,
    /// The hooks, if there are any.
    pub(super) hooks: Option<Arc<Chain>>,
    pub(super) supply: Supply,
}

const CONSOLE: &str = "console";

/// Lines for people on standard error, from `level` on.
pub fn console(level: Level) -> SinkConfig {
    let options = json!({ "path": "stderr", "format": "text", "level": level.as_str() });
    let options = options.as_object().cloned().unwrap_or_default();
    SinkConfig { name: Some(CONSOLE.to_owned()), ..SinkConfig::new("jsonlog") }.with_options(options)
}

/// The sinks of a configuration: those that it names, and a console for people unless one of them already writes to
/// the standard streams.
pub(super) fn sinks(loaded: &Loaded, debug: bool) -> Vec<SinkConfig> {
    let mut sinks = loaded.config.effective_sinks(&loaded.paths);
    let to_stream = |sink: &SinkConfig| {
        let path = sink.options.get("path").and_then(|path| path.as_str());
        sink.enabled && matches!(path, Some("stdout" | "stderr"))
    };
    if !sinks.iter().any(to_stream) {
        let level = if debug { Level::Debug } else { loaded.config.gateway.log_level };
        let taken: BTreeSet<&str> = sinks.iter().map(SinkConfig::name).collect();
        let name = if taken.contains(CONSOLE) { "console_stderr" } else { CONSOLE };
        sinks.push(SinkConfig { name: Some(name.to_owned()), ..console(level) });
    }
    sinks
}

/// What must not be seen in logs and by models: the secrets of the configuration, and the token of the pid file.
pub(super) fn secrets(loaded: &Loaded, operator: Option<&Token>) -> Vec<String> {
    let token = operator.map(|token| token.expose().to_owned());
    loaded.secrets.iter().cloned().chain(token).collect()
}

/// Who may use the HTTP channel, and how much they may send.
pub(super) fn settings(config: &Config, operator: Option<Token>) -> Settings {
    let gateway = &config.gateway;
    let hosts = gateway.host.split(',').map(|host| host.trim().to_owned()).collect();
    Settings {
        access: Access {
            api_key: gateway.api_key.as_ref().and_then(|key| Token::new(key.expose())),
            operator,
            allow_origins: gateway.allow_origins.clone(),
            hosts,
        },
        body: BodyLimits { size: gateway.max_body_bytes, ..BodyLimits::default() },
    }
}

/// What channels are built with.
pub(super) fn surroundings(loaded: &Loaded, observer: Arc<dyn picoclaw::http::Observer>) -> Surroundings {
    Surroundings { inbox: Inbox::new(&loaded.paths.workspace), clients: HttpClients::new(), observer }
}

impl Parts {
    /// The agents of a configuration. The store of those that have none of their own stays where it was opened.
    pub(super) fn team(
        &self,
        loaded: &Loaded,
        supply: &Supply,
        hooks: Option<&Arc<Chain>>,
    ) -> Result<Team, SetupError> {
        team::team(&self.bus, &loaded.config, &self.paths(loaded), &self.masker, supply, hooks)
    }

    /// The paths of a configuration, but for the store with which the gateway started.
    pub(super) fn paths(&self, loaded: &Loaded) -> Paths {
        Paths { sessions_dir: self.sessions_dir.clone(), ..loaded.paths.clone() }
    }

    /// Runs the channels of this configuration and no others.
    pub(super) async fn run_channels(&self, loaded: &Loaded) {
        let assistant: Arc<dyn Assistant> = Arc::new(self.agent.clone());
        let around = surroundings(loaded, Arc::new(OnBus(self.bus.clone())));
        self.channels.apply(&loaded.config.channel_list, &assistant, &around).await;
    }
}

/// What the judge watches.
pub(super) fn watched(loaded: &Loaded, bus: &Bus, sinks: &[SinkConfig]) -> Watched {
    use picoclaw_telemetry::Dimension::{Channel, Provider};
    let channels = loaded.config.channel_list.iter().filter(|(name, channel)| channel.runs(name));
    let channels = [CHANNEL, CLI_CHANNEL].into_iter().chain(channels.map(|(name, _)| name.as_str()));
    let names: BTreeSet<&str> =
        loaded.config.models().map(picoclaw::config::ModelConfig::provider_name).collect();
    Watched {
        providers: names.into_iter().map(|name| bus.vocabulary().declare(Provider, name).as_str()).collect(),
        mcp_servers: loaded.config.tools.mcp.used().map(|(name, _)| name.to_owned()).collect(),
        hooks: loaded.config.hooks.active().into_iter().map(|(name, _)| name.to_owned()).collect(),
        channels: channels.map(|name| bus.vocabulary().declare(Channel, name).as_str()).collect(),
        sinks: sinks.iter().filter(|s| s.enabled).map(|s| (s.name().to_owned(), s.critical)).collect(),
        failing_after: Duration::from_secs(loaded.config.gateway.health_check.failing_after_seconds),
    }
}

/// Tells the bus what the HTTP server sees.
pub(super) struct OnBus(pub(super) Bus);

impl picoclaw::http::Observer for OnBus {
    fn rejected(&self, reason: HttpRejection) {
        self.0.emit(picoclaw_telemetry::Event::HttpRejected { reason });
    }

    fn connections(&self, open: usize) {
        self.0.vitals().set_http_connections(open);
    }
}
