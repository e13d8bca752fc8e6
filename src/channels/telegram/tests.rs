use picoclaw_telemetry::words::HttpRejection;

use super::*;
use picoclaw::http::Observer;
use picoclaw::providers::HttpClients;

struct Deaf;

impl Observer for Deaf {
    fn rejected(&self, _: HttpRejection) {}
    fn connections(&self, _: usize) {}
}

fn build(settings: &Value) -> Result<TelegramChannel, SettingError> {
    let around =
        Surroundings { inbox: Inbox::new("."), clients: HttpClients::new(), observer: Arc::new(Deaf) };
    let config = json!({ "settings": settings });
    TelegramChannel::new("telegram", &serde_json::from_value(config).unwrap(), &around)
}

#[test]
fn settings_that_cannot_be_used_are_named() {
    let problem = |settings: Value| build(&settings).err().map(|error| error.path).unwrap_or_default();
    assert_eq!(problem(json!({})), "settings.token");
    assert_eq!(problem(json!({ "token": "1:a/../b" })), "settings.token");
    assert_eq!(problem(json!({ "token": "1:a", "base_url": "api.example" })), "settings.base_url");
    assert_eq!(problem(json!({ "token": "1:a", "poll_timeout": 0 })), "settings.poll_timeout");
    assert_eq!(problem(json!({ "token": "1:a", "proxy": "::" })), "settings.proxy");
    assert_eq!(problem(json!({ "token": "1:a", "base_url": null })), "");
}

#[test]
fn a_short_text_is_the_caption_of_the_only_file() {
    let channel = build(&json!({ "token": "1:a" })).unwrap();
    let file = Attachment { name: "a.png".into(), mime: "image/png".into(), bytes: "x".into() };
    let message = |text: &str| Outgoing { attachments: vec![file.clone()], ..Outgoing::text(text) };
    assert!(
        matches!(channel.pieces(&message("look")).as_slice(), [Piece::File { caption, .. }] if caption == "look")
    );
    assert_eq!(channel.pieces(&message(&"x".repeat(1001))).len(), 2);
    assert_eq!(channel.pieces(&Outgoing::text("word ".repeat(2000))).len(), 3);
}

#[test]
fn addresses_are_numbers_with_or_without_a_topic() {
    assert!(Place::parse("12/x").is_err() && Place::parse("@name").is_err());
    assert_eq!(Place::parse("-5/7").unwrap().arguments(), json!({ "chat_id": -5, "message_thread_id": 7 }));
    assert_eq!(Place::parse("5").unwrap().arguments(), json!({ "chat_id": 5 }));
}
