//! Who is at the other end of a connection: a child process, or a thread of this process.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use picoclaw_plugin::Level;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::host::process::{FRUGAL, SUBCOMMAND};
use super::options::{Isolation, Limits, Options};
use super::output::Output;

/// How long a process may take to be gone after its connection ended, and after it was killed.
const GONE: Duration = Duration::from_secs(1);

/// How long a thread may take to end after its connection ended.
const RETURN: Duration = Duration::from_millis(200);

/// Where programs of a plugin may look for others; nothing else of the environment reaches it.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How a plugin's host is started.
#[derive(Clone, Debug)]
pub(super) struct Launcher {
    pub(super) name: String,
    pub(super) isolation: Isolation,
    pub(super) limits: Limits,
    /// The program to run instead of hosting a library.
    pub(super) command: Vec<String>,
    /// The gateway's binary.
    pub(super) binary: PathBuf,
}

impl Launcher {
    pub(super) fn new(name: &str, options: &Options) -> Self {
        Self {
            name: format!("claw-sink-{name}"),
            isolation: options.isolation,
            limits: options.limits,
            command: options.command.clone(),
            // Not its path: there may be another version by now.
            binary: PathBuf::from("/proc/self/exe"),
        }
    }

    /// Starts a host, and returns our end of the connection.
    pub(super) fn launch(&self, output: &Output) -> io::Result<(Peer, UnixStream)> {
        let (ours, theirs) = UnixStream::pair()?;
        let peer = match self.isolation {
            Isolation::Process => self.process(theirs, output)?,
            Isolation::InProcess => self.thread(theirs, output.clone())?,
        };
        Ok((peer, ours))
    }

    fn process(&self, connection: UnixStream, output: &Output) -> io::Result<Peer> {
        let mut arguments: Vec<OsString> =
            vec![SUBCOMMAND.into(), "--name".into(), self.name.as_str().into()];
        let limits = [("--memory-mb", self.limits.memory_mb), ("--open-files", self.limits.open_files)];
        for (option, value) in limits {
            arguments.extend([option.into(), value.to_string().into()]);
        }
        if !self.command.is_empty() {
            arguments.push("--".into());
            arguments.extend(self.command.iter().map(OsString::from));
        }
        // What the gateway itself was started with is not for its plugins either.
        picoclaw_plugin::loader::keep_descriptors();
        let mut child = Command::new(&self.binary)
            // Whoever looks for the gateway by name finds the gateway alone.
            .arg0(&self.name)
            .args(arguments)
            .env_clear()
            .env("PATH", PATH)
            .env(FRUGAL.0, FRUGAL.1)
            .current_dir("/")
            .stdin(Stdio::from(OwnedFd::from(connection)))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A Ctrl+C at the terminal is for the gateway, which tells its plugins.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let mut streams = Streams(Vec::new());
        if let Some(stdout) = child.stdout.take() {
            streams.0.push(tokio::spawn(output.clone().stream(stdout, Level::Info)));
        }
        if let Some(stderr) = child.stderr.take() {
            streams.0.push(tokio::spawn(output.clone().stream(stderr, Level::Warn)));
        }
        Ok(Peer::Process { child: Box::new(child), _streams: streams })
    }

    fn thread(&self, connection: UnixStream, output: Output) -> io::Result<Peer> {
        let (ended, end) = oneshot::channel();
        std::thread::Builder::new().name(self.name.clone()).spawn(move || {
            if let Err(error) = super::host::serve(connection) {
                output.line(Level::Error, &format!("the connection failed: {error}"));
            }
            let _ = ended.send(());
        })?;
        Ok(Peer::Thread(end))
    }
}

/// Who is at the other end.
pub(super) enum Peer {
    Process {
        child: Box<Child>,
        _streams: Streams,
    },
    /// Hears when the thread ends.
    Thread(oneshot::Receiver<()>),
}

/// The reading of a process's standard streams.
pub(super) struct Streams(Vec<JoinHandle<()>>);

/// Its last words are heard. But whoever left its group, and holds the streams open, must not keep ours open for ever.
impl Drop for Streams {
    fn drop(&mut self) {
        let streams = std::mem::take(&mut self.0);
        let Ok(runtime) = Handle::try_current() else { return };
        runtime.spawn(async move {
            tokio::time::sleep(GONE).await;
            streams.iter().for_each(JoinHandle::abort);
        });
    }
}

/// How a peer ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It is gone.
    Gone(String),
    /// It is a thread that does not return, and cannot be ended.
    Leaked,
}

impl Peer {
    /// Its process, if it is one.
    pub(super) fn pid(&self) -> Option<u32> {
        match self {
            Self::Process { child, .. } => child.id(),
            Self::Thread(_) => None,
        }
    }

    /// Waits until one whose connection ended, or that was told to stop, has gone. One that does not is killed.
    pub(super) async fn end(mut self, patience: Duration) -> End {
        match &mut self {
            Self::Process { child, .. } => {
                let group = group(child);
                match timeout(patience.max(GONE), child.wait()).await {
                    Ok(Ok(status)) => {
                        kill_rest(group);
                        End::Gone(describe(status))
                    }
                    Ok(Err(error)) => End::Gone(format!("its end is unknown: {error}")),
                    Err(_) => self.kill().await,
                }
            }
            Self::Thread(end) => returned(end, patience.max(RETURN)).await,
        }
    }

    /// Ends it now.
    pub(super) async fn kill(mut self) -> End {
        match &mut self {
            Self::Process { child, .. } => {
                kill_rest(group(child));
                let _ = child.start_kill();
                let _ = timeout(GONE, child.wait()).await;
                End::Gone("it was killed".to_owned())
            }
            Self::Thread(end) => returned(end, RETURN).await,
        }
    }
}

/// A thread cannot be killed. With its connection closed it ends when the plugin returns.
async fn returned(end: &mut oneshot::Receiver<()>, patience: Duration) -> End {
    match timeout(patience, end).await {
        Ok(_) => End::Gone("its thread ended".to_owned()),
        Err(_) => End::Leaked,
    }
}

/// The processes that a child has started, and itself.
fn group(child: &Child) -> Option<Pid> {
    child.id().and_then(|id| Pid::from_raw(id.cast_signed()))
}

/// What a plugin leaves behind must not outlive it.
fn kill_rest(group: Option<Pid>) {
    if let Some(group) = group {
        // Nobody is left most of the time.
        let _ = kill_process_group(group, Signal::KILL);
    }
}

/// How a process ended, for people.
fn describe(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => match signal_name(signal) {
            Some(name) => format!("killed by {name}"),
            None => format!("killed by signal {signal}"),
        },
        (None, Some(code)) => format!("exited with status {code}"),
        (None, None) => "ended".to_owned(),
    }
}

fn signal_name(number: i32) -> Option<&'static str> {
    let names = [
        (Signal::SEGV, "SIGSEGV"),
        (Signal::ABORT, "SIGABRT"),
        (Signal::KILL, "SIGKILL"),
        (Signal::BUS, "SIGBUS"),
        (Signal::ILL, "SIGILL"),
        (Signal::FPE, "SIGFPE"),
        (Signal::TERM, "SIGTERM"),
        (Signal::PIPE, "SIGPIPE"),
        (Signal::SYS, "SIGSYS"),
    ];
    names.into_iter().find(|(signal, _)| signal.as_raw() == number).map(|(_, name)| name)
}
