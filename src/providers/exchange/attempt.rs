//! One request with its answer, within its time limits.

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE};
use tokio::time::{Instant, timeout_at};

use super::assembly::{Assembly, Fault, Pieces};
use super::report::Reporter;
use crate::providers::error::ProviderError;
use crate::providers::provider::{Completion, Delta, Deltas};
use crate::providers::transport::{Answer, TransportError};

/// Largest body of an answer, in bytes.
const MAX_BODY: usize = 32 * 1024 * 1024;
/// As much of an error answer is read, and for as long.
const MAX_ERROR_BODY: usize = 64 * 1024;
const MAX_ERROR_WAIT: Duration = Duration::from_secs(5);
/// A streamed attempt may take this many times the timeout in all.
const STREAM_FACTOR: u32 = 5;

/// A failed request.
#[derive(Debug)]
pub(in crate::providers) struct Failed {
    pub(in crate::providers) error: ProviderError,
    /// The body of the error answer, as far as it arrived; empty when there was none.
    pub(in crate::providers) refusal: Vec<u8>,
}

/// An attempt at one answer.
pub(in crate::providers) struct Exchange<'a> {
    reporter: &'a Reporter,
    deltas: &'a mut dyn Deltas,
    /// Whether the pieces are wanted.
    stream: bool,
    started: Instant,
    /// Longest wait for a sign of life.
    pub(super) limit: Duration,
    /// The end of the whole attempt.
    deadline: Instant,
    /// Bytes of the body so far.
    total: usize,
    first_piece: Option<Duration>,
    partial: bool,
}

impl<'a> Exchange<'a> {
    pub(super) fn new(
        reporter: &'a Reporter,
        deltas: &'a mut dyn Deltas,
        limit: Duration,
        stream: bool,
    ) -> Self {
        let started = Instant::now();
        let whole = if stream { limit.saturating_mul(STREAM_FACTOR) } else { limit };
        Self {
            reporter,
            deltas,
            stream,
            started,
            limit,
            deadline: after(started, whole),
            total: 0,
            first_piece: None,
            partial: false,
        }
    }

    /// Sends the request and reads the answer.
    pub(in crate::providers) async fn run<A: Assembly>(
        &mut self,
        sending: Pin<&mut impl Future<Output = Result<Answer, TransportError>>>,
    ) -> Result<Completion, Failed> {
        let (error, refusal) = match self.head(sending).await {
            Ok(answer) if (200..300).contains(&answer.status) => match self.read::<A>(answer).await {
                Ok(completion) => return Ok(completion),
                Err(error) => (error, Vec::new()),
            },
            Ok(answer) => self.refusal(answer).await,
            Err(error) => (error, Vec::new()),
        };
        Err(Failed { error: ProviderError { partial: self.partial, ..error }, refusal })
    }

    async fn head(
        &mut self,
        sending: Pin<&mut impl Future<Output = Result<Answer, TransportError>>>,
    ) -> Result<Answer, ProviderError> {
        match timeout_at(self.patience(self.limit), sending).await {
            Ok(answered) => answered.map_err(|error| self.reporter.unreachable(&error)),
            Err(_) => Err(self.reporter.timeout("answer", self.limit)),
        }
    }

    /// When waiting for the next sign of life ends.
    fn patience(&self, gap: Duration) -> Instant {
        after(Instant::now(), gap).min(self.deadline)
    }

    /// Reads an error answer, as far as it arrives: the status alone is enough.
    async fn refusal(&mut self, mut answer: Answer) -> (ProviderError, Vec<u8>) {
        let status = answer.status;
        let patience = self.patience(MAX_ERROR_WAIT);
        let mut body = Vec::new();
        while body.len() < MAX_ERROR_BODY {
            match timeout_at(patience, answer.chunk()).await {
                Ok(Ok(Some(bytes))) => body.extend_from_slice(&bytes),
                _ => break,
            }
        }
        (self.reporter.refused(status, &answer.headers, &body), body)
    }

