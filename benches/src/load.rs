//! A closed loop of callers: each sends its next message when the last one is answered.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::answer::{Caller, QUESTION};
use crate::upstream::TEXT;

/// Messages of one conversation. What is compared is one message, not the cost of sending a history that grows
/// without end.
pub(crate) const TURNS: usize = 8;

/// What a round brought.
#[derive(Debug, Default)]
pub(crate) struct Round {
    pub(crate) answers: u64,
    /// Bytes of the answers' bodies.
    pub(crate) bytes: u64,
    /// Sorted.
    pub(crate) latencies: Vec<Duration>,
    pub(crate) elapsed: Duration,
}

impl Round {
    /// A quantile of the latency in microseconds.
    pub(crate) fn micros(&self, q: f64) -> f64 {
        let at = ((self.latencies.len() as f64 - 1.0) * q) as usize;
        self.latencies.get(at).copied().unwrap_or_default().as_secs_f64() * 1e6
    }

    pub(crate) fn per_second(&self) -> f64 {
        self.answers as f64 / self.elapsed.as_secs_f64()
    }
}

/// Who talks, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Plan {
    /// For this long, each message on its own.
    Messages(Duration),
    /// For this long, in conversations that the gateway keeps.
    Conversations(Duration),
    /// The same where nobody keeps them: callers send all that was said before with each message.
    Histories(Duration),
    /// This many conversations at the same time, a message in each and then the next one in each.
    Sessions(usize),
}

static NEXT_SESSION: AtomicUsize = AtomicUsize::new(0);

/// Lets callers talk to a port.
///
/// # Errors
///
/// When an answer is not the upstream's text: a contestant that fails is no contestant.
pub(crate) fn round(port: u16, connections: usize, plan: Plan) -> anyhow::Result<Round> {
    let began = Instant::now();
    let callers: Vec<_> = (0..connections)
        .map(|at| {
            std::thread::spawn(move || {
                let mut call = Call { caller: Caller::connect(port)?, round: Round::default() };
                match plan {
                    Plan::Messages(time) => call.messages(began + time),
                    Plan::Conversations(time) => call.conversations(began + time),
                    Plan::Histories(time) => call.histories(began + time),
                    Plan::Sessions(n) => call.sessions(&(at..n).step_by(connections)),
                }?;
                anyhow::Ok(call.round)
            })
        })
        .collect();
    let mut round = Round::default();
    for caller in callers {
        let part = caller.join().map_err(|_| anyhow::anyhow!("a caller panicked"))??;
        round.answers += part.answers;
        round.bytes += part.bytes;
        round.latencies.extend(part.latencies);
    }
    round.elapsed = began.elapsed();
    round.latencies.sort_unstable();
    Ok(round)
}

struct Call {
    caller: Caller,
    round: Round,
}

impl Call {
    fn messages(&mut self, end: Instant) -> anyhow::Result<()> {
        while Instant::now() < end {
            self.say("", "")?;
        }
        Ok(())
    }

    fn conversations(&mut self, end: Instant) -> anyhow::Result<()> {
        while Instant::now() < end {
            let session = NEXT_SESSION.fetch_add(1, Ordering::Relaxed);
            let session = format!(r#""session_id":"bench-{session}","#);
            for _ in 0..TURNS {
                self.say(&session, "")?;
            }
        }
        Ok(())
    }

    fn histories(&mut self, end: Instant) -> anyhow::Result<()> {
        while Instant::now() < end {
            let mut history = String::new();
            for _ in 0..TURNS {
                self.say("", &history)?;
                history += &format!(r#"{QUESTION},{{"role":"assistant","content":"{TEXT}"}},"#);
            }
        }
        Ok(())
    }

    fn sessions(&mut self, numbers: &(impl Iterator<Item = usize> + Clone)) -> anyhow::Result<()> {
        for _ in 0..TURNS {
            for number in numbers.clone() {
                self.say(&format!(r#""session_id":"kept-{number}","#), "")?;
            }
        }
        Ok(())
    }

    fn say(&mut self, fields: &str, history: &str) -> anyhow::Result<()> {
        let began = Instant::now();
        self.caller.ask(fields, history)?;
        let body = self.caller.answer()?;
        self.round.latencies.push(began.elapsed());
        let has_text = body.windows(TEXT.len()).any(|part| part == TEXT.as_bytes());
        anyhow::ensure!(has_text, "not the upstream's text: {}", String::from_utf8_lossy(body));
        self.round.answers += 1;
        self.round.bytes += body.len() as u64;
        Ok(())
    }
}
