//! Connections that go on after HTTP: whoever answers 101 names what takes the connection over.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_trait::async_trait;
use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

/// Goes on with a connection.
#[async_trait]
pub trait Takeover: Send + Sync {
    /// Uses the connection until it ends. Once `stop` is cancelled it should end soon: the server cuts it at the drain
    /// deadline. The connection counts as open all the while; no deadline of HTTP applies.
    async fn run(&self, socket: Socket, stop: CancellationToken);
}

/// The extension of a response with status 101 that says what comes next.
#[derive(Clone)]
pub struct Next(pub Arc<dyn Takeover>);

/// The bare connection, from its first byte after HTTP.
#[derive(Debug)]
pub struct Socket {
    early: Bytes,
    stream: TcpStream,
}

impl Socket {
    /// A connection of which `early` was read already.
    pub(super) fn new(early: Bytes, stream: TcpStream) -> Self {
        Self { early, stream }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.early.has_remaining() {
            let length = self.early.len().min(buf.remaining());
            buf.put_slice(&self.early.split_to(length));
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
