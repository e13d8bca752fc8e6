//! A plugin that misbehaves as it is told.
//!
//! It writes the number and kind of each event that it takes to `file`, one per line, and does what `drill` says when an
//! event of the kind `on` comes (any, without). With `once`, a file that it creates, it does so once and not again after
//! it was started anew. With `after_ms` it does so when it has lived that long.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use picoclaw_plugin::{Batch, Failure, Host, Level, Plugin, ToolSpec, Tools};
use rustix::process::{Signal, getpid, kill_process};
use serde::Deserialize;

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Drill {
    Nothing,
    RefuseCreate,
    PanicInCreate,
    PanicInEvents,
    PanicInFlush,
    PanicInHealth,
    PanicInDrop,
    Segfault,
    Abort,
    Exit,
    StackOverflow,
    Hang,
    Spin,
    Flood,
    Eat,
    Retry,
    Lose,
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    drill: Drill,
    on: Option<String>,
    once: Option<PathBuf>,
    after_ms: u64,
    file: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        Self { drill: Drill::Nothing, on: None, once: None, after_ms: 0, file: None }
    }
}

struct Trainee {
    config: Config,
    host: Host,
    file: Option<File>,
    began: Instant,
}

impl Plugin for Trainee {
    fn create(host: Host, config: &str) -> Result<Self, Failure> {
        let config: Config =
            serde_json::from_str(config).map_err(|error| Failure::Config(error.to_string()))?;
        match config.drill {
            Drill::RefuseCreate => return Err(Failure::Config("told to refuse".to_owned())),
            Drill::PanicInCreate => panic!("told to panic in create"),
            _ => {}
        }
        let file = config.file.as_ref();
        let file = file.map(|path| OpenOptions::new().append(true).create(true).open(path)).transpose()?;
        Ok(Self { config, host, file, began: Instant::now() })
    }

    fn on_events(&mut self, batch: &Batch<'_>) -> Result<(), Failure> {
        let on = self.config.on.clone();
        let called = |kind: &str| on.as_deref().is_none_or(|on| kind == on);
        let acts = !matches!(self.config.drill, Drill::Nothing | Drill::PanicInFlush | Drill::PanicInHealth);
        if acts && batch.events().any(|event| called(event.kind())) && self.is_time() {
            self.act()?;
        }
        if let Some(file) = &mut self.file {
            let lines: Vec<String> =
                batch.events().map(|event| format!("{} {}\n", event.seq(), event.kind())).collect();
            file.write_all(lines.concat().as_bytes())?;
        }
        Ok(())
    }

    fn flush(&mut self, _within: Duration) -> Result<(), Failure> {
        assert!(self.config.drill != Drill::PanicInFlush || !self.is_time(), "told to panic in flush");
        Ok(())
    }

    fn health(&mut self) -> Result<(), Failure> {
        assert!(self.config.drill != Drill::PanicInHealth, "told to panic in health");
        Ok(())
    }
}

impl Trainee {
    /// Whether the time has come, and this is the first time if it shall be the only one.
    fn is_time(&self) -> bool {
        if self.began.elapsed() < Duration::from_millis(self.config.after_ms) {
            return false;
        }
        match &self.config.once {
            Some(path) => OpenOptions::new().write(true).create_new(true).open(path).is_ok(),
            None => true,
        }
    }

    fn act(&self) -> Result<(), Failure> {
        match self.config.drill {
            Drill::PanicInEvents => panic!("told to panic in on_events"),
            // The first one only meets the handler of the standard library, which then steps aside.
            Drill::Segfault => {
                for _ in 0..2 {
                    let _ = kill_process(getpid(), Signal::SEGV);
                }
            }
            Drill::Abort => std::process::abort(),
            Drill::Exit => std::process::exit(0),
            Drill::StackOverflow => drop(dig(1)),
            Drill::Hang => std::thread::sleep(Duration::from_secs(1_000_000)),
            Drill::Spin => {
                let mut n = 0_u64;
                while std::hint::black_box(n) != u64::MAX {
                    n = n.wrapping_add(2);
                }
            }
            Drill::Flood => self.flood(),
            Drill::Eat => eat(),
            Drill::Retry => return Err(Failure::Retry("told to ask for time".to_owned())),
            Drill::Lose => return Err(Failure::Lost("told to lose".to_owned())),
            _ => {}
        }
        Ok(())
    }

    fn flood(&self) {
        for n in 0..20_000 {
            self.host.log(Level::Info, &format!("line {n} of a flood"));
            let _ = writeln!(std::io::stdout(), "line {n} of a flood on a stream");
        }
    }
}

impl Tools for Trainee {
    fn tools(&self) -> Vec<ToolSpec> {
        let parameters = r#"{"type":"object","properties":{"drill":{"type":"string"}},"required":["drill"]}"#;
        let description = "Misbehaves as it is told.".to_owned();
        vec![ToolSpec { name: "obey".to_owned(), description, parameters: parameters.to_owned() }]
    }

    fn call(&mut self, _name: &str, arguments: &str) -> Result<String, Failure> {
        let Config { drill, .. } =
            serde_json::from_str(arguments).map_err(|error| Failure::Lost(error.to_string()))?;
        self.config.drill = drill;
        self.act()?;
        Ok("obeyed".to_owned())
    }
}

impl Drop for Trainee {
    fn drop(&mut self) {
        assert!(self.config.drill != Drill::PanicInDrop, "told to panic in drop");
    }
}

/// Never comes back.
fn dig(depth: u64) -> u64 {
    let hole = std::hint::black_box([depth; 128]);
    if depth == 0 { 0 } else { dig(depth + 1) + hole[1] }
}

/// Takes memory until there is none.
fn eat() {
    let mut eaten = Vec::new();
    loop {
        eaten.push(std::hint::black_box(vec![1_u8; 1024 * 1024]));
    }
}

picoclaw_plugin::export!(Trainee, tools);
