use proptest::prelude::*;

use super::*;

fn parse(message: &str) -> Script {
    Script::parse(message).expect("understood")
}

fn problem(message: &str) -> String {
    Script::parse(message).expect_err("not understood").to_string()
}

#[test]
fn text_without_directives_stays_as_it_is() {
    for text in ["", " hello \r\n\n world\n", "what!", "!!bang"] {
        let script = parse(text);
        assert_eq!(script.text, text.strip_prefix('!').unwrap_or(text));
        assert!(!script.directed);
    }
}

#[test]
fn directives_are_taken_out_of_the_text() {
    let script = parse(
        "!slow 1.5s\r\nfirst\n!pace 50ms\n!cut 3\n  !second\n!hang\n!garbage\n!repeat 4\n!tokens 10 20",
    );
    assert_eq!(script.text, "first\n  !second");
    assert_eq!((script.slow, script.pace), (Duration::from_millis(1500), Duration::from_millis(50)));
    assert_eq!((script.cut, script.repeat), (Some(3), 4));
    assert!(script.hang && script.garbage && script.directed);
    assert_eq!(script.tokens, Some(Usage::new(10, 20)));
    assert_eq!(parse("!slow 2m\n\nparagraph").text, "\nparagraph".trim_start_matches('\n'));
}

#[test]
fn tool_calls_carry_whatever_the_line_says() {
    let script = parse("!tool read_file  {\"path\": \"a b\"}\n!tool list_dir\n!tool x {broken\n!again 2");
    let calls: Vec<_> =
        script.calls.iter().map(|call| (call.name.as_str(), call.arguments.as_str())).collect();
    assert_eq!(calls, [("read_file", "{\"path\": \"a b\"}"), ("list_dir", "{}"), ("x", "{broken")]);
    assert_eq!(script.rounds, 3);
    assert_eq!(parse("!tool x\n!again").rounds, u32::MAX);
    assert!(problem(&"!tool x\n".repeat(65)).contains("64"));
}

#[test]
fn failures_are_words_or_statuses() {
    let fail = |text: &str| parse(&format!("!fail {text}")).fail.expect("failure");
    for reason in FailureReason::ALL {
        assert_eq!(fail(reason.as_str()).reason, *reason);
        if let Some(status) = usual_status(*reason).filter(|status| *status > 400) {
            assert_eq!(fail(&status.to_string()).reason, *reason);
        }
    }
    let wait = Some(Duration::from_secs(2));
    let expected =
        Failure { reason: FailureReason::RateLimit, status: Some(429), retry_after: wait, times: Some(3) };
    assert_eq!(fail("429 2s 3"), expected);
    assert_eq!(fail("rate_limit 3 2s"), expected);
    assert_eq!(fail("529").reason, FailureReason::Overloaded);
}

#[test]
fn mistakes_are_explained_with_every_directive() {
    for message in [
        "!",
        "!fial",
        "!slow",
        "!slow 3",
        "!slow -1s",
        "!slow 61m",
        "!slow NaNs",
        "!fail",
        "!fail 200",
        "!fail oops",
        "!fail server often",
        "!hang now",
        "!cut",
        "!cut -1",
        "!tool",
        "!repeat x",
        "!tokens 1",
        "!tokens 1 x",
        "! slow",
        "!again x",
    ] {
        let problem = problem(message);
        assert!(problem.contains(&format!("`{}`", message.replace("! ", "!"))), "{problem}");
        assert!(problem.contains("!tool NAME {json}"), "{problem}");
    }
}

proptest! {
    #[test]
    fn any_message_is_survived(message in "(?s)([!a-z0-9 \n{}\"]|.){0,80}") {
        let _ = Script::parse(&message);
    }
}
