use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, sleep};

use super::*;

/// A server that sends these pieces, with a pause before each, and then nothing more.
async fn slow_server(pieces: Vec<(Duration, String)>) -> Server {
    Server::handling(move |mut socket, _| {
        let pieces = pieces.clone();
        async move {
            for (pause, piece) in pieces {
                sleep(pause).await;
                if socket.write_all(piece.as_bytes()).await.is_err() {
                    return;
                }
            }
            // Until the client hangs up.
            let _ = socket.read(&mut [0]).await;
        }
    })
    .await
}

async fn ask_slow(pieces: Vec<(Duration, String)>, stream: bool) -> (Outcome, Duration) {
    let server = slow_server(pieces).await;
    let provider = build(&spec(&server));
    let started = Instant::now();
    let outcome = ask(&*provider, stream).await;
    (outcome, started.elapsed())
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// About: the paused clock jumps in whole milliseconds.
fn close(elapsed: Duration, expected: u64) -> bool {
    elapsed >= seconds(expected) && elapsed < seconds(expected) + Duration::from_millis(50)
}

fn head() -> String {
    events(&[])
}

#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_is_given_up() {
    for stream in [false, true] {
        let (outcome, elapsed) = ask_slow(vec![], stream).await;
        let error = outcome.error();
        assert_eq!((error.reason, error.partial), (FailureReason::Timeout, false));
        assert!(
            error.message.contains("within 120 s") && error.message.contains("request_timeout"),
            "{}",
            error.message
        );
        assert!(close(elapsed, 120), "{elapsed:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn slow_headers_are_given_up() {
    let dribble = (0..100).map(|_| (seconds(10), "x-slow: 1\r\n".to_owned()));
    let pieces = std::iter::once((seconds(0), "HTTP/1.1 200 OK\r\n".to_owned())).chain(dribble).collect();
    let (outcome, elapsed) = ask_slow(pieces, true).await;
    assert_eq!(outcome.error().reason, FailureReason::Timeout);
    assert!(close(elapsed, 120), "{elapsed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_whole_answer_has_the_timeout_in_all() {
    let whole = json_answer(OK);
    let pieces = whole.chars().map(|c| (seconds(2), c.to_string())).collect();
    let (outcome, elapsed) = ask_slow(pieces, false).await;
    assert_eq!(outcome.error().reason, FailureReason::Timeout);
    assert!(close(elapsed, 120), "{elapsed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_stream_may_take_longer_but_not_pause_for_longer() {
    let words = (0..5).map(|_| (seconds(100), format!("data: {}\n\n", word("a"))));
    let pieces: Vec<_> = std::iter::once((seconds(0), head())).chain(words).collect();
    let mut good = pieces.clone();
    good.push((seconds(0), format!("data: {STOP}\n\ndata: [DONE]\n\n")));
    let (outcome, elapsed) = ask_slow(good, true).await;
    let answer = outcome.answer();
    assert_eq!(answer.content, "aaaaa");
    assert!(close(answer.time_to_first_token.expect("streamed"), 100));
    assert!(close(elapsed, 500), "{elapsed:?}");

    let (outcome, elapsed) = ask_slow(pieces, true).await;
    let error = outcome.error();
    assert_eq!((error.reason, error.partial), (FailureReason::Timeout, true));
    assert!(close(elapsed, 620 - 20), "the whole attempt ends after five times the timeout: {elapsed:?}");

    let (outcome, elapsed) =
        ask_slow(vec![(seconds(0), head() + &format!("data: {}\n\n", word("a")))], true).await;
    assert_eq!(outcome.error().reason, FailureReason::Timeout);
    assert!(close(elapsed, 120), "{elapsed:?}");
}

#[tokio::test(start_paused = true)]
async fn an_endless_stream_ends() {
    let keep_alive = (0..1000).map(|_| (seconds(50), ": keep-alive\n\n".to_owned()));
    let pieces = std::iter::once((seconds(0), head())).chain(keep_alive).collect();
    let (outcome, elapsed) = ask_slow(pieces, true).await;
    let error = outcome.error();
    assert_eq!(error.reason, FailureReason::Timeout);
    assert!(error.message.contains("complete answer within 600 s"), "{}", error.message);
    assert!(close(elapsed, 600), "{elapsed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_complete_answer_does_not_wait_long_for_its_counts() {
    let piece = format!("{}data: {}\n\ndata: {STOP}\n\n", head(), word("a"));
    let (outcome, elapsed) = ask_slow(vec![(seconds(0), piece)], true).await;
    assert_eq!(outcome.answer().content, "a");
    assert!(close(elapsed, 5), "{elapsed:?}");
}

#[tokio::test(start_paused = true)]
async fn the_receivers_slowness_counts_against_no_limit() {
    struct Slow;
    #[async_trait::async_trait]
    impl Deltas for Slow {
        async fn push(&mut self, _: Delta) {
            sleep(seconds(650)).await;
        }
    }
    let start = head() + &format!("data: {}\n\n", word("a"));
    let end = format!("data: {STOP}\n\ndata: [DONE]\n\n");
    let server = slow_server(vec![(seconds(0), start), (seconds(700), end)]).await;
    let answer = ask_into(&*build(&spec(&server)), true, &mut Slow).await.expect("an answer");
    assert_eq!(answer.content, "a");
}

#[tokio::test]
async fn sizes_are_bounded() {
    let huge = "x".repeat(33 * 1024 * 1024);
    let error = ask_once(json_answer(&format!("\"{huge}\"")), false).await.error();
    assert_eq!(error.reason, FailureReason::BadResponse);
    assert!(error.message.contains("33554432 bytes"), "{}", error.message);

    let error = ask_once(events(&[&"x".repeat(2 * 1024 * 1024)]), true).await.error();
    assert!(error.message.contains("1048576 bytes"), "{}", error.message);

    let comments = format!("{}: {}\n", head(), "x".repeat(1024 * 1000));
    let error = ask_once(comments.repeat(34), true).await.error();
    assert!(error.message.contains("33554432 bytes"), "{}", error.message);
}

#[tokio::test]
async fn an_endless_error_answer_is_not_read_to_its_end() {
    let body = "x".repeat(1024 * 1024);
    let error = ask_once(http("500 Internal Server Error", "", &body), false).await.error();
    assert_eq!(error.reason, FailureReason::Server);
    assert!(error.message.chars().count() < 500);
}

#[tokio::test]
async fn dropping_the_attempt_closes_the_connection() {
    let (gone, went) = tokio::sync::oneshot::channel();
    let gone = std::sync::Mutex::new(Some(gone));
    let (began, begun) = tokio::sync::oneshot::channel();
    let began = std::sync::Mutex::new(Some(began));
    let server = Server::handling(move |mut socket, _| {
        let (gone, began) = (gone.lock().unwrap().take(), began.lock().unwrap().take());
        async move {
            began.expect("one request").send(()).expect("awaited");
            let end = socket.read(&mut [0]).await;
            gone.expect("one request")
                .send(end.is_err() || end.is_ok_and(|read| read == 0))
                .expect("awaited");
        }
    })
    .await;
    let provider = build(&spec(&server));
    let attempt = tokio::spawn(async move { ask(&*provider, false).await.result });
    begun.await.expect("a request");
    attempt.abort();
    assert!(went.await.expect("the server notices"), "the connection must end");
}

#[tokio::test]
async fn discarded_pieces_are_in_the_answer() {
    let server = Server::saying([events(&[&word("a"), STOP, DONE]).into()]).await;
    let answer = ask_into(&*build(&spec(&server)), true, &mut Discard).await.expect("an answer");
    assert_eq!(answer.content, "a");
}
