//! An answer that comes in events.

use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use tokio::time::timeout;

use super::assembly::{Assembly, Fault, Step};
use super::attempt::Exchange;
use super::sse::Decoder;
use crate::providers::error::ProviderError;
use crate::providers::provider::Completion;
use crate::providers::transport::Answer;

/// How long to wait for the token counts after the server has said why the answer ended.
const EPILOGUE: Duration = Duration::from_secs(5);
/// How long the connection of a finished answer may take to become free for another request.
const RELEASE: Duration = Duration::from_secs(1);

impl Exchange<'_> {
    /// Reads events until the server says that it is done, or the body ends.
    pub(super) async fn events<A: Assembly>(
        &mut self,
        mut answer: Answer,
        opening: Bytes,
    ) -> Result<Completion, ProviderError> {
        let status = answer.status;
        let mut decoder = Decoder::new();
        let mut assembly = A::default();
        let mut events = 0_u64;
        let mut broken = None;
        let mut next = Some(opening.clone());
        while let Some(bytes) = next {
            decoder.feed(&bytes);
            while let Some(data) =
                decoder.next_event().map_err(|error| self.reporter().malformed(status, error, b""))?
            {
                events += 1;
                match assembly.event(data).map_err(|fault| self.fault(status, fault, data))? {
                    Step::Part(pieces) => self.take(pieces).await,
                    Step::Done => {
                        release(answer);
                        return self.done(status, assembly);
                    }
                }
            }
            let gap = if assembly.is_finished() { self.limit.min(EPILOGUE) } else { self.limit };
            next = match self.chunk(&mut answer, gap).await {
                Ok(next) => next,
                Err(error) => {
                    broken = Some(error);
                    None
                }
            };
        }
        if broken.is_none() {
            match decoder.finish().map(|data| assembly.event(data)) {
                Some(Ok(Step::Part(pieces))) => self.take(pieces).await,
                Some(Ok(Step::Done)) => return self.done(status, assembly),
                Some(Err(fault @ Fault::Failed(_))) => return Err(self.fault(status, fault, b"")),
                // Half an event is what a cut leaves.
                Some(Err(Fault::Malformed(_))) | None => {}
            }
        }
        match broken {
            // The answer is complete: at most its token counts are missing.
            _ if assembly.is_finished() => self.done(status, assembly),
            Some(error) => Err(error),
            None if events == 0 && !opening.is_empty() => {
                Err(self.reporter().malformed(status, "the stream holds no event", &opening))
            }
            None => Err(self.reporter().cut(status, "the stream ended before the answer did")),
        }
    }

    fn done<A: Assembly>(&self, status: u16, assembly: A) -> Result<Completion, ProviderError> {
        if !assembly.has_begun() {
            return Err(self.reporter().malformed(status, "the stream holds no answer", b""));
        }
        Ok(Completion { time_to_first_token: self.first_piece(), ..assembly.complete() })
    }
}

/// Reads the end of the body, so that the connection can serve the next request. It mostly is there already; for a
/// slow one the answer does not wait.
fn release(mut answer: Answer) {
    if answer.chunk().now_or_never().is_none() {
        tokio::spawn(async move {
            let rest = async { while let Ok(Some(_)) = answer.chunk().await {} };
            // Without its end the connection is closed, which is all that is lost.
            let _ = timeout(RELEASE, rest).await;
        });
    }
}
