//! `message` and `send_file`: something for a chat that is no answer.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::arguments::Arguments;
use super::caller::Caller;
use super::files::Workspace;
use super::output::ToolOutput;
use super::tool::Tool;
use picoclaw_chat::ToolSpec;
use picoclaw_chat::courier::{Courier, Outgoing};

/// Longest text, in bytes; channels cut it as their networks need.
const MAX_TEXT: usize = 32 << 10;
/// Most files of one message.
const MAX_FILES: usize = 10;
/// Largest file.
const MAX_FILE: u64 = 20 << 20;
/// How long a delivery may take: a channel's queue, its rate limit and its retries.
const PATIENCE: Duration = Duration::from_secs(120);

/// Sends a message to a chat.
#[derive(Clone)]
pub struct SendMessage {
    courier: Arc<dyn Courier>,
    workspace: Workspace,
    channels: String,
    files: bool,
}

/// Sends a file to the chat of the conversation.
#[derive(Clone)]
pub struct SendFile {
    courier: Arc<dyn Courier>,
    workspace: Workspace,
}

impl SendMessage {
    /// The tool for this courier, which tells the model of these channels.
    pub fn new(courier: Arc<dyn Courier>, workspace: Workspace, channels: &[String]) -> Self {
        Self { courier, workspace, channels: channels.join(", "), files: false }
    }

    /// Messages may carry files of the workspace.
    #[must_use]
    pub fn with_files(self) -> Self {
        Self { files: true, ..self }
    }

    async fn send(&self, caller: Caller<'_>, arguments: Value) -> Result<ToolOutput, ToolOutput> {
        let arguments = Arguments::new(arguments)?;
        let text = arguments.text("content", "the text of the message")?;
        if text.len() > MAX_TEXT {
            return Err(ToolOutput::error(format!(
                "argument `content` has {} bytes and the limit is {MAX_TEXT}; send several messages",
                text.len()
            )));
        }
        let paths = match (arguments.has("media"), self.files) {
            (false, _) => Vec::new(),
            (true, true) => arguments.texts("media", "paths of files in the workspace")?,
            (true, false) => {
                return Err(ToolOutput::denied(
                    "messages with files are not allowed (tools.message.media_enabled); use send_file",
                ));
            }
        };
        if paths.len() > MAX_FILES {
            return Err(ToolOutput::error(format!("argument `media` has more than {MAX_FILES} files")));
        }
        if text.trim().is_empty() && paths.is_empty() {
            return Err(ToolOutput::error("argument `content` is empty; give the text of the message"));
        }
        let to = Destination::of(&arguments, caller)?;
        let mut message = Outgoing::text(text);
        message.reply_to = arguments.optional_text("reply_to_message_id")?.map(str::to_owned);
        for path in paths {
            message.attachments.push(self.workspace.attachment(path, MAX_FILE).await?);
        }
        deliver(self.courier.as_ref(), &to, message).await
    }
}

impl SendFile {
    /// The tool for this courier and the files of this workspace.
    pub fn new(courier: Arc<dyn Courier>, workspace: Workspace) -> Self {
        Self { courier, workspace }
    }

    async fn send(&self, caller: Caller<'_>, arguments: Value) -> Result<ToolOutput, ToolOutput> {
        let arguments = Arguments::new(arguments)?;
        let path = arguments.text("path", "the file's path relative to the workspace")?;
        let mut file = self.workspace.attachment(path, MAX_FILE).await?;
        if let Some(name) = arguments.optional_text("filename")?.filter(|name| !name.is_empty()) {
            // A name and no path: nothing is to be written elsewhere than the person expects.
            file.name = name.rsplit(['/', '\\']).next().unwrap_or_default().to_owned();
        }
        let to = Destination::of(&arguments, caller)?;
        let text = arguments.optional_text("caption")?.unwrap_or_default();
        let message = Outgoing { attachments: vec![file], ..Outgoing::text(text) };
        deliver(self.courier.as_ref(), &to, message).await
    }
}

/// Where something goes.
#[derive(Debug, PartialEq, Eq)]
struct Destination {
    channel: String,
    chat: String,
}

