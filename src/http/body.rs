//! Reading the body of a request, bounded in size and time, and in memory together with all others.

mod room;

use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use hyper::header::{CONTENT_LENGTH, HeaderMap};
use tokio::time::timeout;

use room::FREE;
pub use room::{Room, Taken};

/// How large a body may be and how long it may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyLimits {
    /// In bytes.
    pub size: usize,
    /// From the end of the head to the last byte.
    pub time: Duration,
}

impl Default for BodyLimits {
    fn default() -> Self {
        Self { size: 8 << 20, time: Duration::from_secs(30) }
    }
}

/// Why a body could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// It is larger than allowed.
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    /// It did not arrive in time.
    #[error("the body did not arrive within {0:?}")]
    TooSlow(Duration),
    /// There was no room for it beside the bodies of others.
    #[error("too many large requests at the same time: try again in a moment")]
    Busy,
    /// The peer broke off, or its chunks are malformed.
    #[error("the body broke off or its chunks are malformed")]
    Broken,
}

/// How much of a body that is too large is read and thrown away, so that the peer, which is still busy
/// sending, gets to read the answer.
const DISCARD: usize = 32 << 20;
const DISCARD_TIME: Duration = Duration::from_secs(2);

/// Reads a whole body. The room that it takes is to be kept until the request is answered.
pub async fn read<S, B, E>(
    body: S,
    headers: &HeaderMap,
    limits: BodyLimits,
    room: &Room,
) -> Result<(Bytes, Taken), BodyError>
where
    S: Stream<Item = Result<B, E>>,
    B: Buf,
{
    let mut body = std::pin::pin!(body);
    let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    let result = if announced.is_some_and(|length| length > limits.size) {
        Err(BodyError::TooLarge(limits.size))
    } else {
        read_within(body.as_mut(), announced.unwrap_or(0), limits, room).await
    };
    // A client that asked first (`Expect: 100-continue`) has not begun to send.
    if matches!(result, Err(BodyError::TooLarge(_))) && !headers.contains_key(hyper::header::EXPECT) {
        let _ = timeout(DISCARD_TIME, discard(body)).await;
    }
    result
}

async fn read_within<S, B, E>(
    body: S,
    announced: usize,
    limits: BodyLimits,
    room: &Room,
) -> Result<(Bytes, Taken), BodyError>
where
    S: Stream<Item = Result<B, E>> + Unpin,
    B: Buf,
{
    let mut taken = Taken::default();
    if announced > FREE {
        // Until there is room nothing is read, so the peer waits too.
        taken = timeout(limits.time, room.wait(announced)).await.map_err(|_| BodyError::Busy)?;
    }
    let collecting = collect(body, announced, limits.size, room, &mut taken);
    let whole = timeout(limits.time, collecting).await.unwrap_or(Err(BodyError::TooSlow(limits.time)))?;
    Ok((whole, taken))
}

async fn collect<S, B, E>(
    mut body: S,
    announced: usize,
    limit: usize,
    room: &Room,
    taken: &mut Taken,
) -> Result<Bytes, BodyError>
where
    S: Stream<Item = Result<B, E>> + Unpin,
    B: Buf,
{
    let mut whole = BytesMut::new();
    while let Some(piece) = body.next().await {
        let mut piece = piece.map_err(|_| BodyError::Broken)?;
        let length = piece.remaining();
        if whole.len() + length > limit {
            return Err(BodyError::TooLarge(limit));
        }
        if whole.is_empty() && length == announced {
            return Ok(piece.copy_to_bytes(length));
        }
        let beyond = (whole.len() + length).saturating_sub(announced.max(FREE)).min(length);
        if beyond > 0 && !room.more(taken, beyond) {
            return Err(BodyError::Busy);
        }
        whole.reserve(length);
        while piece.has_remaining() {
            let chunk = piece.chunk();
            whole.extend_from_slice(chunk);
            let taken = chunk.len();
            piece.advance(taken);
        }
    }
    Ok(whole.freeze())
}

