//! A closed loop of callers.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Turns of one conversation.
const TURNS: usize = 8;

static NEXT_SESSION: AtomicUsize = AtomicUsize::new(0);

/// What a round brought.
#[derive(Debug, Default)]
pub(crate) struct Round {
    pub(crate) answers: u64,
    /// Sorted.
    pub(crate) latencies: Vec<Duration>,
    pub(crate) elapsed: Duration,
}

impl Round {
    pub(crate) fn quantile(&self, q: f64) -> Duration {
        let at = ((self.latencies.len() as f64 - 1.0) * q) as usize;
        self.latencies.get(at).copied().unwrap_or_default()
    }
}

/// Lets `connections` callers talk to a port for this long, in `sessions` that the gateway keeps or without.
///
/// # Errors
///
/// When an answer is not 200: a contestant that fails is no contestant.
pub(crate) fn round(port: u16, connections: usize, sessions: bool, time: Duration) -> anyhow::Result<Round> {
    let began = Instant::now();
    let callers: Vec<_> =
        (0..connections).map(|_| std::thread::spawn(move || call(port, sessions, time))).collect();
    let mut round = Round::default();
    for caller in callers {
        let latencies = caller.join().map_err(|_| anyhow::anyhow!("a caller panicked"))??;
        round.answers += latencies.len() as u64;
        round.latencies.extend(latencies);
    }
    round.elapsed = began.elapsed();
    round.latencies.sort_unstable();
    Ok(round)
}

fn call(port: u16, sessions: bool, time: Duration) -> anyhow::Result<Vec<Duration>> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut reader = BufReader::new(stream);
    let mut latencies = Vec::new();
    let end = Instant::now() + time;
    let (mut turn, mut session) = (0, 0);
    while Instant::now() < end {
        // A conversation has a few turns and then another one begins: what is compared is one message, not the cost
        // of sending a history that grows without end.
        if turn % TURNS == 0 {
            session = NEXT_SESSION.fetch_add(1, Ordering::Relaxed);
        }
        turn += 1;
        let named = if sessions { format!(r#""session_id":"bench-{session}","#) } else { String::new() };
        let body =
            format!(r#"{{{named}"messages":[{{"role":"user","content":"Tell me about foxes and dogs."}}]}}"#);
        let request = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let began = Instant::now();
        reader.get_mut().write_all(request.as_bytes())?;
        read_answer(&mut reader)?;
        latencies.push(began.elapsed());
    }
    Ok(latencies)
}

fn read_answer(reader: &mut BufReader<TcpStream>) -> anyhow::Result<()> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    anyhow::ensure!(line.contains(" 200 "), "the answer was {line:?}");
    let mut length = 0;
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        if line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(())
}
