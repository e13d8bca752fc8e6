//! One command, running or ended.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pty_process::{OwnedWritePty, Size};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::output::{Output, Room};
use crate::process::Group;

/// How long a command that was asked to end may take.
const MANNERS: Duration = Duration::from_secs(1);
/// How long the output of an ended command may be held open by what it left behind.
const GRACE: Duration = Duration::from_millis(300);
/// Pieces of input that wait for a command to read them.
const INPUT_ROOM: usize = 16;
/// The terminal that a command sees.
const ROWS_AND_COLUMNS: (u16, u16) = (24, 120);

/// How a command is started.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start<'a> {
    pub(super) command: &'a str,
    pub(super) directory: &'a Path,
    pub(super) environment: &'a [(String, String)],
    /// Whether it sees a terminal.
    pub(super) terminal: bool,
    /// Whether it can be written to.
    pub(super) input: bool,
    pub(super) room: Room,
    /// Its longest life.
    pub(super) lifetime: Duration,
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// By itself.
    Exited(ExitStatus),
    /// It was told to.
    Stopped,
    /// Its time was over.
    Expired,
}

/// A command at work. Dropping this ends it, with everything that it started.
#[derive(Debug)]
pub(super) struct Process {
    output: Arc<Mutex<Output>>,
    input: Option<mpsc::Sender<Vec<u8>>>,
    end: watch::Receiver<Option<End>>,
    stop: CancellationToken,
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Process {
    /// Starts a command; must be called within a runtime.
    pub(super) fn start(start: &Start<'_>) -> io::Result<Self> {
        crate::process::heeded_by_programs();
        let output = Arc::new(Mutex::new(Output::new(start.room)));
        let (child, reader, writer) =
            if start.terminal { with_terminal(start, &output)? } else { with_pipes(start, &output)? };
        let pid = child.id().and_then(Group::of);
        let group = pid.ok_or_else(|| io::Error::other("the command ended while it was started"))?;
        let input = writer.map(|writer| {
            let (input, pieces) = mpsc::channel(INPUT_ROOM);
            tokio::spawn(writer.write(pieces));
            input
        });
        let stop = CancellationToken::new();
        let (ended, end) = watch::channel(None);
        tokio::spawn(keep(child, group, reader, start.lifetime, stop.clone(), ended));
        Ok(Self { output, input, end, stop })
    }

    /// Completes when the command has ended and all of its output is here.
    pub(super) async fn ended(&self) -> End {
        let mut end = self.end.clone();
        let end = end.wait_for(Option::is_some).await.ok().and_then(|end| *end);
        // The keeper goes without a word only when the runtime ends.
        end.unwrap_or(End::Stopped)
    }

    /// How it ended, if it has.
    pub(super) fn end(&self) -> Option<End> {
        *self.end.borrow()
    }

    /// What it wrote since this was last asked.
    pub(super) fn take_output(&self) -> String {
        self.output().take()
    }

    /// How much output waits.
    pub(super) fn waiting(&self) -> usize {
        self.output().len()
    }

    /// Gives it input. False when it takes none, or none now.
    pub(super) fn write(&self, bytes: Vec<u8>) -> bool {
        self.input.as_ref().is_some_and(|input| input.try_send(bytes).is_ok())
    }

    /// Ends it; [`ended`](Self::ended) says when.
    pub(super) fn stop(&self) {
        self.stop.cancel();
    }

    fn output(&self) -> MutexGuard<'_, Output> {
        self.output.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Writer {
    Pipe(ChildStdin),
    Terminal(OwnedWritePty),
}

impl Writer {
    async fn write(mut self, mut pieces: mpsc::Receiver<Vec<u8>>) {
        while let Some(piece) = pieces.recv().await {
            let written = match &mut self {
                Self::Pipe(pipe) => pipe.write_all(&piece).await,
                Self::Terminal(terminal) => terminal.write_all(&piece).await,
            };
            // Who no longer reads has ended or closed its input: further pieces are refused.
            if written.is_err() {
                return;
            }
        }
    }
}

type Started = (Child, JoinHandle<()>, Option<Writer>);

fn with_pipes(start: &Start<'_>, output: &Arc<Mutex<Output>>) -> io::Result<Started> {
    // One pipe for both, so that lines come in the order in which they were written.
    let (reader, writer) = io::pipe()?;
    let reader = pipe::Receiver::from_owned_fd(OwnedFd::from(reader))?;
    let mut command = shell(start);
    command
        .process_group(0)
        .stdin(if start.input { Stdio::piped() } else { Stdio::null() })
        .stdout(writer.try_clone()?)
        .stderr(writer);
    let mut child = command.spawn()?;
    // The command holds the writing ends, which would keep the pipe open.
    drop(command);
    let writer = child.stdin.take().map(Writer::Pipe);
    Ok((child, tokio::spawn(read(reader, Arc::clone(output))), writer))
}

fn with_terminal(start: &Start<'_>, output: &Arc<Mutex<Output>>) -> io::Result<Started> {
    let (terminal, side) = pty_process::open().map_err(io::Error::other)?;
    let (rows, columns) = ROWS_AND_COLUMNS;
    terminal.resize(Size::new(rows, columns)).map_err(io::Error::other)?;
    let child = pty_process::Command::from(shell(start)).spawn(side).map_err(io::Error::other)?;
    let (reader, writer) = terminal.into_split();
    Ok((child, tokio::spawn(read(reader, Arc::clone(output))), Some(Writer::Terminal(writer))))
}

fn shell(start: &Start<'_>) -> Command {
    let mut command = Command::new("sh");
    command
        .arg("-c")
        .arg(start.command)
        .current_dir(start.directory)
        .env_clear()
        .envs(start.environment.iter().map(|(name, value)| (name, value)))
        .env("TERM", if start.terminal { "xterm" } else { "dumb" })
        .kill_on_drop(true);
    command
}

async fn read(mut reader: impl AsyncRead + Unpin, output: Arc<Mutex<Output>>) {
    let mut buffer = vec![0; 16 << 10];
    // A terminal whose other side is closed gives an error instead of an end.
    while let Ok(length @ 1..) = reader.read(&mut buffer).await {
        output.lock().unwrap_or_else(PoisonError::into_inner).push(&buffer[..length]);
    }
}

/// Looks after a command to its end.
async fn keep(
    mut child: Child,
    mut group: Group,
    mut reader: JoinHandle<()>,
    lifetime: Duration,
    stop: CancellationToken,
    ended: watch::Sender<Option<End>>,
) {
    let early = tokio::select! {
        biased;
        status = child.wait() => Ok(status),
        () = stop.cancelled() => Err(End::Stopped),
        () = tokio::time::sleep(lifetime) => Err(End::Expired),
    };
    let end = match early {
        Ok(status) => status.map_or(End::Stopped, End::Exited),
        Err(end) => {
            let descendants = group.descendants();
            group.terminate();
            if tokio::time::timeout(MANNERS, child.wait()).await.is_err() {
                group.kill();
                // Nothing survives a kill but what the system itself holds: that is not waited for.
                let _ = tokio::time::timeout(MANNERS, child.wait()).await;
            }
            descendants.kill();
            end
        }
    };
    let all = tokio::time::timeout(GRACE, &mut reader).await;
    group.sweep();
    if all.is_err() && tokio::time::timeout(GRACE, &mut reader).await.is_err() {
        reader.abort();
    }
    ended.send_replace(Some(end));
}
