//! From a configuration to a stopped gateway.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context as _;
use picoclaw_sinks::mask::Masker;
use picoclaw_sinks::supervisor::Supervisor;
use picoclaw_telemetry::words::Level;
use picoclaw_telemetry::{Bus, Detail, Event, PluginRegistry, SinkRegistry};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::fixed::Fixed;
use super::mcp::{self, McpOnBus};
use super::parts::{self, OnBus, Parts, Running};
use super::plugin_tools::PluginTools;
use super::reload::Reload;
use super::signals::{self, Signals};
use super::supply::Supply;
use super::welcome::Listening;
use super::{greeting, hot_reload, media, plugin_tools, rest, routes, setup, shutdown, team};
use picoclaw::agent::Agent;
use picoclaw::config::{Environment, Loaded, Severity};
use picoclaw::health::{self, Judge, Phase};
use picoclaw::http::admin::{Admin, Reloader, Token};
use picoclaw::http::body::Room;
use picoclaw::http::channel::{CHANNEL, CLI_CHANNEL, HttpChannel};
use picoclaw::http::endpoints::{EndpointTable, Endpoints};
use picoclaw::http::inlets::Inlets;
use picoclaw::http::{self, Bound, Limits};
use picoclaw::pidfile::{PidFile, PidRecord, new_token};
use picoclaw::service::{self, Notifier};
use picoclaw::sessions::Stores;
use picoclaw_channels::{Channels, LastChat};
use picoclaw_mcp::Servers;

/// What the command line says.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Overrides `gateway.host`.
    pub host: Option<String>,
    /// Everything is logged.
    pub debug: bool,
}

/// Runs a gateway until it is told to stop.
///
/// # Errors
/// When it cannot start. Once it runs, it stops without error.
pub async fn run(mut environment: Environment, options: Options) -> anyhow::Result<()> {
    let began = Instant::now();
    if let Some(host) = &options.host {
        environment = environment.with("PICOCLAW_GATEWAY_HOST", host);
    }
    if options.debug {
        environment = environment.with("PICOCLAW_LOGGING_LEVEL", "debug");
    }
    let watch = hot_reload::Watch::begin(&environment);
    let loaded = super::check::load(&environment, None)?;
    let mut signals = Signals::listen().context("listening for signals")?;
    signals::end_at_second().context("listening for a second signal")?;
    let token = new_token().context("making the token of the pid file")?;
    // Before the port is tried: a gateway that runs is a better answer than a port in use.
    if let Some(other) = picoclaw::pidfile::running(&loaded.paths.pid_file) {
        return Err(picoclaw::pidfile::PidError::Running { pid: other.pid }.into());
    }
    let gateway = &loaded.config.gateway;
    let bound = http::bind(&gateway.host, gateway.port).await?;
    let probes = match gateway
        .health_check
        .port
        .filter(|port| gateway.health_check.enabled && *port != bound.port())
    {
        Some(port) => Some(http::bind(&gateway.host, port).await?),
        None => None,
    };
    let listening = Listening {
        addresses: bound.addresses.clone(),
        probes: probes.as_ref().and_then(|probes| probes.addresses.first().copied()),
    };
    let pid_file = PidFile::take(&loaded.paths.pid_file, pid_record(&bound, &token))?;

    let started = start(environment, loaded, &options, Token::new(token)).await?;
    let stop_http = CancellationToken::new();
    let servers = serve(&started, bound.listeners, probes.map(|bound| bound.listeners), &stop_http);
    let parts = started.parts;
    for channel in [CHANNEL, CLI_CHANNEL] {
        parts.bus.emit(Event::ChannelStarted { channel: parts.agent.channel_label(channel) });
    }
    parts.run_channels(&parts.running.lock().await.loaded).await;
    parts.judge.set_phase(Phase::Serving);
    let stop_watch = CancellationToken::new();
    let (hot_reload, stores) = {
        let running = parts.running.lock().await;
        (running.loaded.config.gateway.hot_reload, running.supply.stores.clone())
    };
    let watching = health::watch(
        parts.bus.clone(),
        Arc::clone(&parts.judge),
        parts.agent.clone(),
        stores.clone(),
        stop_watch.clone(),
    );
    let watching = tokio::spawn(watching);
    let beat = service::beat(&parts.environment, std::process::id());
    tokio::spawn(service::keep(Arc::clone(&parts.service), Arc::clone(&parts.judge) as _, beat));
    let address = Detail::from(listening.address());
    parts.bus.emit(Event::GatewayReady { address, elapsed: began.elapsed() });
    greeting::greet(&parts, &listening).await;
    if hot_reload {
        tokio::spawn(hot_reload::run(Arc::clone(&parts), watch));
    }
    let jobs = super::jobs::start(&parts).await;
    tokio::spawn(remember_sessions(parts.agent.clone(), stores.clone(), started.session_window));
    tokio::spawn(rest::rest(parts.bus.clone()));
    tokio::spawn(media::keep(Arc::clone(&parts), stop_watch.clone()));

    let cause = signals::serve(&parts, &mut signals).await;
    let rest = shutdown::Rest { jobs, stores, stop_watch, watching, stop_http, servers };
    tokio::select! {
        () = shutdown::shut_down(&parts, rest, cause) => {}
        () = signals::second_stop(&mut signals) => anyhow::bail!("stopped at once by a second signal"),
    }
    drop(pid_file);
    Ok(())
}

