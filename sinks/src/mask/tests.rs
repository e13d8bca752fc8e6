use super::*;
use proptest::prelude::*;

fn masker(secrets: &[&str]) -> Masker {
    Masker::new(&secrets.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>())
}

#[test]
fn known_secrets_are_masked_wherever_they_stand() {
    let masker = masker(&["hunter2hunter2", "hunter2", "abc"]);
    assert_eq!(masker.mask("a hunter2hunter2, hunter2: xhunter2x abc"), "a ***, ***: x***x abc");
    assert_eq!(masker.mask("hunter2"), "***");
}

#[test]
fn well_known_shapes_are_masked() {
    let masker = Masker::default();
    for (text, expected) in [
        ("key sk-proj-abcdefgh12345678ijkl failed", "key *** failed"),
        ("Authorization: Bearer eyJhbGciOi.J9x-1 end", "Authorization: Bearer *** end"),
        ("xoxb-1234567890-abc", "***"),
        ("AIzaSyA1234567890abcdefghijklmnopqrstuv", "***"),
        ("ghp_0123456789abcdefghijABCDEF", "***"),
        ("https://x/?api_key=0123456789abcdef0123&y=1", "https://x/?api_key=***&y=1"),
        ("token=deadbeefdeadbeef1", "token=***"),
    ] {
        assert_eq!(masker.mask(text), expected);
    }
}

#[test]
fn ordinary_text_is_left_alone_and_not_copied() {
    let masker = masker(&["hunter2hunter2"]);
    for text in [
        "",
        "ok",
        "task-force-of-very-long-name-1234567",
        "sk-short1",
        "sk-some-long-kebab-case-identifier",
        "the bearer of news",
        "key=value",
        "token=none",
        "Straße, 東京, \u{2028}",
    ] {
        assert!(matches!(masker.mask(text), Cow::Borrowed(same) if same == text), "{text}");
    }
}

#[test]
fn a_text_that_is_a_secret_and_no_more_is_masked() {
    assert_eq!(masker(&["hunt"]).mask("hunt"), "***");
    assert_eq!(masker(&["a-very-long-secret"]).mask("a-very-long-secret"), "***");
    assert_eq!(masker(&["a-very-long-secret"]).mask("xoxb-1234567"), "xoxb-1234567");
    assert_eq!(masker(&["a-very-long-secret"]).mask("xoxb-12345678"), "***");
}

#[test]
fn a_secret_within_a_false_shape_is_found() {
    assert_eq!(masker(&["-hunter2"]).mask("sk-hunter2"), "sk***");
}

#[test]
fn secrets_can_be_replaced() {
    let masker = masker(&["old-secret"]);
    masker.replace(&["new-secret".to_owned()]);
    assert_eq!(masker.mask("old-secret new-secret"), "old-secret ***");
}

#[test]
fn debug_shows_no_secret() {
    assert!(!format!("{:?}", masker(&["hunter2hunter2"])).contains("hunter2"));
}

proptest! {
    #[test]
    fn no_secret_survives(
        secrets in prop::collection::vec("[a-zA-Z0-9é*-]{4,12}", 0..6),
        words in prop::collection::vec(("\\PC{0,8}", any::<prop::sample::Index>()), 0..8),
    ) {
        let mut text = String::new();
        for (word, which) in &words {
            text.push_str(word);
            if !secrets.is_empty() { text.push_str(which.get::<String>(&secrets)); }
        }
        let masked = Masker::new(&secrets).mask(&text).into_owned();
        for secret in secrets.iter().filter(|secret| !secret.contains('*')) {
            prop_assert!(!masked.contains(secret.as_str()), "{secret} in {masked}");
        }
    }
}
