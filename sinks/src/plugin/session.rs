//! One connection with a plugin's host, from its start to its end.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use picoclaw_plugin::Level;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::{sleep, timeout};

use super::frame::{Code, Frame, PROTOCOL};
use super::hello::{Hello, Ready};
use super::output::{Output, THROTTLE};
use super::peer::{End, Launcher, Peer};

/// How long a host may take until it is ready.
pub(super) const START_TIME: Duration = Duration::from_secs(10);

/// How many pieces are written at once.
const PIECES: usize = 16;

/// A connection.
pub(super) struct Session {
    peer: Peer,
    reader: OwnedReadHalf,
    writer: OwnedWriteHalf,
    input: BytesMut,
    out: VecDeque<Bytes>,
    output: Output,
    ready: Ready,
    /// Whether it says more than is written, so that it is read slowly.
    flooding: bool,
}

/// An answer of the plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) id: u64,
    pub(super) code: Code,
    pub(super) text: String,
}

/// Why a connection is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failed {
    pub(super) message: String,
    /// Whether its thread can neither be used nor ended.
    pub(super) leaked: bool,
}

impl Session {
    /// Starts a host and waits until its plugin is ready, or until `not_wanted` completes.
    pub(super) async fn open(
        launcher: &Launcher,
        hello: &Hello,
        output: &Output,
        not_wanted: impl Future<Output = ()>,
    ) -> Result<Self, Failed> {
        let failed = |message: String| Failed { message, leaked: false };
        let (peer, stream) =
            launcher.launch(output).map_err(|error| failed(format!("cannot be started: {error}")))?;
        let stream = stream.set_nonblocking(true).and_then(|()| UnixStream::from_std(stream));
        let stream = stream.map_err(|error| failed(format!("has no connection: {error}")))?;
        let (reader, writer) = stream.into_split();
        let mut session = Self {
            peer,
            reader,
            writer,
            input: BytesMut::new(),
            out: VecDeque::new(),
            output: output.clone(),
            ready: Ready::default(),
            flooding: false,
        };
        let hello = serde_json::to_string(hello).map_err(|error| failed(error.to_string()))?;
        session.queue_frame(&Frame::Hello(&hello));
        let ready = tokio::select! {
            ready = timeout(START_TIME, session.introduction()) => Some(ready),
            () = not_wanted => None,
        };
        match ready {
            Some(Ok(Ok(()))) => {}
            Some(Ok(Err(error))) => return Err(session.fail(&error).await),
            Some(Err(_)) => {
                return Err(session.hang(&format!("was not ready within {} s", START_TIME.as_secs())).await);
            }
            None => return Err(session.hang("was to stop before it was ready").await),
        }
        match session.ready.error.take() {
            // It ends by itself.
            Some(error) => {
                session.close(Duration::ZERO).await;
                Err(failed(error))
            }
            None => Ok(session),
        }
    }

    async fn introduction(&mut self) -> io::Result<()> {
        loop {
            if let Some((frame, length)) = Frame::first(&self.input).map_err(invalid)? {
                match frame {
                    Frame::Ready(text) => {
                        self.ready = serde_json::from_str(text).map_err(invalid)?;
                        self.input.advance(length);
                        return match self.ready.protocol {
                            PROTOCOL => Ok(()),
                            other => Err(invalid(format!("it speaks protocol {other}, not {PROTOCOL}"))),
                        };
                    }
                    Frame::Log { level, text } => {
                        self.output.line(Level::from_number(u32::from(level)), text);
                    }
                    _ => return Err(invalid("it answered before it was ready")),
                }
                self.input.advance(length);
                continue;
            }
            self.progress().await?;
        }
    }

    /// What the plugin says of itself.
    pub(super) fn ready(&self) -> &Ready {
        &self.ready
    }

    /// Its process, if it has one.
    pub(super) fn pid(&self) -> Option<u32> {
        self.peer.pid()
    }