    async fn read<A: Assembly>(&mut self, mut answer: Answer) -> Result<Completion, ProviderError> {
        let status = answer.status;
        let header = |name| answer.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
        let encoding = header(CONTENT_ENCODING);
        if !matches!(encoding, "" | "identity") {
            let problem = format!("the body is encoded with {encoding}, which was not asked for");
            return Err(self.reporter.malformed(status, problem, b""));
        }
        let kind = header(CONTENT_TYPE).split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let opening = self.chunk(&mut answer, self.limit).await?.unwrap_or_default();
        let events = match kind.as_str() {
            "text/event-stream" => true,
            // Servers that do not say what they send.
            "" | "application/octet-stream" | "text/plain" => self.stream && !opening.starts_with(b"{"),
            _ => false,
        };
        if events { self.events::<A>(answer, opening).await } else { self.whole::<A>(answer, opening).await }
    }

    /// An answer that comes as one document.
    async fn whole<A: Assembly>(
        &mut self,
        mut answer: Answer,
        opening: Bytes,
    ) -> Result<Completion, ProviderError> {
        let status = answer.status;
        // Most answers arrive in one piece and need no copy.
        let mut body = opening;
        let mut grown: Vec<u8> = Vec::new();
        while let Some(more) = self.chunk(&mut answer, self.limit).await? {
            if grown.is_empty() {
                grown.extend_from_slice(&body);
            }
            grown.extend_from_slice(&more);
        }
        if !grown.is_empty() {
            body = grown.into();
        }
        let mut assembly = A::default();
        let pieces = assembly.document(&body).map_err(|fault| self.fault(status, fault, &body))?;
        self.take(pieces).await;
        if !assembly.has_begun() {
            return Err(self.reporter.malformed(status, "it holds no answer", &body));
        }
        Ok(assembly.complete())
    }

    pub(super) fn fault(&self, status: u16, fault: Fault, data: &[u8]) -> ProviderError {
        match fault {
            Fault::Failed(error) => self.reporter.failed_within(status, &error),
            Fault::Malformed(problem) => self.reporter.malformed(status, problem, data),
        }
    }

    /// The next bytes of the body; `None` at its end.
    pub(super) async fn chunk(
        &mut self,
        answer: &mut Answer,
        gap: Duration,
    ) -> Result<Option<Bytes>, ProviderError> {
        let patience = self.patience(gap);
        let status = answer.status;
        match timeout_at(patience, answer.chunk()).await {
            Ok(Ok(Some(bytes))) => {
                self.total += bytes.len();
                if self.total > MAX_BODY {
                    let problem = format!("the body has more than {MAX_BODY} bytes");
                    return Err(self.reporter.malformed(status, problem, b""));
                }
                Ok(Some(bytes))
            }
            Ok(Ok(None)) => Ok(None),
            Ok(Err(error)) => Err(self.reporter.broken(status, &error)),
            Err(_) if patience < self.deadline => Err(self.reporter.timeout("piece of its answer", gap)),
            Err(_) => Err(self.reporter.timeout("complete answer", self.deadline - self.started)),
        }
    }

    /// Hands out what a part of the answer adds, where that is wanted.
    pub(super) async fn take(&mut self, pieces: Pieces) {
        if pieces == Pieces::default() {
            return;
        }
        let started = self.started;
        self.first_piece.get_or_insert_with(|| started.elapsed());
        if self.stream {
            for delta in
                pieces.reasoning.map(Delta::Reasoning).into_iter().chain(pieces.text.map(Delta::Text))
            {
                self.hand_out(delta).await;
            }
        }
    }

    async fn hand_out(&mut self, delta: Delta) {
        self.partial = true;
        let mut push = self.deltas.push(delta);
        // Mostly there is room, and then nobody needs to look at the clock.
        if (&mut push).now_or_never().is_none() {
            let waiting = Instant::now();
            push.await;
            // The receiver's slowness is not the server's.
            self.deadline += waiting.elapsed();
        }
    }

    pub(super) const fn reporter(&self) -> &'a Reporter {
        self.reporter
    }

    pub(super) const fn first_piece(&self) -> Option<Duration> {
        self.first_piece
    }
}

/// A time so far away that it never comes, where the sum would overflow.
fn after(start: Instant, wait: Duration) -> Instant {
    start.checked_add(wait).unwrap_or_else(|| start + Duration::from_secs(u32::MAX.into()))
}