/// What runs before the first request.
struct Started {
    parts: Arc<Parts>,
    session_window: Duration,
    limits: Limits,
    admin: Arc<Admin>,
    observer: Arc<OnBus>,
}

async fn start(
    environment: Environment,
    loaded: Loaded,
    options: &Options,
    operator: Option<Token>,
) -> anyhow::Result<Started> {
    let config = &loaded.config;
    let bus = Bus::new(config.telemetry.ring);
    let registry = SinkRegistry::default();
    let plugin_registry = PluginRegistry::default();
    let judge = Arc::new(Judge::new(bus.clone(), registry.clone()));
    judge.watch_plugins(plugin_registry.clone());
    let masker = Arc::new(Masker::new(&parts::secrets(&loaded, operator.as_ref())));
    let sinks = parts::sinks(&loaded, options.debug);
    let context = picoclaw_sinks::Context {
        bus: bus.clone(),
        sinks: registry,
        plugins: plugin_registry.clone(),
        health: Arc::clone(&judge) as _,
        masker: Arc::clone(&masker),
        started: Instant::now(),
    };
    picoclaw::diagnostics::install(&bus, Level::Debug);
    let supervisor = Supervisor::start(&sinks, context)?;
    bus.emit(Event::GatewayStart { version: env!("CARGO_PKG_VERSION"), pid: std::process::id() });
    tell_warnings(&loaded);
    judge.set_watched(parts::watched(&loaded, &bus, &sinks));

    let mcp_changed = Arc::new(Notify::new());
    let mcp = Servers::new(Arc::new(McpOnBus::new(&bus, &mcp_changed)));
    mcp::configure(&mcp, &bus, config, &loaded.paths);
    let plugins = plugin_tools::start(config, &masker, &PluginTools::default()).await;
    plugin_registry.replace(plugins.stats());
    let jobs = picoclaw_jobs::JobStore::new(&loaded.paths.workspace);
    let cron = super::jobs::cron_tool(config, &jobs);
    let inlets = Inlets::default();
    let channels = Channels::new(bus.clone(), inlets.clone(), LastChat::new(&loaded.paths.workspace));
    let courier = Some(Arc::new(channels.clone()) as _);
    let stores = Stores::new(setup::session_options(config));
    team::open_sessions(config, &loaded.paths, &stores).await?;
    judge.watch_sessions(stores.clone());
    let supply = Supply { plugins, cron, courier, mcp: Some(mcp), stores, ..Supply::default() };
    let hooks = picoclaw_hooks::Chain::start(&config.hooks, &loaded.paths.workspace, &bus);
    let team = team::team(&bus, config, &loaded.paths, &masker, &supply, hooks.as_ref())?;
    let session_window = Duration::from_secs(60 * config.telemetry.session_active_minutes);
    let turns = config.agents.defaults.parallel_turns();
    let own = [CHANNEL, CLI_CHANNEL];
    let agent = Agent::new(bus.clone(), team, &own, turns, session_window);

    judge.watch_providers(agent.clone());

    let observer = Arc::new(OnBus(bus.clone()));
    let settings = parts::settings(config, operator.clone());
    let room = Room::new(config.gateway.max_bodies_bytes);
    let channel = HttpChannel::new(Arc::new(agent.clone()), Arc::clone(&observer) as _, settings, room);
    let channel = Arc::new(channel);
    let endpoints = Endpoints::new(EndpointTable::new());
    let guards = routes::Guards { operator: operator.clone(), bus: bus.clone() };
    endpoints.replace(routes::table(config, &judge, supervisor.routes(), &guards)?);
    let limits = Limits {
        max_connections: config.gateway.max_connections,
        drain: shutdown::HTTP_PATIENCE,
        ..Limits::default()
    };
    let parts = Arc::new(Parts {
        bus,
        agent,
        judge,
        masker,
        channel,
        channels,
        inlets,
        endpoints,
        guards,
        service: Arc::new(Notifier::from_environment(&environment)),
        operator: operator.clone(),
        environment,
        debug: options.debug,
        jobs,
        fixed: Fixed::at_start(&loaded),
        sessions_dir: loaded.paths.sessions_dir.clone(),
        mcp_changed: Arc::clone(&mcp_changed),
        plugin_registry,
        stopping: CancellationToken::new(),
        running: tokio::sync::Mutex::new(Running { loaded, supervisor, hooks, supply }),
    });
    tokio::spawn(mcp::follow(Arc::clone(&parts), mcp_changed));
    let reload = Arc::new(Reload(Arc::clone(&parts)));
    parts.agent.reload_with(&(Arc::clone(&reload) as _));
    parts.agent.deliver_with(Arc::new(parts.channels.clone()));
    let reloader: Arc<dyn Reloader> = reload;
    let admin = Arc::new(Admin::new(operator, Some(reloader), Arc::clone(&observer) as _));
    Ok(Started { parts, session_window, limits, admin, observer })
}

