//! A provider that answers at once and does next to nothing for it.

use std::convert::Infallible;
use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, Stream};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Collected, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// What the provider says.
pub(crate) const TEXT: &str = "The quick brown fox jumps over the lazy dog.";

/// How many pieces a streamed answer has.
pub(crate) const PIECES: usize = 32;

/// The pause between two pieces of a paced answer.
const PACE: Duration = Duration::from_millis(2);

const ANSWER: &str = r#"{"id":"x","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"The quick brown fox jumps over the lazy dog."},"finish_reason":"stop"}],"usage":{"prompt_tokens":20,"completion_tokens":10,"total_tokens":30}}"#;

/// The server-sent events of a streamed answer.
static EVENTS: LazyLock<Vec<Bytes>> = LazyLock::new(|| {
    let head = r#"data: {"id":"x","object":"chat.completion.chunk","created":1,"model":"m","choices":["#;
    let piece =
        |n| format!(r#"{head}{{"index":0,"delta":{{"content":"{}"}},"finish_reason":null}}]}}"#, piece(n));
    let end = format!(
        r#"{head}{{"index":0,"delta":{{}},"finish_reason":"stop"}}],"usage":{{"prompt_tokens":20,"completion_tokens":32,"total_tokens":52}}}}"#
    );
    let events = (0..PIECES).map(piece).chain([end, "data: [DONE]".to_owned()]);
    events.map(|event| Bytes::from(format!("{event}\n\n"))).collect()
});

/// A piece of a streamed answer: each is another, so that a lost one is noticed.
pub(crate) fn piece(n: usize) -> String {
    format!("word{n} ")
}

/// Serves until it is killed; prints its port first.
#[allow(clippy::print_stdout)]
pub(crate) async fn serve() -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?.port());
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            let service = service_fn(answer);
            // A caller who goes away is no concern of ours.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn answer(
    request: Request<Incoming>,
) -> Result<Response<UnsyncBoxBody<Bytes, Infallible>>, Infallible> {
    let body = request.into_body().collect().await.map(Collected::to_bytes).unwrap_or_default();
    let says = |field: &str| body.windows(field.len()).any(|part| part == field.as_bytes());
    let (kind, body) = if says(r#""stream":true"#) {
        let pace = says(r#""model":"paced""#).then_some(PACE);
        ("text/event-stream", StreamBody::new(events(pace)).boxed_unsync())
    } else {
        ("application/json", Full::new(Bytes::from_static(ANSWER.as_bytes())).boxed_unsync())
    };
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    Ok(response)
}

/// The events of an answer, the first one at once, with a pause before each other.
fn events(pace: Option<Duration>) -> impl Stream<Item = Result<Frame<Bytes>, Infallible>> {
    stream::iter(0..EVENTS.len()).then(move |n| async move {
        if let (Some(pace), 1..) = (pace, n) {
            tokio::time::sleep(pace).await;
        }
        Ok(Frame::data(EVENTS[n].clone()))
    })
}
