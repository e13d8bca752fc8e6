//! Callers who read answers in pieces, and count them.

use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::Value;

use crate::answer::Caller;
use crate::load::Round;
use crate::upstream::{PIECES, piece};

/// What streams brought.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    /// Until the first piece of text.
    pub(crate) first: Round,
    /// Until the end.
    pub(crate) whole: Round,
    /// Pieces of text.
    pub(crate) frames: u64,
}

/// Lets callers ask `model` for streams, for this long.
///
/// # Errors
///
/// When a piece is missing, doubled, merged with another or out of order.
pub(crate) fn round(
    port: u16,
    connections: usize,
    model: &'static str,
    time: Duration,
) -> anyhow::Result<Streams> {
    let began = Instant::now();
    let callers: Vec<_> = (0..connections)
        .map(|_| {
            std::thread::spawn(move || {
                let mut caller = Caller::connect(port)?;
                let mut streams = Streams::default();
                while began.elapsed() < time {
                    one(&mut caller, model, &mut streams)?;
                }
                anyhow::Ok(streams)
            })
        })
        .collect();
    let mut streams = Streams::default();
    for caller in callers {
        let part = caller.join().map_err(|_| anyhow::anyhow!("a caller panicked"))??;
        streams.first.latencies.extend(part.first.latencies);
        streams.whole.latencies.extend(part.whole.latencies);
        streams.whole.answers += part.whole.answers;
        streams.frames += part.frames;
    }
    streams.whole.elapsed = began.elapsed();
    streams.first.latencies.sort_unstable();
    streams.whole.latencies.sort_unstable();
    Ok(streams)
}

fn one(caller: &mut Caller, model: &str, streams: &mut Streams) -> anyhow::Result<()> {
    let mut first = None;
    let mut unread = Vec::new();
    let mut pieces = 0;
    let mut done = false;
    let began = Instant::now();
    caller.ask(&format!(r#""model":"{model}","stream":true,"#), "")?;
    caller.pieces(|chunk| {
        unread.extend_from_slice(chunk);
        while let Some(end) = unread.windows(2).position(|two| two == b"\n\n") {
            let event: Vec<u8> = unread.drain(..end + 2).collect();
            match text(&event)? {
                Event::Text(text) => {
                    first.get_or_insert_with(|| began.elapsed());
                    anyhow::ensure!(text == piece(pieces), "piece {pieces} of a stream is {text:?}");
                    pieces += 1;
                }
                Event::Other => {}
                Event::Done => done = true,
            }
        }
        Ok(())
    })?;
    anyhow::ensure!(done && pieces == PIECES, "a stream of {pieces} pieces instead of {PIECES}");
    streams.first.latencies.push(first.context("a stream without text")?);
    streams.whole.latencies.push(began.elapsed());
    streams.whole.answers += 1;
    streams.frames += pieces as u64;
    Ok(())
}

enum Event {
    Text(String),
    Other,
    Done,
}

fn text(event: &[u8]) -> anyhow::Result<Event> {
    let Some(data) = event.strip_prefix(b"data: ") else { return Ok(Event::Other) };
    if data.trim_ascii_end() == b"[DONE]" {
        return Ok(Event::Done);
    }
    let data: Value = serde_json::from_slice(data)?;
    Ok(match data["choices"][0]["delta"]["content"].as_str() {
        Some(text) if !text.is_empty() => Event::Text(text.to_owned()),
        _ => Event::Other,
    })
}
