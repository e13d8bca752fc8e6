//! Batches that are handed to a plugin, until each of them is answered.

use tokio::sync::oneshot;

use super::frame::Code;
use super::request::{Outcome, Report, Sealed, Trouble};

/// Batches on their way.
pub(super) struct Handing {
    batches: Vec<Sealed>,
    outcomes: Vec<Outcome>,
    /// How many went out.
    next: usize,
    /// How many of those are unanswered.
    open: usize,
    /// Whether no more shall go out, since the plugin asked for time.
    hold: bool,
    trouble: Option<String>,
    reply: oneshot::Sender<Report>,
}

impl Handing {
    /// Nothing of it is out yet.
    pub(super) fn new(batches: Vec<Sealed>, reply: oneshot::Sender<Report>) -> Self {
        let outcomes = vec![Outcome::Again; batches.len()];
        Self { batches, outcomes, next: 0, open: 0, hold: false, trouble: None, reply }
    }

    /// The next batch to go out, with its place.
    pub(super) fn next(&mut self) -> Option<(usize, Sealed)> {
        let place = self.next;
        let batch = self.batches.get(place).filter(|_| !self.hold)?.clone();
        self.next += 1;
        self.open += 1;
        Some((place, batch))
    }

    /// The plugin has answered for a batch.
    pub(super) fn answered(&mut self, place: usize, code: Code, text: String) {
        self.open -= 1;
        self.outcomes[place] = match code {
            Code::Ok => Outcome::Delivered,
            Code::Retry => Outcome::Again,
            Code::Lost | Code::Config | Code::Panicked => Outcome::Lost,
        };
        self.hold |= code == Code::Retry;
        if code != Code::Ok {
            self.trouble = Some(text);
        }
    }

    /// Whether everything that went out is answered, and nothing more goes out.
    pub(super) fn is_over(&self) -> bool {
        self.open == 0 && (self.hold || self.next == self.batches.len())
    }

    /// Tells what became of the batches. Whoever handed them over may have gone.
    pub(super) fn report(self) {
        let trouble = self.trouble.map(Trouble::new);
        let _ = self.reply.send(Report { outcomes: self.outcomes, trouble });
    }

    /// Tells that the plugin has ended; the batch at `blamed` is to blame and is not handed over again.
    pub(super) fn fail(mut self, mut trouble: Trouble, blamed: Option<usize>) {
        if let Some(place) = blamed {
            self.outcomes[place] = Outcome::Lost;
            trouble.message.push_str("; a batch during which it ended twice is dropped");
        }
        let _ = self.reply.send(Report { outcomes: self.outcomes, trouble: Some(trouble) });
    }

    /// Completes when whoever handed the batches over is gone.
    pub(super) async fn deserted(&mut self) {
        self.reply.closed().await;
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn handing(batches: usize) -> (Handing, oneshot::Receiver<Report>) {
        let (reply, report) = oneshot::channel();
        let sealed = |id| Sealed { id, count: 1, header: Bytes::new(), events: Bytes::new() };
        ((Handing::new((0..batches as u64).map(sealed).collect(), reply)), report)
    }

    #[test]
    fn one_that_asks_for_time_gets_no_more() {
        let (mut handing, mut report) = handing(4);
        for place in 0..3 {
            assert_eq!(handing.next().map(|(place, batch)| (place, batch.id)), Some((place, place as u64)));
        }
        handing.answered(0, Code::Ok, String::new());
        handing.answered(1, Code::Retry, "later".to_owned());
        assert!(handing.next().is_none() && !handing.is_over());
        // What was out already is answered as the plugin likes.
        handing.answered(2, Code::Lost, "never".to_owned());
        assert!(handing.is_over());
        handing.report();
        let report = report.try_recv().unwrap();
        use Outcome::{Again, Delivered, Lost};
        assert_eq!(report.outcomes, [Delivered, Again, Lost, Again]);
        assert_eq!(report.trouble.unwrap().message, "never");
    }

    #[test]
    fn one_that_ended_gets_the_unanswered_ones_again_but_for_the_one_to_blame() {
        let (mut handing, mut report) = handing(3);
        assert!(handing.next().is_some() && handing.next().is_some());
        handing.answered(0, Code::Ok, String::new());
        handing.fail(Trouble::new("killed"), Some(1));
        let report = report.try_recv().unwrap();
        assert_eq!(report.outcomes, [Outcome::Delivered, Outcome::Lost, Outcome::Again]);
        assert!(report.trouble.unwrap().message.starts_with("killed; a batch"));
    }
}
