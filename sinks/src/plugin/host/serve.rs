//! Answers the gateway's frames with the calls of one plugin.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use picoclaw_plugin::Level;
use picoclaw_plugin::loader::{BatchMemory, CallError, EventBatch, Instance, Library, Log, release_code};

use crate::plugin::frame::{Code, Frame, PROTOCOL};
use crate::plugin::hello::{Hello, Ready};
use crate::plugin::limiter::{Limiter, Verdict, cut};
use crate::plugin::wire;

/// How much is received at once.
const CHUNK: usize = 64 * 1024;

/// How long the last flush may take when the gateway is gone without a word.
const LAST_FLUSH: Duration = Duration::from_secs(2);

/// Serves until the gateway has no more to ask. An error says that it cannot be heard any more, or made no sense.
pub(in crate::plugin) fn serve(stream: UnixStream) -> io::Result<()> {
    let way_back = WayBack(Arc::new(Mutex::new(stream.try_clone()?)));
    let mut input = Input { stream, bytes: Vec::new(), done: 0 };
    let Some(hello) = input.next(|frame| match frame {
        Frame::Hello(text) => serde_json::from_str::<Hello>(text).map_err(invalid),
        _ => Err(invalid("the first frame is not HELLO")),
    })?
    else {
        return Ok(());
    };
    let (ready, instance) = open(&hello, &way_back);
    way_back.send(Frame::Ready(&serde_json::to_string(&ready).map_err(invalid)?))?;
    // Loading is done. Should it stay in memory after all, no harm is done.
    let _ = release_code();
    match instance {
        Some(instance) => answer(&mut input, &way_back, instance),
        None => Ok(()),
    }
}

/// Loads the library and makes an instance, unless only a description is wanted.
fn open(hello: &Hello, way_back: &WayBack) -> (Ready, Option<Instance>) {
    let Some(path) = &hello.path else {
        return (Ready::refuse("no path of a library was given"), None);
    };
    let library = match Library::load(path, hello.sha256.as_deref()) {
        Ok(library) => library,
        Err(error) => return (Ready::refuse(error.to_string()), None),
    };
    let (major, minor) = library.abi();
    let mut ready = Ready {
        protocol: PROTOCOL,
        name: library.name().to_owned(),
        version: library.version().to_owned(),
        abi: Some(format!("{major}.{minor}")),
        events: library.takes_events(),
        signals_taken: library.signals_taken(),
        ..Ready::default()
    };
    let Some(config) = &hello.config else { return (ready, None) };
    let config = serde_json::Value::Object(config.clone()).to_string();
    let mut instance = match Instance::create(&library, &config, way_back.log()) {
        Ok(instance) => instance,
        Err(error) => {
            ready.error = Some(error.to_string());
            return (ready, None);
        }
    };
    let tools = instance.tools().map_err(|error| error.to_string());
    match tools.and_then(|tools| serde_json::from_str(&tools).map_err(|error| format!("tools: {error}"))) {
        Ok(tools) => ready.tools = tools,
        Err(error) => {
            ready.error = Some(error);
            return (ready, None);
        }
    }
    (ready, Some(instance))
}

/// What follows a frame.
enum Next {
    /// The next one.
    Go,
    /// The end.
    Stop,
}

fn answer(input: &mut Input, way_back: &WayBack, mut instance: Instance) -> io::Result<()> {
    let mut memory = BatchMemory::default();
    loop {
        let next = input.next(|frame| respond(frame, way_back, &mut instance, &mut memory))?;
        match next {
            Some(Next::Go) => {}
            Some(Next::Stop) => return Ok(()),
            None => {
                // Nobody hears how it went.
                let _ = instance.flush(LAST_FLUSH);
                return Ok(());
            }
        }
    }
}

