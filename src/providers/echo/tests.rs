use proptest::prelude::*;

use super::*;
use crate::chat::{NO_TOOLS, Sampling};

struct Heard(Vec<String>);

#[async_trait]
impl Deltas for Heard {
    async fn push(&mut self, delta: Delta) {
        match delta {
            Delta::Text(text) => self.0.push(text),
            Delta::Reasoning(text) => panic!("echo does not reason: {text}"),
        }
    }
}

async fn ask(
    messages: &[Message],
    stream: bool,
    attempt: u32,
) -> (Result<Completion, ProviderError>, Vec<String>) {
    let messages: Vec<&Message> = messages.iter().collect();
    let sampling = Sampling::default();
    let request = ChatRequest {
        model: "echo",
        messages: &messages,
        tools: &NO_TOOLS,
        sampling: &sampling,
        stream,
        attempt,
    };
    let mut heard = Heard(Vec::new());
    let answer = Echo::new(Duration::from_secs(120)).complete(&request, &mut heard).await;
    (answer, heard.0)
}

async fn say(text: &str) -> Completion {
    ask(&[Message::new(Role::User, text)], false, 0).await.0.expect("an answer")
}

async fn fail(text: &str, stream: bool, attempt: u32) -> ProviderError {
    ask(&[Message::new(Role::User, text)], stream, attempt).await.0.expect_err("a failure")
}

#[tokio::test]
async fn repeats_the_last_message_and_counts_words() {
    let history = [
        Message::new(Role::System, "be brief"),
        Message::new(Role::User, "one"),
        Message::new(Role::Assistant, "one"),
        Message::new(Role::User, "  two words\nhere "),
    ];
    let (answer, heard) = ask(&history, true, 0).await;
    let answer = answer.expect("an answer");
    assert_eq!(answer.content, "  two words\nhere ");
    assert_eq!(heard, ["  two ", "words\n", "here "]);
    assert_eq!(answer.usage, Some(Usage::new(7, 3)));
    assert_eq!(answer.finish, FinishReason::Stop);
    assert!(answer.time_to_first_token.is_some());
    let (whole, heard) = ask(&history, false, 0).await;
    assert_eq!(whole.expect("an answer").content, answer.content);
    assert!(heard.is_empty());
}

#[tokio::test]
async fn introduces_itself_in_one_line_and_explains_mistakes() {
    for text in ["", "  ", "Help"] {
        let welcome = say(text).await.content;
        assert!(
            welcome.contains("echo") && welcome.contains("model_list") && !welcome.contains('\n'),
            "{welcome}"
        );
    }
    assert!(say("!fial 500").await.content.contains("!fail REASON"));
    assert_eq!(say("!tokens 7 8").await.usage, Some(Usage::new(7, 8)));
    assert_eq!(say("!pace 1ms").await.content, "Done.");
    assert!(ask(&[], false, 0).await.0.is_ok());
}

#[tokio::test]
async fn repeats_within_bounds() {
    assert_eq!(say("!repeat 3\nla").await.content, "la la la");
    assert_eq!(say("!repeat 99999999999\nlä lö").await.content.len(), MAX_ANSWER);
    assert_eq!(say("!repeat 0\nla").await.content, "");
}

#[tokio::test]
async fn honours_the_longest_answer() {
    let user = Message::new(Role::User, "a b c");
    let sampling = Sampling { max_tokens: Some(2), ..Sampling::default() };
    let request = ChatRequest {
        model: "echo",
        messages: &[&user],
        tools: &NO_TOOLS,
        sampling: &sampling,
        stream: false,
        attempt: 0,
    };
    let provider = Echo::new(Duration::from_secs(1));
    let answer = provider.complete(&request, &mut super::super::Discard).await.expect("an answer");
    assert_eq!((answer.content.as_str(), answer.finish), ("a b ", FinishReason::Length));
}