    /// Lets bytes go out as soon as there is room; they are written while an answer is waited for.
    pub(super) fn queue(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.out.push_back(bytes);
        }
    }

    /// The same with a whole frame.
    pub(super) fn queue_frame(&mut self, frame: &Frame<'_>) {
        let mut bytes = Vec::new();
        frame.push(&mut bytes);
        self.queue(bytes.into());
    }

    /// The next answer; log lines are written meanwhile. Safe to cancel.
    pub(super) async fn answer(&mut self) -> io::Result<Answer> {
        loop {
            let Some((frame, length)) = Frame::first(&self.input).map_err(invalid)? else {
                if std::mem::take(&mut self.flooding) {
                    sleep(THROTTLE).await;
                }
                self.progress().await?;
                continue;
            };
            let mut answer = None;
            match frame {
                Frame::Ack { id, code, text }
                | Frame::Flushed { id, code, text }
                | Frame::Health { id, code, text }
                | Frame::Result { id, code, text } => {
                    answer = Some(Answer { id, code, text: text.to_owned() });
                }
                Frame::Log { level, text } => {
                    self.flooding |= !self.output.line(Level::from_number(u32::from(level)), text);
                }
                _ => return Err(invalid("it sent a frame that only the gateway sends")),
            }
            self.input.advance(length);
            if let Some(answer) = answer {
                return Ok(answer);
            }
        }
    }

    /// Reads something or writes something. Safe to cancel.
    async fn progress(&mut self) -> io::Result<()> {
        let Self { reader, writer, input, out, .. } = self;
        input.reserve(16 * 1024);
        let slices: Vec<IoSlice<'_>> = out.iter().take(PIECES).map(|piece| IoSlice::new(piece)).collect();
        let mut written = 0;
        tokio::select! {
            received = reader.read_buf(input) => {
                if received? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
            sent = writer.write_vectored(&slices), if !slices.is_empty() => written = sent?,
        }
        drop(slices);
        while let Some(first) = out.front_mut()
            && written > 0
        {
            let n = written.min(first.len());
            first.advance(n);
            written -= n;
            if first.is_empty() {
                out.pop_front();
            }
        }
        Ok(())
    }

    /// The end of a connection that broke, or whose frames make no sense.
    pub(super) async fn fail(self, error: &io::Error) -> Failed {
        let Self { peer, reader, writer, .. } = self;
        drop((reader, writer));
        let nonsense = (error.kind() == io::ErrorKind::InvalidData).then_some(error);
        let end = match nonsense {
            Some(_) => peer.kill().await,
            None => peer.end(Duration::ZERO).await,
        };
        match (end, nonsense) {
            (End::Gone(_), Some(error)) => Failed { message: error.to_string(), leaked: false },
            (End::Gone(how), None) => Failed { message: how, leaked: false },
            (End::Leaked, _) => leaked(),
        }
    }

    /// The end of one that takes too long.
    pub(super) async fn hang(self, message: &str) -> Failed {
        let Self { peer, reader, writer, .. } = self;
        drop((reader, writer));
        match peer.kill().await {
            End::Gone(_) => Failed { message: format!("{message}, and was ended"), leaked: false },
            End::Leaked => Failed { message: format!("{message}; {}", leaked().message), leaked: true },
        }
    }

    /// The end of one that has answered everything.
    pub(super) async fn close(mut self, within: Duration) {
        let within_ms = u32::try_from(within.as_millis()).unwrap_or(u32::MAX);
        self.queue_frame(&Frame::Shutdown { within_ms });
        // It reads until it ends.
        let _ = timeout(within, async { while self.answer().await.is_ok() {} }).await;
        let Self { peer, reader, writer, .. } = self;
        drop((reader, writer));
        peer.end(Duration::ZERO).await;
    }
}

fn leaked() -> Failed {
    let message = "its thread does not return, and the sink is off until the gateway starts again";
    Failed { message: message.to_owned(), leaked: true }
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
