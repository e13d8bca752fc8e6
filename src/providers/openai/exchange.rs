//! One request with its answer, within its time limits.

use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE};
use tokio::time::{Instant, timeout_at};

use super::assembly::{Assembly, Fault, Pieces};
use super::body::Refused;
use super::failure::ErrorBody;
use super::report::Reporter;
use super::wire;
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
pub(super) struct Failed {
    pub(super) error: ProviderError,
    /// The fields that the server refused.
    pub(super) refused: Refused,
}

/// An attempt at one answer.
pub(super) struct Exchange<'a> {
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
    pub(super) async fn run(
        &mut self,
        sending: impl Future<Output = Result<Answer, TransportError>>,
    ) -> Result<Completion, Failed> {
        let (error, refused) = match self.head(sending).await {
            Ok(answer) if (200..300).contains(&answer.status) => match self.read(answer).await {
                Ok(completion) => return Ok(completion),
                Err(error) => (error, Refused::default()),
            },
            Ok(answer) => self.refusal(answer).await,
            Err(error) => (error, Refused::default()),
        };
        Err(Failed { error: ProviderError { partial: self.partial, ..error }, refused })
    }

    async fn head(
        &mut self,
        sending: impl Future<Output = Result<Answer, TransportError>>,
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
    async fn refusal(&mut self, mut answer: Answer) -> (ProviderError, Refused) {
        let status = answer.status;
        let patience = self.patience(MAX_ERROR_WAIT);
        let mut body = Vec::new();
        while body.len() < MAX_ERROR_BODY {
            match timeout_at(patience, answer.chunk()).await {
                Ok(Ok(Some(bytes))) => body.extend_from_slice(&bytes),
                _ => break,
            }
        }
        let refused = if status == 400 { refused_fields(&body) } else { Refused::default() };
        (self.reporter.refused(status, &answer.headers, &body), refused)
    }

    async fn read(&mut self, mut answer: Answer) -> Result<Completion, ProviderError> {
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
        if events { self.events(answer, opening).await } else { self.whole(answer, opening).await }
    }

    /// An answer that comes as one document.
    async fn whole(&mut self, mut answer: Answer, opening: Bytes) -> Result<Completion, ProviderError> {
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
        let whole: wire::Answer =
            serde_json::from_slice(&body).map_err(|error| self.reporter.malformed(status, error, &body))?;
        let mut assembly = Assembly::default();
        self.add(status, &mut assembly, whole).await?;
        if !assembly.has_choice() {
            return Err(self.reporter.malformed(status, "it has no choices", &body));
        }
        Ok(assembly.complete())
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

    /// Takes in a part of the answer, and hands out its pieces where they are wanted.
    pub(super) async fn add(
        &mut self,
        status: u16,
        assembly: &mut Assembly,
        part: wire::Answer,
    ) -> Result<(), ProviderError> {
        if let Some(error) = part.error() {
            return Err(self.reporter.failed_within(status, &ErrorBody::read(&error)));
        }
        let pieces = match assembly.add(part) {
            Ok(pieces) => pieces,
            Err(fault @ Fault::Failed) => {
                let error = ErrorBody { message: Some(fault.to_string()), ..ErrorBody::default() };
                return Err(self.reporter.failed_within(status, &error));
            }
            Err(fault @ Fault::TooManyCalls) => return Err(self.reporter.malformed(status, fault, b"")),
        };
        if pieces == Pieces::default() {
            return Ok(());
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
        Ok(())
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

/// The optional fields that the server does not know, as far as it says so. A value that is merely out of range is
/// the caller's mistake, which must show.
fn refused_fields(body: &[u8]) -> Refused {
    let error = ErrorBody::parse(body);
    let unknown = matches!(error.code.as_deref(), Some("unsupported_value" | "unsupported_parameter"));
    let name = b"stream_options";
    Refused {
        stream_options: body.windows(name.len()).any(|part| part == name),
        temperature: unknown && error.param.as_deref() == Some("temperature"),
    }
}

/// A time so far away that it never comes, where the sum would overflow.
fn after(start: Instant, wait: Duration) -> Instant {
    start.checked_add(wait).unwrap_or_else(|| start + Duration::from_secs(u32::MAX.into()))
}
