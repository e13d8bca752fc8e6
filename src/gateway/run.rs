//! From a configuration to a stopped gateway.

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context as _;
use picoclaw_sinks::mask::Masker;
use picoclaw_sinks::registry::known_types;
use picoclaw_sinks::supervisor::Supervisor;
use picoclaw_telemetry::words::Level;
use picoclaw_telemetry::{Bus, Detail, Event, SinkRegistry};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::fixed::Fixed;
use super::parts::{self, OnBus, Parts, Running};
use super::reload::Reload;
use super::signals::{Asked, Signals};
use super::{hot_reload, routes, setup};
use crate::agent::Agent;
use crate::channels::http::{CHANNEL, CLI_CHANNEL, HttpChannel};
use crate::config::{self, Environment, Loaded, Severity};
use crate::health::{self, Judge, Phase};
use crate::http::admin::{Admin, Reloader, Token};
use crate::http::body::Room;
use crate::http::endpoints::{EndpointTable, Endpoints};
use crate::http::{self, Bound, Limits};
use crate::pidfile::{PidFile, PidRecord, new_token};
use crate::service::{self, Notifier};
use crate::sessions::SessionStore;

/// How long turns in flight may go on when the gateway stops.
const TURNS_PATIENCE: Duration = Duration::from_secs(10);
/// How long a sink may take for its last send.
const SINK_PATIENCE: Duration = Duration::from_secs(5);
/// How long HTTP exchanges may go on after that.
const HTTP_PATIENCE: Duration = Duration::from_secs(3);

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
    let loaded = config::load(&environment, &known_types())?;
    let mut signals = Signals::listen().context("listening for signals")?;
    let token = new_token().context("making the token of the pid file")?;
    // Before the port is tried: a gateway that runs is a better answer than a port in use.
    if let Some(other) = crate::pidfile::running(&loaded.paths.pid_file) {
        return Err(crate::pidfile::PidError::Running { pid: other.pid }.into());
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
    let pid_file = PidFile::take(&loaded.paths.pid_file, pid_record(&bound, &token))?;

    let started = start(environment, loaded, &options, Token::new(token)).await?;
    let stop_http = CancellationToken::new();
    let servers = serve(&started, bound.listeners, probes.map(|bound| bound.listeners), &stop_http);
    let parts = started.parts;
    for channel in [CHANNEL, CLI_CHANNEL] {
        parts.bus.emit(Event::ChannelStarted { channel: parts.agent.channel_label(channel) });
    }
    parts.judge.set_phase(Phase::Serving);
    let stop_watch = CancellationToken::new();
    let (paths, hot_reload) = {
        let running = parts.running.lock().await;
        (running.loaded.paths.clone(), running.loaded.config.gateway.hot_reload)
    };
    let watching = health::watch(
        parts.bus.clone(),
        Arc::clone(&parts.judge),
        parts.agent.clone(),
        health::Sessions { store: started.store.clone(), directory: paths.sessions_dir },
        stop_watch.clone(),
    );
    let watching = tokio::spawn(watching);
    let beat = service::beat(&parts.environment, std::process::id());
    tokio::spawn(service::keep(Arc::clone(&parts.service), Arc::clone(&parts.judge) as _, beat));
    let address = bound.addresses.first().map_or_else(String::new, ToString::to_string);
    parts.bus.emit(Event::GatewayReady { address: Detail::from(address.clone()), elapsed: began.elapsed() });
    greet(&parts, &address).await;
    if hot_reload {
        tokio::spawn(hot_reload::run(Arc::clone(&parts), watch));
    }
    tokio::spawn(remember_sessions(parts.agent.clone(), started.store.clone(), started.session_window));

    let cause = serve_signals(&parts, &mut signals).await;
    let stopping = shut_down(&parts, &started.store, cause, &stop_watch, &stop_http);
    tokio::select! {
        () = stopping => {}
        () = second_stop(&mut signals) => anyhow::bail!("stopped at once by a second signal"),
    }
    let _ = tokio::time::timeout(HTTP_PATIENCE, servers).await;
    let _ = watching.await;
    drop(pid_file);
    Ok(())
}

