//! The deadlines of one connection, kept beside the socket instead of in a timer per request.
//!
//! hyper's own timeout for a request's head also runs while a kept connection is idle, so the two cannot
//! differ, and it arms a timer for every request. Here the socket notes what happens when, and the
//! connection's task looks at the notes a few times per minute.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::Limits;

/// Nothing was sent on the new connection.
const FRESH: u8 = 0;
/// Kept open between two requests.
const IDLE: u8 = 1;
/// A request's head has begun to arrive.
const HEAD: u8 = 2;
/// A request is being handled or answered.
const BUSY: u8 = 3;

/// What to do about a connection now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// All is well; look again then.
    Wait(Instant),
    /// The head of a request took too long.
    HeadTooSlow,
    /// No request for too long.
    Idle,
    /// The peer does not take the answer.
    Stalled,
}

/// Notes about a connection. Only its own task writes and reads them: the atomics make them shareable
/// between the socket and the service, which hyper owns both.
#[derive(Debug)]
pub(super) struct Watch {
    born: Instant,
    phase: AtomicU8,
    /// Milliseconds after `born` at which the phase began.
    since: AtomicU64,
    /// Milliseconds after `born`, plus one, at which a write first found the socket full; 0 when it is not.
    full_since: AtomicU64,
    eof: AtomicBool,
}

impl Watch {
    pub(super) fn new() -> Self {
        Self {
            born: Instant::now(),
            phase: AtomicU8::new(FRESH),
            since: AtomicU64::new(0),
            full_since: AtomicU64::new(0),
            eof: AtomicBool::new(false),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX - 1)
    }

    fn enter(&self, phase: u8) {
        self.phase.store(phase, Relaxed);
        self.since.store(self.now(), Relaxed);
    }

    /// A request's head is complete. The guard ends the exchange when its last owner drops it.
    pub(super) fn exchange(self: &Arc<Self>) -> Exchange {
        self.phase.store(BUSY, Relaxed);
        Exchange(Arc::clone(self))
    }

    /// Whether a request is being handled, or its answer has not left completely.
    pub(super) fn is_busy(&self) -> bool {
        self.phase.load(Relaxed) == BUSY || self.full_since.load(Relaxed) > 0
    }

    /// Whether the peer has said that it sends nothing more.
    pub(super) fn peer_finished(&self) -> bool {
        self.eof.load(Relaxed)
    }

    /// Judges the connection at this moment.
    pub(super) fn verdict(&self, limits: &Limits) -> Verdict {
        let now = self.born.elapsed();
        let since = Duration::from_millis(self.since.load(Relaxed));
        let full = self.full_since.load(Relaxed);
        if full > 0 && now >= Duration::from_millis(full - 1) + limits.write_timeout {
            return Verdict::Stalled;
        }
        // No phase can begin and pass its deadline between two looks.
        let look = now + limits.header_timeout.min(limits.idle_timeout).min(limits.write_timeout);
        let deadline = match self.phase.load(Relaxed) {
            _ if full > 0 => None,
            BUSY => None,
            IDLE => Some((since + limits.idle_timeout, Verdict::Idle)),
            // Browsers open connections in advance: one that has sent nothing has done nothing wrong.
            FRESH => Some((since + limits.header_timeout, Verdict::Idle)),
            _ => Some((since + limits.header_timeout, Verdict::HeadTooSlow)),
        };
        match deadline {
            Some((deadline, verdict)) if now >= deadline => verdict,
            Some((deadline, _)) => Verdict::Wait(self.born + look.min(deadline)),
            None => Verdict::Wait(self.born + look),
        }
    }

    fn read(&self, bytes: usize) {
        if bytes == 0 {
            self.eof.store(true, Relaxed);
        } else if self.phase.load(Relaxed) <= IDLE {
            self.enter(HEAD);
        }
    }

    fn wrote<T>(&self, result: &Poll<T>) {
        if result.is_ready() {
            self.full_since.store(0, Relaxed);
        } else if self.full_since.load(Relaxed) == 0 {
            self.full_since.store(self.now() + 1, Relaxed);
        }
    }
}

/// An exchange in progress: from the complete head of a request to the end of its answer.
#[derive(Debug)]
pub(super) struct Exchange(Arc<Watch>);

impl Drop for Exchange {
    fn drop(&mut self) {
        self.0.enter(IDLE);
    }
}

/// A response body that ends its exchange when hyper is done with it.
#[derive(Debug)]
pub(super) struct Tracked<B> {
    body: B,
    _exchange: Exchange,
}

impl<B> Tracked<B> {
    pub(super) fn new(body: B, exchange: Exchange) -> Self {
        Self { body, _exchange: exchange }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Tracked<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A socket that notes what happens on it. Its shutdown does nothing: the connection's task closes it, after
/// it has made sure that the peer can read the last answer.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) stream: TcpStream,
    pub(super) watch: Arc<Watch>,
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        if buf.capacity() > 0 {
            self.watch.read(buf.filled().len() - before);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.watch.wrote(&result);
        result
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.watch.wrote(&result);
        result
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const LIMITS: Limits = Limits {
        max_connections: 1,
        max_head_bytes: 1,
        header_timeout: Duration::from_secs(10),
        idle_timeout: Duration::from_secs(75),
        write_timeout: Duration::from_secs(60),
        drain: Duration::ZERO,
    };

    /// Looks as often as the verdicts say, until one is not to wait, and returns after how many seconds.
    async fn judged(watch: &Watch) -> (Verdict, u64) {
        let start = Instant::now();
        loop {
            match watch.verdict(&LIMITS) {
                Verdict::Wait(until) => advance(until - Instant::now()).await,
                verdict => return (verdict, start.elapsed().as_secs()),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn every_phase_has_its_deadline() {
        let watch = Arc::new(Watch::new());
        assert_eq!(judged(&watch).await, (Verdict::Idle, 10));
        watch.read(1);
        assert_eq!(judged(&watch).await, (Verdict::HeadTooSlow, 10));
        drop(watch.exchange());
        assert_eq!(judged(&watch).await, (Verdict::Idle, 75));
        watch.read(1);
        advance(Duration::from_secs(4)).await;
        watch.read(1);
        assert_eq!(judged(&watch).await, (Verdict::HeadTooSlow, 6));
        drop(watch.exchange());
        watch.wrote(&Poll::<()>::Pending);
        assert_eq!(judged(&watch).await, (Verdict::Stalled, 60));
    }

    #[tokio::test(start_paused = true)]
    async fn an_exchange_lasts_until_its_answer_has_left() {
        let watch = Arc::new(Watch::new());
        let exchange = watch.exchange();
        advance(Duration::from_secs(1000)).await;
        assert!(matches!(watch.verdict(&LIMITS), Verdict::Wait(_)));
        watch.wrote(&Poll::<()>::Pending);
        drop(exchange);
        assert!(watch.is_busy());
        watch.wrote(&Poll::Ready(()));
        assert!(!watch.is_busy());
    }
}
