use std::fs;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use picoclaw_telemetry::words::ImageOutcome::{
    self, Missing, Sent, Surplus, TooLarge, Unsupported, Withheld,
};

use super::*;
use crate::chat::Role;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n and pixels";

fn png_url() -> String {
    format!("data:image/png;base64,{}", STANDARD.encode(PNG))
}

fn pictures(workspace: &Path) -> Pictures {
    Pictures { workspace: workspace.to_owned(), own: None, largest: 100, models: Vec::new() }
}

fn said(media: &[&str]) -> Message {
    Message::from_person("look", media.iter().map(ToString::to_string).collect())
}

async fn shown(
    pictures: &Pictures,
    messages: &[&Message],
    sees: bool,
) -> (Vec<Message>, Vec<(ImageOutcome, u64)>) {
    let shown = pictures.show(messages, sees).await;
    (shown.conversation(messages).into_iter().cloned().collect(), shown.counts().collect())
}

#[tokio::test]
async fn files_become_what_a_model_can_see() {
    let workspace = tempfile::tempdir().unwrap();
    fs::write(workspace.path().join("a.jpg"), PNG).unwrap();
    fs::write(workspace.path().join("big.png"), [PNG, &[0; 100]].concat()).unwrap();
    fs::write(workspace.path().join("no.png"), "no image at all").unwrap();
    fs::write(workspace.path().parent().unwrap().join("outside.png"), PNG).unwrap();
    let wrong = png_url().replace("image/png", "image/jpeg");
    let outside = workspace.path().parent().unwrap().join("outside.png");
    let mut message = said(&[
        "a.jpg",
        "gone.png",
        "big.png",
        "no.png",
        "../outside.png",
        outside.to_str().unwrap(),
        "media://1234",
        &wrong,
        "https://x/y.png",
        "data:image/bmp;base64,Qk0AAAAAAAAAAAAA",
    ]);
    message.other.insert("kept".to_owned(), 1.into());
    let (all, counts) = shown(&pictures(workspace.path()), &[&message], true).await;
    fs::remove_file(outside).unwrap();
    assert_eq!(all[0].media(), [png_url(), png_url(), "https://x/y.png".to_owned()]);
    assert_eq!(all[0].other["kept"], 1);
    assert!(
        all[0].content.starts_with("look\n[gone.png: no longer there]\n[big.png: not shown, it is larger")
    );
    assert_eq!(counts, [(Sent, 3), (Missing, 4), (Unsupported, 2), (TooLarge, 1)]);
}

#[tokio::test]
async fn what_needs_no_change_is_not_copied() {
    let message = said(&[&png_url()]);
    let plain = Message::new(Role::User, "hi");
    let pictures = pictures(Path::new("/nowhere"));
    let shown = pictures.show(&[&plain, &message], true).await;
    assert!(shown.changed.is_empty());
    assert_eq!(shown.counts().collect::<Vec<_>>(), [(Sent, 1)]);
}

#[tokio::test]
async fn the_newest_images_are_shown_and_a_model_that_is_not_for_them_sees_none() {
    let url = png_url();
    let old = said(&[&url, &url]);
    let new = said(&vec![url.as_str(); MOST - 1]);
    let pictures = pictures(Path::new("/nowhere"));
    let (all, counts) = shown(&pictures, &[&old, &new], true).await;
    assert_eq!(counts, [(Sent, MOST as u64), (Surplus, 1)]);
    assert_eq!((all[0].media().len(), all[1].media().len()), (1, MOST - 1));
    let (all, counts) = shown(&pictures, &[&old, &new], false).await;
    assert_eq!(counts, [(Withheld, MOST as u64 + 1)]);
    assert!(all.iter().all(|message| message.media().is_empty()));
    assert!(all[0].content.ends_with("[image: not shown to this model]"), "{}", all[0].content);
}

#[tokio::test]
async fn an_agent_with_a_workspace_of_its_own_shows_what_lies_there_too() {
    let (own, shared) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::write(own.path().join("loaded.png"), PNG).unwrap();
    fs::write(shared.path().join("sent.png"), PNG).unwrap();
    let pictures = Pictures { own: Some(own.path().to_owned()), ..pictures(shared.path()) };
    let message = said(&["loaded.png", "sent.png", "none.png"]);
    let (_, counts) = shown(&pictures, &[&message], true).await;
    assert!(counts.contains(&(Sent, 2)) && counts.contains(&(Missing, 1)), "{counts:?}");
}
