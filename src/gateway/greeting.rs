//! Lines for whoever started the gateway, on standard output.

use std::io::Write;

use tokio::sync::oneshot;

use super::parts::Parts;

/// The lines that the existing PicoClaw prints, and what a newcomer can do next.
pub(super) async fn greet(parts: &Parts, address: &str) {
    let running = parts.running.lock().await;
    let config = &running.loaded.config;
    let base = format!("http://{address}");
    let mut lines = vec![format!("✓ Gateway started on {address}")];
    if config.gateway.health_check.enabled {
        let health = &config.gateway.health_check.path;
        lines.push(format!("✓ Health endpoints available at {base}{health}, /ready and /reload (POST)"));
    }
    for route in running.supervisor.routes() {
        if route.path != config.gateway.health_check.path {
            lines.push(format!("✓ Metrics available at {base}{}", route.path));
        }
    }
    lines.push(format!("✓ Chat with the model `{}` at {base}/v1/chat/completions", config.default_model()));
    lines.push("Press Ctrl+C to stop".to_owned());
    // Nobody waits for it to be read.
    drop(say(&lines));
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
