//! Lines for whoever started the gateway, on standard output.

use std::io::Write;

use tokio::sync::oneshot;

use super::parts::Parts;
use super::welcome::{self, Listening};

/// Says that it runs, and what can be done with it.
pub(super) async fn greet(parts: &Parts, listening: &Listening) {
    let running = parts.running.lock().await;
    // Nobody waits for it to be read.
    drop(say(&welcome::lines(&running.loaded.config, listening, &running.supervisor.routes())));
}

/// Writes lines, which may never end: a pipe that nobody reads blocks whoever writes to it when it is full. So a thread
/// does that writes nothing else, and what is returned completes when it has. A closed standard output does not matter.
pub(super) fn say(lines: &[String]) -> oneshot::Receiver<()> {
    let (written, done) = oneshot::channel();
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let work = move || {
        let _ = std::io::stdout().lock().write_all(text.as_bytes());
        let _ = written.send(());
    };
    // Without a thread to spare there are no words, but there is a gateway.
    let _ = std::thread::Builder::new().name("stdout".to_owned()).spawn(work);
    done
}
