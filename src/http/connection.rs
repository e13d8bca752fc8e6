//! One connection, from accept to close.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use picoclaw_telemetry::words::HttpRejection;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use warp::{Filter, Reply};

use super::observer::{ConnInfo, Observer};
use super::protocol::{self, Checked};
use super::reply::{self, ApiError};
use super::takeover::{Next, Socket, Takeover};
use super::watch::{Tracked, Verdict, Watch, Watched};
use super::{Limits, server::End};

/// How long a connection that is not in the middle of an exchange may live on when the server stops: a
/// request that is already on its way still gets its answer.
const STOP_GRACE: Duration = Duration::from_millis(500);

/// How long and how much to read from a peer that still sends after the last answer. Closing at once would
/// reset the connection, and the peer could lose the answer.
const LINGER: Duration = Duration::from_secs(1);
/// The same while the server stops: nobody waits for a peer that leaves its connection open.
const LAST_LINGER: Duration = Duration::from_millis(100);
const LINGER_BYTES: usize = 4 << 20;

const HEAD_TOO_SLOW: &[u8] = concat!(
    "HTTP/1.1 408 Request Timeout\r\n",
    "connection: close\r\ncontent-type: application/json\r\ncontent-length: 124\r\n\r\n",
    r#"{"error":{"message":"the request's head took too long","type":"invalid_request_error","param":null,"code":"header_timeout"}}"#,
)
.as_bytes();

/// Serves the requests of one connection until it ends, and says how it ended.
pub(super) async fn run<F>(
    stream: TcpStream,
    info: ConnInfo,
    routes: F,
    limits: Arc<Limits>,
    observer: Arc<dyn Observer>,
    stop: CancellationToken,
) -> End
where
    F: Filter<Error = Infallible> + Clone + Send + Sync + 'static,
    F::Extract: Reply,
    F::Future: Send,
{
    let watch = Arc::new(Watch::new());
    let io = TokioIo::new(Watched { stream, watch: Arc::clone(&watch) });
    let routes = TowerToHyperService::new(warp::service(routes));
    let (noted, told) = (Arc::clone(&watch), Arc::clone(&observer));
    let next = Arc::new(Mutex::new(None));
    let named = Arc::clone(&next);
    let service = service_fn(move |mut request: Request<Incoming>| {
        let exchange = noted.exchange();
        request.extensions_mut().insert(info);
        let routes = routes.clone();
        let named = Arc::clone(&named);
        let checked = protocol::check(&mut request);
        if matches!(checked, Checked::Malformed(_)) {
            told.rejected(HttpRejection::Malformed);
        }
        async move {
            // The call is inside too: filters run their synchronous part in it.
            let answer = async move {
                match checked {
                    Checked::Passed => routes.call(request).await,
                    Checked::Answered(response) | Checked::Malformed(response) => Ok(response),
                }
            };
            let mut response = match AssertUnwindSafe(answer).catch_unwind().await {
                Ok(Ok(response)) => response,
                Err(_) => panicked(),
            };
            if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                *named.lock().unwrap_or_else(PoisonError::into_inner) =
                    response.extensions_mut().remove::<Next>();
            }
            Ok::<_, Infallible>(response.map(|body| Tracked::new(body, exchange)))
        }
    });
    let mut connection = http1::Builder::new()
        .header_read_timeout(None)
        .max_header_size(limits.max_head_bytes)
        .serve_connection(io, service);

    let mut alarm = std::pin::pin!(sleep_until(Instant::now() + limits.header_timeout));
    let mut cut_at = None;
    let end = loop {
        tokio::select! {
            biased;
            result = &mut connection => break result.map_err(Ending::Http),
            () = stop.cancelled(), if cut_at.is_none() => {
                let now = Instant::now();
                cut_at = Some(now + limits.drain);
                std::pin::Pin::new(&mut connection).graceful_shutdown();
                alarm.as_mut().reset(now + STOP_GRACE.min(limits.drain));
            }
            () = &mut alarm => {
                let now = Instant::now();
                if cut_at.is_some_and(|cut_at| now >= cut_at) && watch.is_busy() {
                    break Err(Ending::Cut);
                }
                if cut_at.is_some() && !watch.is_busy() {
                    break Ok(());
                }
                match watch.verdict(&limits) {
                    Verdict::Wait(until) => {
                        alarm.as_mut().reset(cut_at.map_or(until, |cut_at| {
                            until.min(cut_at).min(now + STOP_GRACE)
                        }));
                    }
                    Verdict::HeadTooSlow => break Err(Ending::HeadTooSlow),
                    Verdict::Idle => break Ok(()),
                    Verdict::Stalled => break Err(Ending::Stalled),
                }
            }
        }
    };

    let parts = connection.into_parts();
    let mut socket = parts.io.into_inner();
    let next = next.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let (Ok(()), Some(Next(next))) = (&end, next) {
        let socket = Socket::new(parts.read_buf, socket.stream);
        return taken_over(next.as_ref(), socket, limits.drain, stop).await;
    }
    match end {
        Ok(()) => {}
        Err(Ending::Http(error)) if error.is_parse() => observer.rejected(HttpRejection::Malformed),
        // The peer went away or broke off: whoever was in the middle of an exchange was dropped with it.
        Err(Ending::Http(_) | Ending::Stalled) => return End::Finished,
        Err(Ending::HeadTooSlow) => {
            observer.rejected(HttpRejection::HeaderTimeout);
            // The socket's buffer is empty at this point: the write does not wait.
            let _ = socket.stream.try_write(HEAD_TOO_SLOW);
        }
        Err(Ending::Cut) => return End::Cut,
    }
    if !watch.peer_finished() {
        let limit = if stop.is_cancelled() { LAST_LINGER } else { LINGER };
        let _ = timeout(limit, linger(&mut socket.stream)).await;
    }
    End::Finished
}

/// Lets another protocol go on with the connection, up to the drain deadline.
async fn taken_over(next: &dyn Takeover, socket: Socket, drain: Duration, stop: CancellationToken) -> End {
    let deadline = async {
        stop.cancelled().await;
        tokio::time::sleep(drain).await;
    };
    let run = AssertUnwindSafe(next.run(socket, stop.clone())).catch_unwind();
    tokio::select! {
        end = run => {
            if end.is_err() {
                tracing::error!("A connection that had left HTTP was closed: its handler panicked.");
            }
            End::Finished
        }
        () = deadline => End::Cut,
    }
}

/// Why a connection ended other than by itself.
enum Ending {
    Http(hyper::Error),
    HeadTooSlow,
    Stalled,
    Cut,
}

fn panicked() -> warp::reply::Response {
    tracing::error!("A handler of the HTTP server panicked; the request was answered with 500.");
    reply::error(&ApiError::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "internal_error",
        "the gateway failed inside",
    ))
}

/// Says that nothing more comes, then reads until the peer closes too.
async fn linger(stream: &mut TcpStream) {
    if stream.shutdown().await.is_err() {
        return;
    }
    let mut discarded = 0;
    // On the heap, because an array would be a part of every connection's task.
    let mut buffer = vec![0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        discarded += read;
        if discarded > LINGER_BYTES {
            return;
        }
    }
}
