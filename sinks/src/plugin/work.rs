//! A plugin at work: questions go out, answers come back in their order, and the time is watched.

use std::collections::VecDeque;
use std::future::pending;
use std::io;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use super::frame::{Code, Frame};
use super::handing::Handing;
use super::keeper::Keeper;
use super::request::{Request, Trouble};
use super::session::{Answer, Failed, Session};

/// How many questions may be unanswered.
const WINDOW: usize = 8;

/// How often a plugin is asked for its health while it has nothing to do.
const HEALTH_EVERY: Duration = Duration::from_secs(15);

/// How long a plugin may take to stop that nobody waits for.
const STOP_TIME: Duration = Duration::from_secs(2);

/// A batch during which the plugin died so often is to blame.
const KILLS: u32 = 2;

/// The batch that was at work when the plugin last died, and how often that happened.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Blame(Option<(u64, u32)>);

impl Blame {
    /// The plugin died during this batch. Whether the batch is to blame.
    fn died_during(&mut self, id: u64) -> bool {
        let kills = self.0.filter(|(before, _)| *before == id).map_or(1, |(_, kills)| kills + 1);
        self.0 = (kills < KILLS).then_some((id, kills));
        kills >= KILLS
    }
}

/// How work ended.
pub(super) enum Over {
    /// As asked.
    Stopped,
    /// By itself, or because of what it did. Unnoticed, when nobody waited for an answer.
    Failed { failed: Failed, unnoticed: bool },
}

/// A question that the plugin has not answered yet.
enum Awaited {
    /// The batch at this place.
    Batch(usize),
    Flush(Option<Waiting>),
    Health,
    Call(oneshot::Sender<Result<String, Trouble>>),
}

type Waiting = oneshot::Sender<Result<(), Trouble>>;

/// A plugin at work.
pub(super) struct Work<'k> {
    keeper: &'k mut Keeper,
    blame: &'k mut Blame,
    session: Session,
    awaited: VecDeque<(u64, Awaited)>,
    /// Since when the question in front waits for its answer.
    since: Instant,
    handing: Option<Handing>,
    next_id: u64,
    /// When to ask for a flush, if there is something to flush.
    flush_at: Option<Instant>,
    health_at: Instant,
    unwell: bool,
    stop: Option<(Duration, Waiting)>,
}

/// What woke the work up.
enum Woken {
    Answer(io::Result<Answer>),
    Request(Option<Request>),
    Late,
    /// Whoever handed batches over, or asked to stop, does not wait any more.
    Deserted,
    Flush,
    Health,
}

impl<'k> Work<'k> {
    pub(super) fn new(keeper: &'k mut Keeper, blame: &'k mut Blame, session: Session) -> Self {
        let now = Instant::now();
        Self {
            keeper,
            blame,
            session,
            awaited: VecDeque::new(),
            since: now,
            handing: None,
            next_id: 0,
            flush_at: None,
            health_at: now + HEALTH_EVERY,
            unwell: false,
            stop: None,
        }
    }

    /// Works until told to stop, or until the plugin fails.
    pub(super) async fn run(mut self) -> Over {
        loop {
            self.hand_out();
            let idle = self.awaited.is_empty() && self.handing.is_none();
            if idle && let Some((within, reply)) = self.stop.take() {
                self.session.close(within).await;
                let _ = reply.send(Ok(()));
                return Over::Stopped;
            }
            let late = (!self.awaited.is_empty()).then(|| self.since + self.keeper.call_timeout);
            let flush = self.flush_at.filter(|_| idle);
            let health = idle.then_some(self.health_at);
            let listening = self.handing.is_none() && self.stop.is_none() && self.awaited.len() < WINDOW;
            let woken = tokio::select! {
                biased;
                answer = self.session.answer() => Woken::Answer(answer),
                () = until(late) => Woken::Late,
                () = deserted(self.handing.as_mut(), self.stop.as_mut()) => Woken::Deserted,
                request = self.keeper.requests.next(), if listening => Woken::Request(request),
                () = until(flush) => Woken::Flush,
                () = until(health) => Woken::Health,
            };
            match woken {
                Woken::Answer(Ok(answer)) => {
                    if let Err(error) = self.take(answer) {
                        return self.over(End::Broken(error)).await;
                    }
                }
                Woken::Answer(Err(error)) => return self.over(End::Broken(error)).await,
                Woken::Late => return self.over(End::Late).await,
                Woken::Deserted => {
                    self.session.hang("it was not waited for").await;
                    return Over::Stopped;
                }
                Woken::Request(Some(request)) => self.ask(request),
                Woken::Request(None) => {
                    self.session.close(STOP_TIME).await;
                    return Over::Stopped;
                }
                Woken::Flush => self.flush(None),
                Woken::Health => {
                    let id = self.expect(Awaited::Health);
                    self.session.queue_frame(&Frame::Health { id, code: Code::Ok, text: "" });
                }
            }
        }
    }

    fn ask(&mut self, request: Request) {
        match request {
            Request::Ready(reply) => drop(reply.send(Ok(self.session.ready().clone()))),
            Request::Batches { batches, reply } => self.handing = Some(Handing::new(batches, reply)),
            Request::Flush(reply) => self.flush(Some(reply)),
            Request::Call { name, arguments, reply } => {
                let id = self.expect(Awaited::Call(reply));
                self.session.queue_frame(&Frame::Call { id, name: &name, arguments: &arguments });
            }
            Request::Stop { within, reply } => {
                self.flush(None);
                self.stop = Some((within, reply));
            }
        }
    }

