//! Which sub-agents work, and what those have brought that are done.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Most sub-agents that are remembered, whoever has them.
const MAX_MEMBERS: usize = 1_000;

/// All sub-agents that work beside conversations, and those that are done until there are too many.
#[derive(Debug, Default)]
pub(in super::super) struct Roster {
    members: Mutex<Members>,
    /// How many results nobody has heard of: a turn looks at them only when there are any.
    news: AtomicUsize,
    /// Told whenever one is done.
    pub(super) freed: Notify,
    /// How many results are told in turns that run.
    telling: AtomicUsize,
}

#[derive(Debug, Default)]
struct Members {
    list: VecDeque<Member>,
    last: u64,
}

#[derive(Debug)]
struct Member {
    number: u64,
    session: String,
    label: String,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Until it is done or cancelled.
    Working(CancellationToken),
    /// What it has brought, not told yet.
    Done(String),
    /// Its result is told in the turn that runs, which may yet fail.
    Telling(String),
    /// Its result was told.
    Told,
}

impl State {
    fn word(&self) -> &'static str {
        match self {
            Self::Working(_) => "working",
            Self::Done(_) => "done, its result is not told yet",
            Self::Telling(_) | Self::Told => "done",
        }
    }
}

impl Roster {
    /// Takes a sub-agent in for a session that may have so many at work; its number, or `None` when it may not.
    pub(super) fn enlist(
        &self,
        session: &str,
        label: &str,
        most: usize,
        cancel: &CancellationToken,
    ) -> Option<u64> {
        let mut members = self.lock();
        let working = members.list.iter().filter(|member| member.is_working() && member.session == session);
        if working.count() >= most {
            return None;
        }
        if members.list.len() >= MAX_MEMBERS {
            let over = |member: &Member| matches!(member.state, State::Done(_) | State::Told);
            let oldest = members.list.iter().position(over)?;
            if let Some(Member { state: State::Done(_), .. }) = members.list.remove(oldest) {
                self.news.fetch_sub(1, Ordering::Relaxed);
            }
        }
        members.last += 1;
        let number = members.last;
        let (session, label) = (session.to_owned(), label.to_owned());
        members.list.push_back(Member { number, session, label, state: State::Working(cancel.clone()) });
        Some(number)
    }

    /// Notes what a sub-agent has brought.
    pub(super) fn done(&self, number: u64, result: String) {
        let mut members = self.lock();
        if let Some(member) = members.list.iter_mut().find(|member| member.number == number) {
            member.state = State::Done(result);
            self.news.fetch_add(1, Ordering::Relaxed);
        }
        drop(members);
        self.freed.notify_waiters();
    }

    /// Whether there are results that the model of a session has not heard of.
    pub(in super::super) fn has_news(&self, session: &str) -> bool {
        let is_news = |member: &Member| member.session == session && matches!(member.state, State::Done(_));
        self.news.load(Ordering::Relaxed) > 0 && self.lock().list.iter().any(is_news)
    }

    /// The results that the model of a session has not heard of, with names. They count as told once the turn has
    /// ended well.
    pub(super) fn take_news(&self, session: &str) -> Vec<(String, String)> {
        if self.news.load(Ordering::Relaxed) == 0 {
            return Vec::new();
        }
        let mut members = self.lock();
        let mut news = Vec::new();
        for member in members.list.iter_mut().filter(|member| member.session == session) {
            if let State::Done(result) = &mut member.state {
                let result = std::mem::take(result);
                news.push((member.name(), result.clone()));
                member.state = State::Telling(result);
            }
        }
        self.news.fetch_sub(news.len(), Ordering::Relaxed);
        self.telling.fetch_add(news.len(), Ordering::Relaxed);
        news
    }

    /// The turn of a session has ended: what it told counts as told only if it is remembered.
    pub(in super::super) fn settle(&self, session: &str, remembered: bool) {
        if self.telling.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut members = self.lock();
        for member in members.list.iter_mut().filter(|member| member.session == session) {
            if let State::Telling(result) = &mut member.state {
                let result = std::mem::take(result);
                self.telling.fetch_sub(1, Ordering::Relaxed);
                member.state = if remembered {
                    State::Told
                } else {
                    self.news.fetch_add(1, Ordering::Relaxed);
                    State::Done(result)
                };
            }
        }
    }

    /// The sub-agents of a session with how they are, or only the one with this number.
    pub(in super::super) fn status(&self, session: &str, only: Option<u64>) -> Vec<String> {
        let members = self.lock();
        let wanted = members
            .list
            .iter()
            .filter(|member| member.session == session && only.is_none_or(|number| member.number == number));
        wanted.map(|member| format!("{}: {}", member.name(), member.state.word())).collect()
    }

    /// Stops the sub-agents of a session; says how many.
    pub(in super::super) fn stop(&self, session: &str) -> usize {
        let members = self.lock();
        let of_session = members.list.iter().filter(|member| member.session == session);
        let working = of_session.filter_map(|member| match &member.state {
            State::Working(cancel) => Some(cancel),
            State::Done(_) | State::Telling(_) | State::Told => None,
        });
        working.inspect(|cancel| cancel.cancel()).count()
    }

    fn lock(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Member {
    fn is_working(&self) -> bool {
        matches!(self.state, State::Working(_))
    }

    fn name(&self) -> String {
        let gap = if self.label.is_empty() { "" } else { " " };
        format!("task-{}{gap}{}", self.number, self.label)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_told_once_to_their_own_session() {
        let roster = Roster::default();
        let cancel = CancellationToken::new();
        assert_eq!(roster.enlist("a", "tea", 2, &cancel), Some(1));
        assert_eq!(roster.enlist("a", "", 2, &cancel), Some(2));
        assert_eq!(roster.enlist("a", "", 2, &cancel), None, "two work for it");
        assert_eq!(roster.enlist("b", "", 2, &cancel), Some(3));
        roster.done(1, "green".to_owned());
        assert!(roster.take_news("b").is_empty());
        assert_eq!(roster.status("a", Some(1)), ["task-1 tea: done, its result is not told yet"]);
        let told = [("task-1 tea".to_owned(), "green".to_owned())];
        assert_eq!(roster.take_news("a"), told);
        assert!(roster.take_news("a").is_empty());
        roster.settle("a", false);
        assert_eq!(roster.take_news("a"), told, "the turn that told it failed");
        roster.settle("a", true);
        roster.settle("a", false);
        assert!(roster.take_news("a").is_empty());
        assert_eq!(roster.status("a", None), ["task-1 tea: done", "task-2: working"]);
        assert_eq!((roster.stop("a"), cancel.is_cancelled()), (1, true));
        assert_eq!(roster.enlist("a", "", 2, &cancel), Some(4));
    }

    #[test]
    fn memory_is_bounded() {
        let roster = Roster::default();
        let cancel = CancellationToken::new();
        for n in 0..MAX_MEMBERS {
            let number = roster.enlist("a", "", usize::MAX, &cancel).unwrap();
            if n % 2 == 0 {
                roster.done(number, String::new());
            }
        }
        for _ in 0..MAX_MEMBERS / 2 {
            assert!(roster.enlist("b", "", usize::MAX, &cancel).is_some());
        }
        assert_eq!(roster.enlist("b", "", usize::MAX, &cancel), None, "all of them work");
        assert_eq!(roster.lock().list.len(), MAX_MEMBERS);
        assert_eq!(roster.news.load(Ordering::Relaxed), 0);
    }
}