impl Destination {
    /// What the arguments say, else where the conversation is.
    fn of(arguments: &Arguments, caller: Caller<'_>) -> Result<Self, ToolOutput> {
        let given =
            |name| Ok::<_, ToolOutput>(arguments.optional_text(name)?.filter(|text| !text.is_empty()));
        let channel = given("channel")?;
        let elsewhere = channel.is_some_and(|channel| channel != caller.channel);
        let chat = match given("chat_id")? {
            Some(chat) => chat,
            // The chat of one network says nothing in another.
            None if elsewhere || caller.chat.is_empty() => {
                return Err(ToolOutput::error("argument `chat_id` is missing; give the chat to send to"));
            }
            None => caller.chat,
        };
        Ok(Self { channel: channel.unwrap_or(caller.channel).to_owned(), chat: chat.to_owned() })
    }
}

async fn deliver(
    courier: &dyn Courier,
    to: &Destination,
    message: Outgoing,
) -> Result<ToolOutput, ToolOutput> {
    let receipt = courier
        .deliver(&to.channel, &to.chat, message)
        .await
        .map_err(|error| ToolOutput::error(error.to_string()))?;
    let id = receipt.id.map_or_else(String::new, |id| format!(", message {id}"));
    Ok(ToolOutput::success(format!("sent to {}:{}{id}", to.channel, to.chat)))
}

#[async_trait]
impl Tool for SendMessage {
    fn spec(&self) -> ToolSpec {
        let mut parameters = json!({
            "type": "object",
            "properties": {
                "content": {"type": "string", "description": "The text, in Markdown."},
                "channel": {"type": "string", "description": "The channel; that of this conversation by default."},
                "chat_id": {"type": "string", "description": "The chat; that of this conversation by default."},
                "reply_to_message_id": {"type": "string", "description": "The message that this one answers."},
            },
            "required": ["content"],
        });
        if self.files {
            parameters["properties"]["media"] = json!({
                "type": "array",
                "items": {"type": "string"},
                "description": "Files of the workspace that go with it.",
            });
        }
        let description = format!(
            "Send a message to a chat, beside the answer that you give in the end. Channels that can send: {}.",
            self.channels
        );
        ToolSpec { name: "message".to_owned(), description, parameters }
    }

    async fn call(&self, arguments: Value) -> ToolOutput {
        self.call_for(Caller::LOCAL, arguments).await
    }

    async fn call_for(&self, caller: Caller<'_>, arguments: Value) -> ToolOutput {
        self.send(caller, arguments).await.into()
    }

    fn patience(&self) -> Option<Duration> {
        Some(PATIENCE)
    }
}

#[async_trait]
impl Tool for SendFile {
    fn spec(&self) -> ToolSpec {
        ToolSpec {
            name: "send_file".to_owned(),
            description: "Send a file of the workspace, at most 20 MiB, to the chat of this conversation."
                .to_owned(),
            parameters: json!({
                "type": "object",
                "properties": {
                    "path": {"type": "string", "description": "The file, relative to the workspace."},
                    "filename": {"type": "string", "description": "The name that the person sees; the file's own by default."},
                    "caption": {"type": "string", "description": "A text that goes with it."},
                    "channel": {"type": "string", "description": "Another channel than that of this conversation."},
                    "chat_id": {"type": "string", "description": "Another chat than that of this conversation."},
                },
                "required": ["path"],
            }),
        }
    }

    async fn call(&self, arguments: Value) -> ToolOutput {
        self.call_for(Caller::LOCAL, arguments).await
    }

    async fn call_for(&self, caller: Caller<'_>, arguments: Value) -> ToolOutput {
        self.send(caller, arguments).await.into()
    }