/// What runs before the first request.
struct Started {
    parts: Arc<Parts>,
    store: SessionStore,
    session_window: Duration,
    limits: Limits,
    probe_paths: Vec<String>,
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
    let judge = Arc::new(Judge::new(bus.clone(), registry.clone()));
    let masker = Arc::new(Masker::new(&loaded.secrets));
    let sinks = parts::sinks(&loaded, options.debug);
    let context = picoclaw_sinks::Context {
        bus: bus.clone(),
        sinks: registry,
        health: Arc::clone(&judge) as _,
        masker: Arc::clone(&masker),
        started: SystemTime::now(),
    };
    crate::diagnostics::install(&bus, Level::Debug);
    let supervisor = Supervisor::start(&sinks, context)?;
    bus.emit(Event::GatewayStart { version: env!("CARGO_PKG_VERSION"), pid: std::process::id() });
    tell_warnings(&loaded);
    judge.set_watched(parts::watched(&loaded, &bus, &sinks));

    let setup = setup::setup(&bus, config, &loaded.paths, &masker)?;
    let store = SessionStore::open(&loaded.paths.sessions_dir, &setup::session_options(config))?;
    judge.watch_sessions(store.clone());
    let session_window = Duration::from_secs(60 * config.telemetry.session_active_minutes);
    let turns = config.agents.defaults.parallel_turns();
    let channels = [CHANNEL, CLI_CHANNEL];
    let agent = Agent::new(bus.clone(), setup, store.clone(), &channels, turns, session_window);

    let observer = Arc::new(OnBus(bus.clone()));
    let settings = parts::settings(config, operator.clone());
    let room = Room::new(config.gateway.max_bodies_bytes);
    let channel = HttpChannel::new(Arc::new(agent.clone()), Arc::clone(&observer) as _, settings, room);
    let channel = Arc::new(channel);
    let endpoints = Endpoints::new(EndpointTable::new());
    let guards = routes::Guards { operator: operator.clone(), bus: bus.clone() };
    endpoints.replace(routes::table(config, &judge, supervisor.routes(), &guards)?);
    let limits =
        Limits { max_connections: config.gateway.max_connections, drain: HTTP_PATIENCE, ..Limits::default() };
    let probe_paths = routes::probe_paths(&config.gateway.health_check);
    let parts = Arc::new(Parts {
        bus,
        agent,
        judge,
        masker,
        channel,
        endpoints,
        guards,
        service: Arc::new(Notifier::from_environment(&environment)),
        operator: operator.clone(),
        environment,
        debug: options.debug,
        fixed: Fixed::at_start(&loaded),
        running: tokio::sync::Mutex::new(Running { loaded, supervisor }),
    });
    let reloader: Arc<dyn Reloader> = Arc::new(Reload(Arc::clone(&parts)));
    let admin = Arc::new(Admin::new(operator, Some(reloader), Arc::clone(&observer) as _));
    Ok(Started { parts, store, session_window, limits, probe_paths, admin, observer })
}

