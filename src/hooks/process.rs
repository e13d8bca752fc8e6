//! One run of a hook's program.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout, timeout_at};

use super::protocol::{self, Answer, LONGEST_LINE};

/// Lines that wait until the program reads them.
const ROOM: usize = 64;
/// The longest line of its standard error that is logged.
const LONGEST_COMPLAINT: usize = 1_024;
/// How many of those are logged in one run.
const MOST_COMPLAINTS: usize = 1_000;
/// How long a program whose standard input is closed may take to end.
const MANNERS: Duration = Duration::from_secs(2);

/// How a program is started.
#[derive(Clone)]
pub(super) struct Program {
    pub(super) command: Vec<String>,
    pub(super) directory: PathBuf,
    pub(super) environment: Vec<(String, String)>,
}

/// Why a call has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum CallError {
    /// The hook said no.
    #[error("it answered with an error: {0}")]
    Refused(String),
    /// It took too long.
    #[error("it did not answer within {} ms", .0.as_millis())]
    Late(Duration),
    /// It is not running.
    #[error("it is not running")]
    Down,
}

type Waiting = Arc<Mutex<HashMap<u64, oneshot::Sender<Result<Value, String>>>>>;

/// The way to a program that runs. Cheap to clone.
#[derive(Clone)]
pub(super) struct Peer {
    lines: mpsc::Sender<Vec<u8>>,
    waiting: Waiting,
    next: Arc<AtomicU64>,
}

/// A program that runs. Dropping it ends it.
pub(super) struct Running {
    child: Child,
    pub(super) peer: Peer,
    reading: tokio::task::JoinHandle<()>,
}

impl Peer {
    /// Asks, and waits for the answer.
    pub(super) async fn call(
        &self,
        method: &str,
        params: &Value,
        limit: Duration,
    ) -> Result<Value, CallError> {
        let deadline = Instant::now() + limit;
        let id = self.next.fetch_add(1, Ordering::Relaxed) + 1;
        let (answer, answered) = oneshot::channel();
        self.lock().insert(id, answer);
        // Also when the caller gives up.
        let _forget = Forget { waiting: Arc::clone(&self.waiting), id };
        let line = protocol::request(id, method, params);
        match timeout_at(deadline, self.lines.send(line)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err(CallError::Down),
            Err(_) => return Err(CallError::Late(limit)),
        }
        match timeout_at(deadline, answered).await {
            Ok(Ok(result)) => result.map_err(CallError::Refused),
            Ok(Err(_)) => Err(CallError::Down),
            Err(_) => Err(CallError::Late(limit)),
        }
    }

    /// Tells, if there is room within this time. Says whether there was.
    pub(super) async fn tell(&self, method: &str, params: &Value, limit: Duration) -> bool {
        let line = protocol::notification(method, params);
        matches!(timeout(limit, self.lines.send(line)).await, Ok(Ok(())))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<u64, oneshot::Sender<Result<Value, String>>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Forget {
    waiting: Waiting,
    id: u64,
}

impl Drop for Forget {
    fn drop(&mut self) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

impl Running {
    /// Starts a program.
    pub(super) fn start(name: &str, program: &Program) -> io::Result<Self> {
        let (file, arguments) = program
            .command
            .split_first()
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the command is empty"))?;
        let mut child = Command::new(file)
            .args(arguments)
            .current_dir(&program.directory)
            .envs(program.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
            return Err(io::Error::other("the program has no pipes"));
        };
        let (lines, queue) = mpsc::channel(ROOM);
        let waiting: Waiting = Arc::default();
        tokio::spawn(write(stdin, queue));
        tokio::spawn(listen(name.to_owned(), stderr));
        let reading = tokio::spawn(read(name.to_owned(), stdout, Arc::clone(&waiting)));
        Ok(Self { child, peer: Peer { lines, waiting, next: Arc::default() }, reading })
    }

    /// Completes when the program has ended or speaks no more, and says how.
    pub(super) async fn ended(&mut self) -> String {
        // Its output may be closed a moment before it ends.
        let _ = (&mut self.reading).await;
        let end = match timeout(MANNERS, self.child.wait()).await {
            Ok(Ok(status)) => format!("it ended with {status}"),
            Ok(Err(error)) => format!("it cannot be waited for: {error}"),
            Err(_) => "it closed its standard output".to_owned(),
        };
        // Whoever waits for an answer waits in vain.
        self.peer.lock().clear();
        end
    }

    /// Closes its standard input, and ends it when it does not end by itself.
    pub(super) async fn stop(mut self) {
        drop(self.peer);
        if timeout(MANNERS, self.child.wait()).await.is_err() {
            let _ = self.child.kill().await;
        }
    }
}

async fn write(mut stdin: ChildStdin, mut queue: mpsc::Receiver<Vec<u8>>) {
    while let Some(line) = queue.recv().await {
        if stdin.write_all(&line).await.is_err() {
            // It reads no more; its end is noticed elsewhere.
            return;
        }
    }
}

async fn read(name: String, stdout: impl AsyncRead + Unpin, waiting: Waiting) {
    let mut stdout = BufReader::new(stdout);
    let mut line = Vec::new();
    loop {
        match next_line(&mut stdout, &mut line, LONGEST_LINE).await {
            Ok(Some(true)) => {
                tracing::warn!(hook = name, "A hook wrote a line that is too long; it is started again.");
                return;
            }
            Ok(Some(false)) => {}
            Ok(None) | Err(_) => return,
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        let Some(Answer { id, result }) = protocol::parse(&line) else {
            tracing::warn!(hook = name, "A hook wrote a line that is no answer.");
            continue;
        };
        let answer = waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        // An answer that is too late is missed by nobody.
        let _ = answer.map(|answer| answer.send(result));
    }
}

async fn listen(name: String, stderr: impl AsyncRead + Unpin) {
    let mut stderr = BufReader::new(stderr);
    let mut line = Vec::new();
    let mut said = 0;
    while let Ok(Some(_)) = next_line(&mut stderr, &mut line, LONGEST_COMPLAINT).await {
        said += 1;
        if said <= MOST_COMPLAINTS {
            tracing::info!(target: "picoclaw::hooks", hook = name, said = %String::from_utf8_lossy(&line).trim_end(), "A hook says something.");
        }
    }
}

/// The next line, cut at `longest` bytes; whether it was cut, or `None` at the end.
async fn next_line(
    reader: &mut (impl AsyncBufRead + Unpin),
    line: &mut Vec<u8>,
    longest: usize,
) -> io::Result<Option<bool>> {
    line.clear();
    let mut cut = false;
    loop {
        let available = reader.fill_buf().await?;
        if available.is_empty() {
            return Ok((!line.is_empty()).then_some(cut));
        }
        let end = available.iter().position(|byte| *byte == b'\n');
        let piece = &available[..end.unwrap_or(available.len())];
        let room = longest - line.len();
        cut |= piece.len() > room;
        line.extend_from_slice(&piece[..piece.len().min(room)]);
        let used = end.map_or(available.len(), |end| end + 1);
        reader.consume(used);
        if end.is_some() {
            return Ok(Some(cut));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_are_bounded() {
        let mut reader = BufReader::with_capacity(4, &b"short\n\nmuch too long\nend"[..]);
        let mut line = Vec::new();
        let mut read = Vec::new();
        while let Some(cut) = next_line(&mut reader, &mut line, 8).await.unwrap() {
            read.push((String::from_utf8(line.clone()).unwrap(), cut));
        }
        let expected = [("short", false), ("", false), ("much too", true), ("end", false)];
        assert_eq!(read, expected.map(|(text, cut)| (text.to_owned(), cut)));
    }
}