    fn patience(&self) -> Option<Duration> {
        Some(PATIENCE)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Mutex;

    use picoclaw_telemetry::words::ToolStatus::{Denied, Error, Success};

    use super::*;
    use picoclaw_chat::courier::{DeliveryError, Receipt};

    #[derive(Default)]
    struct Noting(Mutex<Vec<(String, String, Outgoing)>>);

    #[async_trait]
    impl Courier for Noting {
        async fn deliver(
            &self,
            channel: &str,
            chat: &str,
            message: Outgoing,
        ) -> Result<Receipt, DeliveryError> {
            if channel == "none" {
                let (channel, known) = (channel.to_owned(), "telegram".to_owned());
                return Err(DeliveryError::UnknownChannel { channel, known });
            }
            self.0.lock().unwrap().push((channel.to_owned(), chat.to_owned(), message));
            Ok(Receipt { id: Some("7".to_owned()), tries: 1 })
        }

        fn destinations(&self) -> Vec<String> {
            vec!["telegram".to_owned()]
        }
    }

    const CALLER: Caller<'static> = Caller { channel: "telegram", chat: "42" };

    #[tokio::test]
    async fn messages_go_where_they_are_sent_and_else_where_the_conversation_is() {
        let home = tempfile::tempdir().unwrap();
        let courier = Arc::new(Noting::default());
        let tool =
            SendMessage::new(courier.clone(), Workspace::new(home.path(), &[]), &["telegram".to_owned()]);
        assert!(tool.spec().description.ends_with("send: telegram."), "{}", tool.spec().description);
        let send = async |caller, arguments| tool.call_for(caller, arguments).await;
        let output = send(CALLER, json!({"content": "hi", "reply_to_message_id": "5"})).await;
        assert_eq!(output, ToolOutput::success("sent to telegram:42, message 7"));
        send(CALLER, json!({"content": "hi", "channel": "slack", "chat_id": "C1"})).await;
        {
            let sent = courier.0.lock().unwrap();
            assert_eq!((sent[0].0.as_str(), sent[0].1.as_str()), ("telegram", "42"));
            assert_eq!(sent[0].2.reply_to.as_deref(), Some("5"));
            assert_eq!((sent[1].0.as_str(), sent[1].1.as_str()), ("slack", "C1"));
        }
        for (caller, arguments, status, says) in [
            (CALLER, json!({"content": "hi", "channel": "slack"}), Error, "`chat_id` is missing"),
            (Caller { chat: "", ..CALLER }, json!({"content": "hi"}), Error, "`chat_id` is missing"),
            (CALLER, json!({"content": " "}), Error, "is empty"),
            (
                CALLER,
                json!({"content": "hi", "channel": "none", "chat_id": "1"}),
                Error,
                "there are: telegram",
            ),
            (CALLER, json!({"content": "hi", "media": ["a"]}), Denied, "media_enabled"),
        ] {
            let output = send(caller, arguments).await;
            assert!(output.status == status && output.text.contains(says), "{output:?}");
        }
        assert_eq!(courier.0.lock().unwrap().len(), 2);
    }

    #[tokio::test]
    async fn files_of_the_workspace_go_along() {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("w")).unwrap();
        fs::write(home.path().join("w/a.png"), "image").unwrap();
        fs::write(home.path().join("secret"), "secret").unwrap();
        let courier = Arc::new(Noting::default());
        let workspace = Workspace::new(&home.path().join("w"), &[]);
        let file = SendFile::new(courier.clone(), workspace.clone());
        let output = file.call_for(CALLER, json!({"path": "a.png", "filename": "x/chart.png"})).await;
        assert_eq!(output.status, Success);
        let output = file.call_for(CALLER, json!({"path": "../secret"})).await;
        assert_eq!(output.status, Denied);
        let message = SendMessage::new(courier.clone(), workspace, &[]).with_files();
        message.call_for(CALLER, json!({"content": "", "media": ["a.png"]})).await;
        let sent = courier.0.lock().unwrap();
        let attachments: Vec<_> = sent.iter().map(|(_, _, message)| &message.attachments[0]).collect();
        assert_eq!((attachments[0].name.as_str(), attachments[0].mime.as_str()), ("chart.png", "image/png"));
        assert_eq!((attachments[1].name.as_str(), &attachments[1].bytes[..]), ("a.png", &b"image"[..]));
        assert_eq!(sent.len(), 2);
    }
}
