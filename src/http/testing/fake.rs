//! An agent that does what the message says.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use picoclaw_telemetry::words::{Rejection, TurnStatus};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::agent::{Assistant, Inbound, ModelInfo, Progress, Refusal, Reply, TurnError, TurnHandle};
use crate::chat::{FinishReason, Usage};

/// Understands `say ...` (the default), `think ...`, `fail REASON`, `break REASON ...` (after some text),
/// `hang ...` (after some text, if any), `refuse WORD`, `flood` (more than anybody reads), `panic` and `lose`.
#[derive(Default)]
pub(crate) struct Fake {
    pub(crate) inbound: Mutex<Vec<Inbound>>,
    pub(crate) refused: Mutex<Vec<(&'static str, Rejection)>>,
    pub(crate) cancelled: Arc<AtomicUsize>,
    pub(crate) splits: bool,
}

impl Fake {
    pub(crate) fn submitted(&self) -> usize {
        self.inbound.lock().unwrap().len()
    }

    pub(crate) fn last(&self) -> Inbound {
        self.inbound.lock().unwrap().last().expect("a message arrived").clone()
    }

    pub(crate) fn cancelled(&self) -> usize {
        self.cancelled.load(SeqCst)
    }

    pub(crate) fn refusals(&self) -> Vec<(&'static str, Rejection)> {
        self.refused.lock().unwrap().clone()
    }
}

#[async_trait]
impl Assistant for Fake {
    fn splits_answers(&self) -> bool {
        self.splits
    }

    async fn submit(&self, inbound: Inbound) -> Result<TurnHandle, Refusal> {
        let text = inbound.messages.last().expect("never empty").content.clone();
        let (command, rest) = text.split_once(' ').unwrap_or((&text, ""));
        assert_ne!(command, "panic", "as the message asked");
        let refuse = |reason| Err(Refusal { reason, message: format!("refused: {reason}") });
        if command == "refuse" {
            return refuse(rest.parse().unwrap());
        }
        if inbound.model.as_deref().is_some_and(|name| name != "echo" && name != "second") {
            return refuse(Rejection::UnknownModel);
        }
        let (progress, progress_end) = mpsc::channel(16);
        let (reply, reply_end) = oneshot::channel();
        let cancel = CancellationToken::new();
        let turn = Turn { progress, stream: inbound.stream, model: inbound.model.clone() };
        let (command, rest) = (command.to_owned(), rest.to_owned());
        let (token, cancelled) = (cancel.clone(), Arc::clone(&self.cancelled));
        tokio::spawn(async move {
            tokio::select! {
                biased;
                () = token.cancelled() => { cancelled.fetch_add(1, SeqCst); }
                end = turn.run(&command, rest) => { if let Some(end) = end { drop(reply.send(end)); } }
            }
        });
        self.inbound.lock().unwrap().push(inbound);
        Ok(TurnHandle { progress: progress_end.into(), reply: reply_end, cancel: cancel.drop_guard() })
    }

    fn refused(&self, channel: &'static str, reason: Rejection) {
        self.refused.lock().unwrap().push((channel, reason));
    }

    fn models(&self) -> Vec<ModelInfo> {
        ["echo", "second"]
            .map(|name| ModelInfo { name: name.to_owned(), provider: "builtin".to_owned() })
            .into()
    }
}

struct Turn {
    progress: mpsc::Sender<Progress>,
    stream: bool,
    model: Option<String>,
}

impl Turn {
    async fn run(self, command: &str, rest: String) -> Option<Result<Reply, TurnError>> {
        match command {
            "think" => self.send(Progress::Reasoning("hm".to_owned())).await,
            "fail" => return Some(Err(failure(&rest))),
            "break" => {
                let (reason, text) = rest.split_once(' ').unwrap();
                self.text(text).await;
                return Some(Err(failure(reason)));
            }
            "hang" => {
                self.text(&rest).await;
                std::future::pending::<()>().await;
            }
            "flood" => loop {
                self.send(Progress::Text("x".repeat(16 << 10))).await;
            },
            "lose" => return None,
            _ => {}
        }
        self.text(&rest).await;
        Some(Ok(Reply {
            usage: Usage::new(3, rest.split_whitespace().count() as u64),
            content: rest,
            model_name: self.model.unwrap_or_else(|| "echo".to_owned()),
            finish: FinishReason::Stop,
            context: None,
            joined: false,
        }))
    }

    async fn text(&self, text: &str) {
        for word in text.split_inclusive(' ') {
            self.send(Progress::Text(word.to_owned())).await;
        }
    }

    async fn send(&self, piece: Progress) {
        if self.stream {
            let _ = self.progress.send(piece).await;
        }
    }
}

fn failure(reason: &str) -> TurnError {
    let retry_after = (reason == "rate_limit").then_some(Duration::from_secs(7));
    let message = format!("the provider failed: {reason}");
    TurnError { status: TurnStatus::Failed, reason: reason.parse().ok(), message, retry_after }
}