    fn flush(&mut self, reply: Option<Waiting>) {
        self.flush_at = None;
        let within_ms = u32::try_from(self.keeper.call_timeout.as_millis()).unwrap_or(u32::MAX);
        let id = self.expect(Awaited::Flush(reply));
        self.session.queue_frame(&Frame::Flush { id, within_ms });
    }

    /// Numbers a question.
    fn expect(&mut self, awaited: Awaited) -> u64 {
        self.next_id += 1;
        self.await_answer(self.next_id, awaited);
        self.next_id
    }

    fn await_answer(&mut self, id: u64, awaited: Awaited) {
        if self.awaited.is_empty() {
            self.since = Instant::now();
        }
        self.awaited.push_back((id, awaited));
    }

    /// Lets as many batches go out as the plugin may have, and reports when all are answered.
    fn hand_out(&mut self) {
        let Some(mut handing) = self.handing.take() else { return };
        while self.awaited.len() < WINDOW
            && let Some((place, batch)) = handing.next()
        {
            self.session.queue(batch.header);
            self.session.queue(batch.events);
            self.await_answer(batch.id, Awaited::Batch(place));
        }
        if handing.is_over() {
            handing.report();
        } else {
            self.handing = Some(handing);
        }
    }

    /// Takes an answer in. An error ends the connection.
    fn take(&mut self, answer: Answer) -> io::Result<()> {
        match self.awaited.front() {
            Some((id, _)) if *id == answer.id => {}
            Some((id, _)) => {
                return Err(invalid(format!("it answered question {} before {id}", answer.id)));
            }
            None => return Err(invalid(format!("it answered question {}, which nobody asked", answer.id))),
        }
        if answer.code == Code::Panicked {
            // The question stays open, so that a batch is handed to the next instance.
            return Err(invalid(answer.text));
        }
        let now = Instant::now();
        self.since = now;
        self.health_at = now + HEALTH_EVERY;
        let Answer { code, text, .. } = answer;
        match self.awaited.pop_front() {
            Some((_, Awaited::Batch(place))) => self.batch_answered(place, code, text),
            Some((_, Awaited::Flush(reply))) => self.flushed(reply, code, text),
            Some((_, Awaited::Health)) => self.judge(code, &text),
            Some((_, Awaited::Call(reply))) => {
                let result = if code == Code::Ok { Ok(text) } else { Err(Trouble::new(text)) };
                let _ = reply.send(result);
            }
            None => {}
        }
        Ok(())
    }

    fn batch_answered(&mut self, place: usize, code: Code, text: String) {
        self.flush_at.get_or_insert(self.since + self.keeper.flush_every);
        if let Some(handing) = &mut self.handing {
            handing.answered(place, code, text);
        }
    }

    fn flushed(&mut self, reply: Option<Waiting>, code: Code, text: String) {
        if code != Code::Ok {
            self.keeper.stats.mark_down();
            tracing::warn!(target: "picoclaw_sinks", plugin = self.keeper.name, error = text, "Plugin could not flush.");
        }
        if let Some(reply) = reply {
            let _ = reply.send(if code == Code::Ok { Ok(()) } else { Err(Trouble::new(text)) });
        }
    }

    fn judge(&mut self, code: Code, text: &str) {
        let unwell = code != Code::Ok;
        let (plugin, stats) = (&self.keeper.name, &self.keeper.stats);
        if unwell && !self.unwell {
            stats.mark_down();
            tracing::warn!(target: "picoclaw_sinks", plugin, error = text, "Plugin is unwell.");
        } else if self.unwell && !unwell {
            stats.mark_up();
            tracing::info!(target: "picoclaw_sinks", plugin, "Plugin is well again.");
        }
        self.unwell = unwell;
    }

    /// The end: whoever waits for an answer learns that none will come.
    async fn over(self, end: End) -> Over {
        let failed = match end {
            End::Late => {
                let most = self.keeper.call_timeout.as_millis();
                self.session.hang(&format!("a call took longer than {most} ms")).await
            }
            End::Broken(error) => self.session.fail(&error).await,
        };
        let unnoticed = self.handing.is_none();
        let mut trouble = Trouble::new(failed.message.clone());
        trouble.off = failed.leaked;
        let mut blamed = None;
        for (at, (id, awaited)) in self.awaited.into_iter().enumerate() {
            match awaited {
                Awaited::Batch(place) if at == 0 && self.blame.died_during(id) => blamed = Some(place),
                Awaited::Flush(Some(reply)) => drop(reply.send(Err(trouble.clone()))),
                Awaited::Call(reply) => drop(reply.send(Err(trouble.clone()))),
                Awaited::Batch(_) | Awaited::Flush(None) | Awaited::Health => {}
            }
        }
        if let Some((_, reply)) = self.stop {
            let _ = reply.send(Err(trouble.clone()));
        }
        if let Some(handing) = self.handing {
            handing.fail(trouble, blamed);
        }
        Over::Failed { failed, unnoticed }
    }
}

/// Why work cannot go on.
enum End {
    /// There was no answer in time.
    Late,
    /// The connection ended, or what came made no sense.
    Broken(io::Error),
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

/// Completes when nobody waits for batches, or for the end, that were asked for.
async fn deserted(handing: Option<&mut Handing>, stop: Option<&mut (Duration, Waiting)>) {
    match (handing, stop) {
        (Some(handing), _) => handing.deserted().await,
        (None, Some((_, reply))) => reply.closed().await,
        (None, None) => pending().await,
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => pending().await,
    }
}