fn respond(
    frame: Frame<'_>,
    way_back: &WayBack,
    instance: &mut Instance,
    memory: &mut BatchMemory,
) -> io::Result<Next> {
    match frame {
        Frame::Events { id, lost_before, count, events } => {
            let mut batch = EventBatch::new(memory, lost_before);
            wire::read(events, count, &mut batch).map_err(invalid)?;
            let (code, text) = outcome(instance.on_events(&mut batch));
            way_back.send(Frame::Ack { id, code, text: &text })?;
            Ok(if code == Code::Panicked { Next::Stop } else { Next::Go })
        }
        Frame::Flush { id, within_ms } => {
            let (code, text) = outcome(instance.flush(Duration::from_millis(u64::from(within_ms))));
            way_back.send(Frame::Flushed { id, code, text: &text })?;
            Ok(Next::Go)
        }
        Frame::Health { id, .. } => {
            let (code, text) = outcome(instance.health());
            way_back.send(Frame::Health { id, code, text: &text })?;
            Ok(Next::Go)
        }
        Frame::Call { id, name, arguments } => {
            let (code, text) = match instance.call(name, arguments) {
                Ok(reply) => (Code::Ok, reply),
                Err(error) => outcome(Err(error)),
            };
            way_back.send(Frame::Result { id, code, text: &text })?;
            Ok(Next::Go)
        }
        Frame::Shutdown { within_ms } => {
            if let Err(error) = instance.flush(Duration::from_millis(u64::from(within_ms))) {
                way_back.log()(Level::Error, &format!("the last flush failed: {error}"));
            }
            Ok(Next::Stop)
        }
        _ => Err(invalid("a frame that only a plugin sends")),
    }
}

fn outcome(result: Result<(), CallError>) -> (Code, String) {
    match result {
        Ok(()) => (Code::Ok, String::new()),
        Err(CallError::Lost(text)) => (Code::Lost, text),
        Err(CallError::Config(text)) => (Code::Config, text),
        Err(CallError::Retry(text)) => (Code::Retry, text),
        Err(CallError::Panicked(text)) => (Code::Panicked, text),
    }
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// What the gateway sends.
struct Input {
    stream: UnixStream,
    bytes: Vec<u8>,
    /// How much of `bytes` was read already.
    done: usize,
}

impl Input {
    /// Waits for the next frame and reads it; nothing when the gateway is gone.
    fn next<T>(&mut self, read: impl FnOnce(Frame<'_>) -> io::Result<T>) -> io::Result<Option<T>> {
        let mut read = Some(read);
        loop {
            if let Some((frame, length)) = Frame::first(&self.bytes[self.done..]).map_err(invalid)? {
                self.done += length;
                let read = read.take().expect("a frame is read once");
                return read(frame).map(Some);
            }
            self.bytes.drain(..self.done);
            self.done = 0;
            let have = self.bytes.len();
            self.bytes.resize(have + CHUNK, 0);
            let received = self.stream.read(&mut self.bytes[have..]);
            self.bytes.truncate(have + received.as_ref().copied().unwrap_or(0));
            match received {
                Ok(0) => return Ok(None),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }
}

/// The way to the gateway, for answers and for log lines of any thread.
#[derive(Clone)]
struct WayBack(Arc<Mutex<UnixStream>>);

impl WayBack {
    fn send(&self, frame: Frame<'_>) -> io::Result<()> {
        let mut bytes = Vec::new();
        frame.push(&mut bytes);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write_all(&bytes)
    }

    fn log(&self) -> Log {
        // A plugin may keep its log for ever, and must not keep the connection with it.
        let connection = Arc::downgrade(&self.0);
        let limiter = Mutex::new(Limiter::new());
        Arc::new(move |level, text| {
            let verdict = limiter.lock().unwrap_or_else(PoisonError::into_inner).line(Instant::now());
            // Whoever logs cannot help it when the gateway is gone.
            let say = |level, text: &str| {
                if let Some(way_back) = connection.upgrade().map(WayBack) {
                    let _ = way_back.send(Frame::Log { level: level as u8, text });
                }
            };
            match verdict {
                Verdict::Suppress { first: true } => {
                    say(Level::Warn, "it says too much; lines are suppressed");
                }
                Verdict::Suppress { first: false } => {}
                Verdict::Write { suppressed } => {
                    if suppressed > 0 {
                        say(Level::Warn, &format!("{suppressed} lines were suppressed"));
                    }
                    say(level, cut(text));
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_outlives_its_plugin_keeps_no_connection_open() {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        ours.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let way_back = WayBack(Arc::new(Mutex::new(theirs)));
        let log = way_back.log();
        log(Level::Info, "in time");
        drop(way_back);
        log(Level::Info, "too late");
        let mut received = Vec::new();
        ours.read_to_end(&mut received).expect("the end of the connection");
        let said = Frame::Log { level: Level::Info as u8, text: "in time" };
        assert_eq!(Frame::first(&received).unwrap(), Some((said, received.len())));
    }
}
