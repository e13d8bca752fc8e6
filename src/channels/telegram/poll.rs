//! Waits for messages.
//!
//! The question "anything new?" is answered within `poll_timeout` if the connection is alive: Telegram says "nothing"
//! then. When neither an answer nor an error comes shortly after, the connection is dead, whatever the socket says.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::time::sleep;

use super::Telegram;
use super::api::ApiError;
use super::update::{FilePath, FileRef, Message, Update, User, without_mention};
use crate::channel::Broken;
use crate::dialogue::{Dialogue, Heard};
use crate::link::Link;
use picoclaw::agent::Chat;
use picoclaw::media::inbox::{Inbox, Kept, LARGEST_FILE, MOST_FILES, Offered};

/// How long the last acknowledgement may take when the channel stops.
const LAST_CALL: Duration = Duration::from_secs(2);
/// The pause before a failed question is asked again, once.
const SECOND_TRY: Duration = Duration::from_millis(500);

/// A bot that may not ask for longer than this receives nothing, and says so.
const SHORT_WAIT: Duration = Duration::from_secs(5);

/// "Nothing new" that comes sooner than this was not waited for; the pause before the next question then.
const AT_ONCE: Duration = Duration::from_millis(300);
const PAUSE: Duration = Duration::from_millis(500);

/// Receives until the link says stop.
pub(super) async fn run(telegram: &Telegram, link: &Arc<Link>, dialogue: &Dialogue) -> Result<(), Broken> {
    let nothing = json!({});
    let me = tokio::select! {
        me = telegram.api.call::<User>("getMe", &nothing) => me.map_err(|error| broken(&error))?,
        () = link.stop.cancelled() => return Ok(()),
    };
    let mut poll = Poll { telegram, link, dialogue, next: telegram.offset.read(me.id).await, me };
    let end = poll.run().await;
    if let Some(next) = poll.next.filter(|_| end.is_ok()) {
        let last = json!({ "offset": next, "timeout": 0, "limit": 1, "allowed_updates": ["message"] });
        let _ = telegram.api.call_within::<Value>("getUpdates", &last, LAST_CALL).await;
    }
    end
}

struct Poll<'a> {
    telegram: &'a Telegram,
    link: &'a Arc<Link>,
    dialogue: &'a Dialogue,
    me: User,
    /// The first update that is not accepted yet.
    next: Option<i64>,
}

impl Poll<'_> {
    async fn run(&mut self) -> Result<(), Broken> {
        let mut failed = false;
        loop {
            let asked = Instant::now();
            let updates = tokio::select! {
                updates = self.ask() => updates,
                () = self.link.stop.cancelled() => return Ok(()),
            };
            match updates {
                Ok(updates) => {
                    self.link.up();
                    failed = false;
                    if updates.is_empty() && asked.elapsed() < AT_ONCE {
                        // Some servers do not wait for news: asking again at once would keep both busy.
                        sleep(PAUSE).await;
                    }
                    for update in updates {
                        if !self.take(update).await {
                            // What is not acknowledged comes again after the next start.
                            self.link.stop.cancelled().await;
                            return Ok(());
                        }
                    }
                }
                Err(ApiError::Refused { code: 429, retry_after, .. }) => {
                    let wait = retry_after.unwrap_or(Duration::from_secs(1));
                    if wait > SHORT_WAIT {
                        self.link.down(&format!("telegram wants to be asked again in {} s", wait.as_secs()));
                    }
                    tokio::select! {
                        () = sleep(wait) => {}
                        () = self.link.stop.cancelled() => return Ok(()),
                    }
                }
                // One failure is the weather.
                Err(ApiError::Unreachable(_) | ApiError::Refused { code: 500.., .. }) if !failed => {
                    failed = true;
                    sleep(SECOND_TRY).await;
                }
                Err(error) => return Err(broken(&error)),
            }
        }
    }

    async fn ask(&self) -> Result<Vec<Update>, ApiError> {
        let patience = self.telegram.poll_timeout;
        let mut arguments = json!({ "timeout": patience.as_secs(), "allowed_updates": ["message"] });
        if let Some(next) = self.next {
            arguments["offset"] = json!(next);
        }
        let margin = (patience / 4).clamp(Duration::from_secs(1), Duration::from_secs(10));
        self.telegram.api.call_within("getUpdates", &arguments, patience + margin).await
    }

    /// Takes an update, unless the gateway is stopping.
    async fn take(&mut self, mut update: Update) -> bool {
        // After a restart of the server some may come again.
        if self.next.is_some_and(|next| update.update_id < next) {
            return true;
        }
        if let Some(message) = update.message()
            && !self.hear(message).await
        {
            return false;
        }
        let next = update.update_id + 1;
        self.next = Some(next);
        self.telegram.offset.write(self.me.id, next).await;
        true
    }

    /// Hands a message on if it is for the agent. `false` when the gateway is stopping.
    async fn hear(&self, message: Message) -> bool {
        let received = Instant::now();
        let Some(from) = message.from.as_ref().filter(|from| !from.is_bot) else {
            return true;
        };
        let id = from.id.to_string();
        let is_allowed = self.telegram.manners.allowed.any("telegram", &[&id, &from.username]);
        let Some(text) = self.words(&message) else {
            return true;
        };
        if !is_allowed {
            self.link.not_allowed(&id);
            return true;
        }
        let kind = if message.is_group() { "group" } else { "direct" };
        let chat = Chat {
            kind,
            id: message.address(),
            topic: message.topic().map(|topic| topic.to_string()).unwrap_or_default(),
            sender: id,
            mentioned: message.mentions(&self.me),
            ..Chat::default()
        };
        let mut heard = Heard { received, ..Heard::now(chat, text) };
        let files = message.files();
        if !files.is_empty() {
            let inbox = self.link.inbox(&self.telegram.inbox, &heard.chat);
            for (kind, file) in files.into_iter().take(MOST_FILES) {
                heard.enclose(self.fetch(&inbox, kind, file).await);
            }
        }
        if heard.text.trim().is_empty() {
            return true;
        }
        self.dialogue.hear(heard).await.is_ok()
    }

    /// What the message says to the bot; `None` when it says nothing to it.
    fn words(&self, message: &Message) -> Option<String> {
        let text = message.words();
        if !message.is_group() {
            return Some(text.to_owned());
        }
        let mentioned = message.mentions(&self.me);
        let text = if mentioned { without_mention(text, &self.me) } else { text.to_owned() };
        self.telegram.manners.group.heard(&text, mentioned)
    }

    async fn fetch(&self, inbox: &Inbox, kind: &str, file: FileRef) -> Kept {
        let api = &self.telegram.api;
        let found = async {
            let place: FilePath = api.call("getFile", &json!({ "file_id": file.file_id })).await?;
            api.download(&place.file_path, LARGEST_FILE).await
        };
        let offered = Offered { kind, name: &file.file_name, size: file.file_size };
        inbox.fetch(self.link.name(), &offered, found).await
    }
}

fn broken(error: &ApiError) -> Broken {
    let remedy = match error.code() {
        Some(401 | 404) => ": the bot's token is wrong or was revoked; set settings.token",
        Some(409) => ": another program receives this bot's messages, or a webhook is set; stop that one",
        _ => "",
    };
    Broken(format!("{error}{remedy}"))
}