async fn discard<S, B, E>(mut body: S)
where
    S: Stream<Item = Result<B, E>> + Unpin,
    B: Buf,
{
    let mut discarded = 0;
    while let Some(Ok(piece)) = body.next().await {
        discarded += piece.remaining();
        if discarded > DISCARD {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    async fn read<S, B, E>(
        body: S,
        headers: &HeaderMap,
        limits: BodyLimits,
        room: &Room,
    ) -> Result<Bytes, BodyError>
    where
        S: Stream<Item = Result<B, E>>,
        B: Buf,
    {
        super::read(body, headers, limits, room).await.map(|(bytes, _)| bytes)
    }

    async fn read_pieces(pieces: &[&'static str], size: usize) -> Result<Bytes, BodyError> {
        let pieces = stream::iter(pieces.iter().map(|text| Ok::<_, ()>(Bytes::from_static(text.as_bytes()))));
        read(pieces, &HeaderMap::new(), BodyLimits { size, ..BodyLimits::default() }, &Room::new(1 << 20))
            .await
    }

    #[tokio::test]
    async fn the_limit_counts_all_pieces() {
        assert_eq!(read_pieces(&["ab", "cd"], 4).await.unwrap(), "abcd");
        assert_eq!(read_pieces(&["ab", "cde"], 4).await, Err(BodyError::TooLarge(4)));
        assert_eq!(read_pieces(&[], 4).await.unwrap(), "");
    }

    #[tokio::test]
    async fn an_announced_excess_is_refused_without_collecting() {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_LENGTH, 5.into());
        let body = stream::iter([Ok::<_, ()>(Bytes::from_static(b"ab"))]);
        let limits = BodyLimits { size: 4, ..BodyLimits::default() };
        assert_eq!(read(body, &headers, limits, &Room::new(1 << 20)).await, Err(BodyError::TooLarge(4)));
    }

    #[tokio::test]
    async fn a_body_that_never_ends_is_given_up() {
        let body = stream::pending::<Result<Bytes, ()>>();
        let limits = BodyLimits { size: 4, time: Duration::from_millis(10) };
        assert_eq!(
            read(body, &HeaderMap::new(), limits, &Room::new(1 << 20)).await,
            Err(BodyError::TooSlow(limits.time))
        );
    }

    #[tokio::test]
    async fn a_broken_body_is_an_error() {
        let body = stream::iter([Ok(Bytes::from_static(b"ab")), Err(())]);
        let (headers, room) = (HeaderMap::new(), Room::new(1 << 20));
        assert_eq!(read(body, &headers, BodyLimits::default(), &room).await, Err(BodyError::Broken));
    }

    #[tokio::test(start_paused = true)]
    async fn bodies_share_the_room_and_give_it_back() {
        let room = Room::new(4 * FREE);
        let limits = BodyLimits::default();
        let announced = |length: usize| HeaderMap::from_iter([(CONTENT_LENGTH, length.into())]);
        let body =
            |pieces: usize| stream::iter((0..pieces).map(|_| Ok::<_, ()>(Bytes::from(vec![b'x'; FREE]))));
        let (first, taken) = super::read(body(3), &announced(3 * FREE), limits, &room).await.unwrap();
        assert_eq!(first.len(), 3 * FREE);
        // Announced: it waits, and then gives up. Not announced: there is no knowing for how much to wait.
        assert_eq!(read(body(2), &announced(2 * FREE), limits, &room).await, Err(BodyError::Busy));
        assert_eq!(read(body(3), &HeaderMap::new(), limits, &room).await, Err(BodyError::Busy));
        assert!(read(body(1), &announced(FREE), limits, &room).await.is_ok(), "a small one needs none");
        let headers = announced(2 * FREE);
        let (second, ()) = tokio::join!(read(body(2), &headers, limits, &room), async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            drop(taken);
        });
        drop(second.unwrap());
        assert!(read(body(5), &HeaderMap::new(), limits, &room).await.is_ok(), "all is given back");
        assert!(read(body(9), &announced(9 * FREE), limits, &room).await.is_ok(), "one takes all");
    }
}
