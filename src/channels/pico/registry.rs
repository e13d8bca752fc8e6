//! Which connections belong to which session.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, mpsc, oneshot};
use tokio_tungstenite::tungstenite::Utf8Bytes;

/// Frames that wait for a client which does not read. One that does not keep up is disconnected.
pub(super) const ROOM: usize = 256;
/// Sessions of one connection.
const MAX_SESSIONS: usize = 64;

/// A frame on its way to a client.
#[derive(Debug)]
pub(super) struct ToClient {
    pub(super) text: Utf8Bytes,
    /// Told once the frame is on the wire.
    pub(super) written: Option<oneshot::Sender<()>>,
}

#[derive(Debug, Clone)]
struct Member {
    connection: u64,
    frames: mpsc::Sender<ToClient>,
}

/// The open connections.
#[derive(Debug, Default, Clone)]
pub(super) struct Registry(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    sessions: Mutex<HashMap<Arc<str>, Vec<Member>>>,
    places: AtomicUsize,
    next: AtomicU64,
    left: Notify,
}

impl Registry {
    fn sessions(&self) -> MutexGuard<'_, HashMap<Arc<str>, Vec<Member>>> {
        self.0.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a connection, if fewer than `most` are taken.
    pub(super) fn place(&self, most: usize) -> Option<Place> {
        let taken = self
            .0
            .places
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |taken| (taken < most).then_some(taken + 1));
        taken.ok().map(|_| Place(self.clone()))
    }

    /// Returns when no connection is left.
    pub(super) async fn emptied(&self) {
        loop {
            let left = self.0.left.notified();
            if self.0.places.load(Ordering::Acquire) == 0 {
                return;
            }
            left.await;
        }
    }

    /// Sends a frame to every connection of a session that takes it, and says whether one did.
    pub(super) fn send(&self, session: &str, frame: String) -> bool {
        let text = Utf8Bytes::from(frame);
        let sessions = self.sessions();
        let members = sessions.get(session).map(Vec::as_slice).unwrap_or_default();
        // Not `any`: all of them are to have it.
        members.iter().fold(false, |sent, member| {
            let frame = ToClient { text: text.clone(), written: None };
            member.frames.try_send(frame).is_ok() || sent
        })
    }

    /// The same, but waits until the frame is on one wire.
    pub(super) async fn deliver(&self, session: &str, frame: String) -> bool {
        let text = Utf8Bytes::from(frame);
        let waiting: Vec<_> = {
            let sessions = self.sessions();
            let members = sessions.get(session).map(Vec::as_slice).unwrap_or_default();
            let send = |member: &Member| {
                let (written, end) = oneshot::channel();
                let frame = ToClient { text: text.clone(), written: Some(written) };
                member.frames.try_send(frame).is_ok().then_some(end)
            };
            members.iter().filter_map(send).collect()
        };
        let mut written = false;
        for end in waiting {
            // A connection that breaks drops what it has not written.
            written |= end.await.is_ok();
        }
        written
    }
}

/// A place among the connections, given back on drop.
#[derive(Debug)]
pub(super) struct Place(Registry);

impl Place {
    /// Enters a session; what is sent to it comes out of the other end of `frames`.
    pub(super) fn member(self, frames: mpsc::Sender<ToClient>) -> Membership {
        let connection = self.0.0.next.fetch_add(1, Ordering::Relaxed);
        Membership { place: self, member: Member { connection, frames }, sessions: Vec::new() }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.0.places.fetch_sub(1, Ordering::AcqRel);
        self.0.0.left.notify_waiters();
    }
}

/// The sessions of a connection, left on drop.
#[derive(Debug)]
pub(super) struct Membership {
    place: Place,
    member: Member,
    sessions: Vec<Arc<str>>,
}

impl Membership {
    /// Enters a session. Beyond [`MAX_SESSIONS`] the one entered first after the connection's own is left.
    pub(super) fn enter(&mut self, session: &str) {
        if self.sessions.iter().any(|entered| **entered == *session) {
            return;
        }
        if self.sessions.len() >= MAX_SESSIONS {
            let left = self.sessions.remove(1);
            self.leave(&left);
        }
        let session: Arc<str> = session.into();
        self.sessions.push(Arc::clone(&session));
        self.place.0.sessions().entry(session).or_default().push(self.member.clone());
    }

    fn leave(&self, session: &str) {
        let mut sessions = self.place.0.sessions();
        if let Some(members) = sessions.get_mut(session) {
            members.retain(|member| member.connection != self.member.connection);
            if members.is_empty() {
                sessions.remove(session);
            }
        }
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        for session in std::mem::take(&mut self.sessions) {
            self.leave(&session);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn frames_reach_all_connections_of_a_session_while_they_last() {
        let registry = Registry::default();
        let (to_a, mut a) = mpsc::channel(ROOM);
        let (to_b, mut b) = mpsc::channel(ROOM);
        let mut first = registry.place(2).unwrap().member(to_a);
        let mut second = registry.place(2).unwrap().member(to_b);
        assert!(registry.place(2).is_none());
        first.enter("s");
        second.enter("s");
        second.enter("t");
        assert!(registry.send("s", "x".into()) && registry.send("t", "y".into()));
        assert!(!registry.send("u", "z".into()));
        assert_eq!(a.recv().await.unwrap().text.as_str(), "x");
        assert_eq!(b.recv().await.unwrap().text.as_str(), "x");
        assert_eq!(b.recv().await.unwrap().text.as_str(), "y");
        drop((first, second));
        assert!(!registry.send("s", "x".into()) && registry.sessions().is_empty());
        registry.emptied().await;
    }

    #[tokio::test]
    async fn only_what_is_on_the_wire_is_delivered() {
        let registry = Registry::default();
        let (sender, mut frames) = mpsc::channel(ROOM);
        let mut member = registry.place(1).unwrap().member(sender);
        member.enter("s");
        let delivered =
            |registry: Registry| tokio::spawn(async move { registry.deliver("s", "x".into()).await });
        let taken = delivered(registry.clone());
        frames.recv().await.unwrap().written.unwrap().send(()).unwrap();
        assert!(taken.await.unwrap());
        let lost = delivered(registry.clone());
        drop(frames.recv().await.unwrap());
        assert!(!lost.await.unwrap());
    }

    #[tokio::test]
    async fn a_connection_has_a_bounded_number_of_sessions_and_keeps_its_own() {
        let registry = Registry::default();
        let (sender, _frames) = mpsc::channel(ROOM);
        let mut member = registry.place(1).unwrap().member(sender);
        (0..MAX_SESSIONS + 5).for_each(|n| member.enter(&n.to_string()));
        assert_eq!(registry.sessions().len(), MAX_SESSIONS);
        assert!(registry.send("0", "x".into()) && !registry.send("1", "x".into()));
    }
}
