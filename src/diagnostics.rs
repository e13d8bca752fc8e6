//! Diagnostics: what the code says through `tracing` becomes an event on the bus, and so a line in every log.

use std::fmt::Write;
use std::sync::Arc;

use picoclaw_telemetry::event::LogLine;
use picoclaw_telemetry::words::{Component, Level};
use picoclaw_telemetry::{Bus, Detail, Event};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

/// Most fields of one line.
const MOST_FIELDS: usize = 16;

/// From now on `tracing` speaks on the bus. Our own code is heard from `level` on, libraries from `warn` on.
///
/// A panic becomes a line too: plain text on a stream of JSON lines would break whoever reads it.
pub fn install(bus: &Bus, level: Level) {
    let layer = ToBus { bus: bus.clone(), level: as_tracing(level) };
    // A second installation happens in tests only; the first one stays.
    let _ = tracing_subscriber::registry().with(layer).try_init();
    let bus = bus.clone();
    std::panic::set_hook(Box::new(move |panic| {
        let thread = std::thread::current();
        let name = thread.name().unwrap_or("without a name");
        let line = line(Level::Error, Component::Main, &format!("Panic in thread {name}: {panic}"));
        if !bus.try_emit(Event::Log(Arc::new(line))) {
            report_on_stderr(&panic.to_string());
        }
    }));
}

#[allow(clippy::print_stderr)] // The bus itself is the place of the panic.
fn report_on_stderr(panic: &str) {
    eprintln!("panic: {panic}");
}

fn line(level: Level, component: Component, message: &str) -> LogLine {
    LogLine { level, component, message: Detail::new(message), fields: Vec::new() }
}

struct ToBus {
    bus: Bus,
    level: LevelFilter,
}

impl<S: Subscriber> Layer<S> for ToBus {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        let limit = match metadata.target() {
            target if target.starts_with("picoclaw") => self.level,
            // It shows messages as they are, secrets and all; what matters of it is an event of ours.
            target if target.starts_with("rmcp") => LevelFilter::OFF,
            _ => LevelFilter::WARN,
        };
        *metadata.level() <= limit
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.level.max(LevelFilter::WARN))
    }

    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let metadata = event.metadata();
        self.bus.emit(Event::Log(Arc::new(LogLine {
            level: from_tracing(*metadata.level()),
            component: component(metadata.target()),
            message: Detail::from(fields.message),
            fields: fields.others,
        })));
    }
}

#[derive(Default)]
struct Fields {
    message: String,
    others: Vec<(&'static str, Detail)>,
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let mut text = String::new();
        // Writing to a string cannot fail; a failing Debug leaves what it wrote.
        let _ = write!(text, "{value:?}");
        self.add(field, text);
    }
}

impl Fields {
    fn add(&mut self, field: &Field, text: String) {
        if field.name() == "message" {
            self.message = text;
        } else if self.others.len() < MOST_FIELDS {
            self.others.push((field.name(), Detail::from(text)));
        }
    }
}

fn as_tracing(level: Level) -> LevelFilter {
    match level {
        Level::Debug => LevelFilter::DEBUG,
        Level::Info => LevelFilter::INFO,
        Level::Warn => LevelFilter::WARN,
        Level::Error => LevelFilter::ERROR,
    }
}

fn from_tracing(level: tracing::Level) -> Level {
    match level {
        tracing::Level::ERROR => Level::Error,
        tracing::Level::WARN => Level::Warn,
        tracing::Level::INFO => Level::Info,
        tracing::Level::DEBUG | tracing::Level::TRACE => Level::Debug,
    }
}

/// The component of a module's path. It makes no difference whether a folder is a module of the gateway or a crate of its
/// own.
fn component(target: &str) -> Component {
    let module = target.strip_prefix("picoclaw").map(|path| path.trim_start_matches(['_', ':']));
    match module.and_then(|path| path.split("::").next()) {
        Some("sinks" | "telemetry") => Component::Bus,
        Some("config") => Component::Config,
        Some("agent") => Component::Agent,
        Some("providers") => Component::Provider,
        Some("channels") => Component::Channel,
        Some("tools" | "mcp") => Component::Tool,
        Some("sessions") => Component::Session,
        _ => Component::Main,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use picoclaw_telemetry::Next;

    #[test]
    fn diagnostics_reach_the_bus_with_level_component_and_fields() {
        let bus = Bus::default();
        let mut seen = bus.subscribe();
        let layer = ToBus { bus: bus.clone(), level: LevelFilter::INFO };
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            tracing::debug!(target: "picoclaw::agent", "Not heard.");
            tracing::info!(target: "hyper::proto", "Not heard either.");
            tracing::error!(target: "rmcp::service", "Not heard at all.");
            tracing::warn!(target: "picoclaw::sessions::store", path = "/x", n = 3, "Disk slow.");
        });
        let Some(Next::Record(record)) = seen.try_next() else { panic!("nothing was emitted") };
        let Event::Log(line) = &record.event else { panic!("not a log line") };
        assert_eq!((line.level, line.component), (Level::Warn, Component::Session));
        assert_eq!(line.message.as_str(), "Disk slow.");
        assert_eq!(line.fields, [("path", Detail::new("/x")), ("n", Detail::new("3"))]);
        assert!(seen.try_next().is_none());
    }

    #[test]
    fn folders_are_components_whether_they_are_crates_or_not() {
        for (target, expected) in [
            ("picoclaw", Component::Main),
            ("picoclaw::jobs::service", Component::Main),
            ("picoclaw::agent", Component::Agent),
            ("picoclaw::channels::telegram", Component::Channel),
            ("picoclaw_tools::toolbox", Component::Tool),
            ("picoclaw_mcp::connection", Component::Tool),
            ("picoclaw_config", Component::Config),
            ("picoclaw::config", Component::Config),
            ("picoclaw_telemetry::bus", Component::Bus),
            ("hyper::proto", Component::Main),
        ] {
            assert_eq!(component(target), expected, "{target}");
        }
    }
}