/// Serves until told to stop, and completes when the last exchange is over.
fn serve(
    started: &Started,
    main: Vec<tokio::net::TcpListener>,
    probes: Option<Vec<tokio::net::TcpListener>>,
    stop: &CancellationToken,
) -> tokio::task::JoinHandle<()> {
    let parts = &started.parts;
    let handlers = http::Handlers {
        endpoints: parts.endpoints.clone(),
        admin: Arc::clone(&started.admin),
        channel: Arc::clone(&parts.channel),
        inlets: parts.inlets.clone(),
    };
    let observer = Arc::clone(&started.observer) as _;
    let main = http::serve_gateway(main, handlers, started.limits, observer, stop.clone());
    let probes = probes.map(|listeners| {
        let endpoints = parts.endpoints.clone();
        http::serve_probes(listeners, endpoints, started.limits, Arc::new(Unobserved), stop.clone())
    });
    tokio::spawn(async move {
        match probes {
            Some(probes) => drop(tokio::join!(main, probes)),
            None => drop(main.await),
        }
    })
}

/// The port for probes has connections of its own, which are not the gateway's.
struct Unobserved;

impl http::Observer for Unobserved {
    fn rejected(&self, _: picoclaw_telemetry::words::HttpRejection) {}
    fn connections(&self, _: usize) {}
}

/// Sessions that were active before a restart are active still.
async fn remember_sessions(agent: Agent, stores: Stores, window: Duration) {
    let now = (SystemTime::now(), Instant::now());
    let mut used = Vec::new();
    for store in stores.all() {
        match store.recent(window).await {
            Ok(sessions) => used.extend(sessions.into_iter().filter_map(|session| {
                let age = now.0.duration_since(session.modified).unwrap_or_default();
                Some((session.key, now.1.checked_sub(age)?))
            })),
            Err(error) => tracing::warn!(%error, "Sessions of before the start could not be listed."),
        }
    }
    agent.remember_sessions(used).await;
}

/// Speaks of what the configuration could have said better.
pub(super) fn tell_warnings(loaded: &Loaded) {
    for warning in &loaded.warnings {
        match warning.severity {
            Severity::Grave | Severity::Warning => tracing::warn!(target: "picoclaw::config", "{warning}"),
            Severity::Notice => tracing::info!(target: "picoclaw::config", "{warning}"),
        }
    }
}

fn pid_record(bound: &Bound, token: &str) -> PidRecord {
    PidRecord {
        pid: std::process::id(),
        token: token.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        port: bound.port(),
        host: bound.addresses.first().map_or_else(String::new, |address| address.ip().to_string()),
    }
}