/// Serves until told to stop, and completes when the last exchange is over.
fn serve(
    started: &Started,
    main: Vec<tokio::net::TcpListener>,
    probes: Option<Vec<tokio::net::TcpListener>>,
    stop: &CancellationToken,
) -> tokio::task::JoinHandle<()> {
    let parts = &started.parts;
    let routes = http::routes::gateway(
        parts.endpoints.clone(),
        Arc::clone(&started.admin),
        Arc::clone(&parts.channel),
    );
    let main = http::serve(main, routes, started.limits, Arc::clone(&started.observer) as _, stop.clone());
    let probes = probes.map(|listeners| {
        let routes = http::routes::probes(parts.endpoints.clone(), started.probe_paths.clone());
        http::serve(listeners, routes, started.limits, Arc::new(Unobserved), stop.clone())
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

/// Reloads and reopens as asked; returns why the gateway must stop.
async fn serve_signals(parts: &Arc<Parts>, signals: &mut Signals) -> &'static str {
    let reopener = parts.running.lock().await.supervisor.reopener();
    // A task of its own, so that a stop is heard meanwhile. Signals that come while it works become one more round.
    let hangup = Arc::new(Notify::new());
    tokio::spawn(obey_hangups(Reload(Arc::clone(parts)), Arc::clone(&hangup)));
    loop {
        match signals.next().await {
            Asked::Stop(cause) => return cause,
            Asked::Reload => {
                // Log files at once, whatever a reload that is under way waits for: a rotator has renamed them.
                let reopener = reopener.clone();
                tokio::spawn(async move { reopener.reopen().await });
                hangup.notify_one();
            }
        }
    }
}

async fn obey_hangups(reload: Reload, hangup: Arc<Notify>) {
    loop {
        hangup.notified().await;
        reload.when_free().await;
    }
}

async fn second_stop(signals: &mut Signals) {
    while signals.next().await == Asked::Reload {}
}

/// Not ready → turns in flight → end of the event stream → sinks → HTTP.
async fn shut_down(
    parts: &Parts,
    store: &SessionStore,
    cause: &'static str,
    stop_watch: &CancellationToken,
    stop_http: &CancellationToken,
) {
    parts.judge.set_phase(Phase::Draining);
    parts.service.stopping().await;
    parts.bus.emit(Event::GatewayShutdown { cause: Detail::new(cause) });
    let cancelled = parts.agent.drain(TURNS_PATIENCE).await;
    if cancelled > 0 {
        tracing::warn!(cancelled, "Turns were cancelled because the gateway stops.");
    }
    for channel in [CHANNEL, CLI_CHANNEL] {
        parts.bus.emit(Event::ChannelStopped { channel: parts.agent.channel_label(channel) });
    }
    if let Err(error) = store.close().await {
        tracing::error!(%error, "Sessions could not be closed; the next start recovers them from the journal.");
    }
    stop_watch.cancel();
    parts.bus.close();
    let unfinished = parts.running.lock().await.supervisor.drain(SINK_PATIENCE).await;
    if !unfinished.is_empty() {
        say(&format!("Sinks that did not finish in time: {}", unfinished.join(", ")));
    }
    stop_http.cancel();
}

/// Sessions that were active before a restart are active still.
async fn remember_sessions(agent: Agent, store: SessionStore, window: Duration) {
    match store.recent(window).await {
        Ok(sessions) => {
            for session in sessions {
                let age = SystemTime::now().duration_since(session.modified).unwrap_or_default();
                if let Some(at) = Instant::now().checked_sub(age) {
                    agent.touch(&session.key, at);
                }
            }
        }
        Err(error) => tracing::warn!(%error, "Sessions of before the start could not be listed."),
    }
}

/// Speaks of what the configuration could have said better.
pub(super) fn tell_warnings(loaded: &Loaded) {
    for warning in &loaded.warnings {
        match warning.severity {
            Severity::Warning => tracing::warn!(target: "picoclaw::config", "{warning}"),
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

/// The lines that the existing PicoClaw prints, and what a newcomer can do next.
async fn greet(parts: &Parts, address: &str) {
    let running = parts.running.lock().await;
    let config = &running.loaded.config;
    let base = format!("http://{address}");
    say(&format!("✓ Gateway started on {address}"));
    if config.gateway.health_check.enabled {
        let health = &config.gateway.health_check.path;
        say(&format!("✓ Health endpoints available at {base}{health}, /ready and /reload (POST)"));
    }
    for route in running.supervisor.routes() {
        if route.path != config.gateway.health_check.path {
            say(&format!("✓ Metrics available at {base}{}", route.path));
        }
    }
    say(&format!("✓ Chat with the model `{}` at {base}/v1/chat/completions", config.default_model()));
    say("Press Ctrl+C to stop");
}

/// A line for whoever started the gateway; a closed standard output does not matter.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}