#[tokio::test]
async fn fails_as_told_for_as_many_attempts_as_told() {
    let error = fail("!fail 429 2s 2", false, 1).await;
    assert_eq!((error.reason, error.status), (FailureReason::RateLimit, Some(429)));
    assert_eq!(error.retry_after, Some(Duration::from_secs(2)));
    assert!(error.is_transient() && error.message.contains("!fail"));
    let message = [Message::new(Role::User, "!fail 429 2s 2\nfine")];
    assert_eq!(ask(&message, false, 2).await.0.expect("an answer").content, "fine");
    assert_eq!(fail("!fail auth", false, 1000).await.reason, FailureReason::Auth);
    assert_eq!(fail("!garbage", false, 0).await.reason, FailureReason::BadResponse);
}

#[tokio::test]
async fn breaks_off_after_the_words_told() {
    let (answer, heard) = ask(&[Message::new(Role::User, "!cut 2\na b c d")], true, 0).await;
    let error = answer.expect_err("a failure");
    assert_eq!(
        (error.reason, error.partial, heard.concat().as_str()),
        (FailureReason::CutStream, true, "a b ")
    );
    assert!(!fail("!cut 2\na b c", false, 0).await.partial);
    assert!(fail("!cut 0\na", true, 0).await.is_transient());
    // A cut behind the end is a cut all the same.
    assert_eq!(fail("!cut 9\na", true, 0).await.reason, FailureReason::CutStream);
}

#[tokio::test(start_paused = true)]
async fn waits_as_told_and_never_longer_than_the_timeout() {
    let started = Instant::now();
    let (answer, _) = ask(&[Message::new(Role::User, "!slow 3s\n!pace 50ms\na b c")], true, 0).await;
    assert_eq!(answer.expect("an answer").time_to_first_token, Some(Duration::from_secs(3)));
    assert_eq!(started.elapsed(), Duration::from_millis(3100));

    for (text, partial) in [("!hang", false), ("!slow 2m", false), ("!pace 5m\na b", true)] {
        let started = Instant::now();
        let error = fail(text, true, 0).await;
        assert_eq!((error.reason, error.partial), (FailureReason::Timeout, partial), "{text}");
        assert_eq!(started.elapsed(), Duration::from_secs(120), "{text}");
    }
}

#[tokio::test]
async fn calls_tools_and_answers_with_their_results() {
    let mut history = vec![Message::new(
        Role::User,
        "!fail 500 0\n!tool list_dir {\"path\": \".\"}\n!tool x\n!again 1\nso:",
    )];
    let mut ids = Vec::new();
    for _ in 0..2 {
        let answer = ask(&history, false, 0).await.0.expect("calls");
        assert_eq!((answer.finish, answer.content.as_str()), (FinishReason::ToolCalls, ""));
        assert_eq!(answer.tool_calls[0].function.arguments, "{\"path\": \".\"}");
        assert!(answer.usage.is_some_and(|usage| usage.output == 5));
        ids.extend(answer.tool_calls.iter().map(|call| call.id.clone()));
        let results: Vec<_> = answer
            .tool_calls
            .iter()
            .map(|call| Message::tool_result(&call.id, &call.function.name))
            .collect();
        history.push(Message { tool_calls: answer.tool_calls, ..Message::new(Role::Assistant, "") });
        history.extend(results);
    }
    let answer = ask(&history, false, 0).await.0.expect("an answer");
    assert_eq!(answer.content, "so:\nlist_dir\nx\nlist_dir\nx");
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 4);
}

#[tokio::test]
async fn things_go_wrong_before_the_tools_only() {
    let message = Message::new(Role::User, "!fail 500 1\n!tool x");
    let call = ask(std::slice::from_ref(&message), false, 1).await.0.expect("a call").tool_calls;
    let result = Message::tool_result(&call[0].id, "result");
    let history = [message, Message { tool_calls: call, ..Message::new(Role::Assistant, "") }, result];
    assert_eq!(ask(&history, false, 0).await.0.expect("an answer").content, "result");
}

proptest! {
    #[test]
    fn pieces_are_words_and_make_up_the_text(text in "(?s)[ \n\tä.b]{0,40}") {
        let pieces: Vec<_> = pieces(&text).collect();
        prop_assert_eq!(pieces.concat(), text.clone());
        let words = text.split_whitespace().count();
        prop_assert_eq!(pieces.len(), words.max(usize::from(!text.is_empty())));
    }
}
