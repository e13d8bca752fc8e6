//! What a message tells the echo provider to do: its directives.

use std::fmt;
use std::time::Duration;

use picoclaw_telemetry::words::FailureReason;

use crate::chat::{FunctionCall, Usage};
use crate::providers::exchange::reason_for_status;

/// Longest wait that a directive may ask for.
const MAX_WAIT: Duration = Duration::from_secs(60 * 60);
/// Most tool calls in one message.
const MAX_CALLS: usize = 64;

/// The directives, as help for a person.
pub(super) const DIRECTIVES: &str = "\
!slow 3s              wait before the first word
!pace 50ms            wait before every further word of a streamed answer
!fail REASON [TIMES]  fail: auth, rate_limit, server, timeout, ... or an HTTP status as in `!fail 429 2s` (2s: Retry-After)
!hang                 never answer, so that the timeout strikes
!garbage              answer what is no answer
!cut N                break off after N words
!tool NAME {json}     call a tool; several lines are several calls
!again [TIMES]        call the tools again when their results are back
!repeat N             say the text N times
!tokens IN OUT        report these token counts
!!text                say `!text`";

/// How to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) reason: FailureReason,
    pub(super) status: Option<u16>,
    pub(super) retry_after: Option<Duration>,
    /// How many attempts fail; `None` for all.
    pub(super) times: Option<u32>,
}

/// A message, understood.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Script {
    /// The lines that are no directives.
    pub(super) text: String,
    /// Whether there was any directive.
    pub(super) directed: bool,
    pub(super) slow: Duration,
    pub(super) pace: Duration,
    pub(super) fail: Option<Failure>,
    pub(super) hang: bool,
    pub(super) garbage: bool,
    pub(super) cut: Option<usize>,
    pub(super) calls: Vec<FunctionCall>,
    /// Rounds of tool calls: at least one when there are calls.
    pub(super) rounds: u32,
    pub(super) repeat: usize,
    pub(super) tokens: Option<Usage>,
}

/// A line that starts like a directive and is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Misunderstood {
    line: String,
    problem: &'static str,
}

impl fmt::Display for Misunderstood {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = crate::providers::error::excerpt(&self.line);
        write!(
            f,
            "I did not understand `{line}`: {}. Lines that start with ! direct me:\n{DIRECTIVES}",
            self.problem
        )
    }
}

impl Script {
    /// Reads a message.
    pub(super) fn parse(message: &str) -> Result<Self, Misunderstood> {
        let mut script = Self { rounds: 1, repeat: 1, ..Self::default() };
        if !message.contains('!') {
            message.clone_into(&mut script.text);
            return Ok(script);
        }
        for (place, line) in message.split('\n').enumerate() {
            let Some(directive) = line.strip_prefix('!').filter(|rest| !rest.starts_with('!')) else {
                if place > 0 && !(script.text.is_empty() && script.directed) {
                    script.text.push('\n');
                }
                script.text.push_str(if line.starts_with("!!") { &line[1..] } else { line });
                continue;
            };
            script.directed = true;
            let directive = directive.trim();
            script
                .obey(directive)
                .map_err(|problem| Misunderstood { line: format!("!{directive}"), problem })?;
        }
        Ok(script)
    }

    fn obey(&mut self, directive: &str) -> Result<(), &'static str> {
        let (name, rest) = split_word(directive);
        match name {
            "slow" => self.slow = duration(rest).ok_or("a wait is written as 3s, 50ms or 2m, up to 60m")?,
            "pace" => self.pace = duration(rest).ok_or("a wait is written as 3s, 50ms or 2m, up to 60m")?,
            "fail" => self.fail = Some(failure(rest)?),
            "hang" => self.hang = nothing_more(rest)?,
            "garbage" => self.garbage = nothing_more(rest)?,
            "cut" => self.cut = Some(rest.parse().map_err(|_| "it needs a number of words")?),
            "tool" => self.calls.push(self.call(rest)?),
            "again" if rest.is_empty() => self.rounds = u32::MAX,
            "again" => {
                let more: u32 = rest.parse().map_err(|_| "it takes a number of times")?;
                self.rounds = more.saturating_add(1);
            }
            "repeat" => self.repeat = rest.parse().map_err(|_| "it needs a number of times")?,
            "tokens" => {
                let (input, output) = split_word(rest);
                let count = |text: &str| text.parse().map_err(|_| "it needs two numbers");
                self.tokens = Some(Usage::new(count(input)?, count(output)?));
            }
            _ => return Err("there is no such directive"),
        }
        Ok(())
    }

    /// The arguments are passed on unchecked, because models write malformed ones too.
    fn call(&self, rest: &str) -> Result<FunctionCall, &'static str> {
        let (name, arguments) = split_word(rest);
        if name.is_empty() {
            return Err("it needs the name of a tool");
        }
        if self.calls.len() == MAX_CALLS {
            return Err("64 tool calls are the most");
        }
        let arguments = if arguments.is_empty() { "{}" } else { arguments };
        Ok(FunctionCall { name: name.to_owned(), arguments: arguments.to_owned() })
    }
}

fn split_word(text: &str) -> (&str, &str) {
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (word, rest.trim_start())
}

fn nothing_more(rest: &str) -> Result<bool, &'static str> {
    if rest.is_empty() { Ok(true) } else { Err("it stands alone on its line") }
}

fn failure(text: &str) -> Result<Failure, &'static str> {
    let mut words = text.split_whitespace();
    let first = words.next().ok_or("it needs a reason or an HTTP status")?;
    let (reason, status) = match (first.parse::<FailureReason>(), first.parse::<u16>()) {
        (Ok(reason), _) => (reason, usual_status(reason)),
        (_, Ok(status @ 400..=599)) => (reason_for_status(status), Some(status)),
        _ => {
            return Err("the reasons are auth, billing, rate_limit, overloaded, server, timeout, network, \
                        cut_stream, bad_response, bad_request, context_overflow, unknown and the HTTP \
                        statuses from 400 to 599");
        }
    };
    let mut failure = Failure { reason, status, retry_after: None, times: None };
    for word in words {
        if let Ok(times) = word.parse() {
            failure.times = Some(times);
        } else if let Some(wait) = duration(word) {
            failure.retry_after = Some(wait);
        } else {
            return Err("after the reason come a number of times, or a wait such as 2s");
        }
    }
    Ok(failure)
}

/// The status with which servers say so; none where there is no answer.
const fn usual_status(reason: FailureReason) -> Option<u16> {
    match reason {
        FailureReason::Auth => Some(401),
        FailureReason::Billing => Some(402),
        FailureReason::RateLimit => Some(429),
        FailureReason::Overloaded => Some(503),
        FailureReason::Server => Some(500),
        FailureReason::BadRequest | FailureReason::ContextOverflow => Some(400),
        FailureReason::CutStream | FailureReason::BadResponse => Some(200),
        FailureReason::Timeout | FailureReason::Network | FailureReason::Unknown => None,
    }
}

/// A wait such as `50ms`, `3s`, `1.5s` or `2m`.
fn duration(text: &str) -> Option<Duration> {
    let unit = text.find(|c: char| c.is_ascii_alphabetic())?;
    let scale = match &text[unit..] {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        _ => return None,
    };
    let wait = Duration::try_from_secs_f64(text[..unit].parse::<f64>().ok()? * scale).ok()?;
    (wait <= MAX_WAIT).then_some(wait)
}

#[cfg(test)]
mod tests;
