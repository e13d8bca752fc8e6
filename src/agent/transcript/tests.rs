use super::*;
use crate::chat::{FunctionCall, ToolCall};
use Role::{Assistant, Tool, User};

fn calls(n: usize) -> Message {
    let call = |i: usize| ToolCall {
        id: format!("c{i}"),
        kind: "function".into(),
        function: FunctionCall { name: "list_dir".into(), arguments: "{}".into() },
        other: serde_json::Map::new(),
    };
    Message { tool_calls: (0..n).map(call).collect(), ..Message::new(Assistant, "") }
}

fn completed(new: Vec<Message>) -> Vec<Role> {
    let mut transcript = Transcript::new(None, History::default(), vec![Message::new(User, "hi")]);
    new.into_iter().for_each(|message| transcript.push(message));
    transcript.into_completed().iter().map(|message| message.role).collect()
}

#[test]
fn a_broken_turn_leaves_only_complete_exchanges() {
    assert_eq!(completed(vec![]), []);
    assert_eq!(completed(vec![calls(1)]), []);
    assert_eq!(completed(vec![calls(1), Message::tool_result("c0", "x")]), [User, Assistant, Tool]);
    assert_eq!(completed(vec![calls(2), Message::tool_result("c0", "x")]), []);
    let two = vec![calls(1), Message::tool_result("c0", "x"), calls(2), Message::tool_result("c0", "x")];
    assert_eq!(completed(two), [User, Assistant, Tool]);
}

/// Three exchanges, the second one with a tool.
fn conversation(summary: &str) -> Transcript {
    let said = |role, text: &str| Arc::new(Message::new(role, text.repeat(100)));
    let messages = vec![
        said(User, "a"),
        said(Assistant, "b"),
        said(User, "c"),
        Arc::new(calls(1)),
        Arc::new(Message::tool_result("c0", "d".repeat(100))),
        said(Assistant, "e"),
        said(User, "f"),
        said(Assistant, "g"),
    ];
    let history =
        History { messages: messages.into(), summary: summary.to_owned(), skip: 7, omitted: 2, corrupt: 0 };
    let prompt = Some(Arc::new(Message::new(Role::System, "prompt")));
    Transcript::new(prompt, history, vec![Message::new(User, "now")])
}

fn weight(transcript: &Transcript) -> u64 {
    transcript.messages().iter().map(|message| budget::weigh(message)).sum()
}

fn roles(transcript: &Transcript) -> Vec<Role> {
    transcript.messages().iter().map(|message| message.role).collect()
}

#[test]
fn a_cut_keeps_tool_calls_with_their_results() {
    let mut transcript = conversation("");
    assert_eq!(transcript.bytes(), weight(&transcript));
    assert_eq!(transcript.forgotten(), None);
    // After the first question and answer it would do, were there not a tool's result at the edge.
    let target = transcript.bytes() - 400;
    assert!(transcript.cut(target, Compaction::Budget));
    assert_eq!(roles(&transcript), [Role::System, Role::System, User, Assistant, User]);
    assert_eq!(transcript.bytes(), weight(&transcript));
    let (cut, forgotten) = transcript.forgotten().unwrap();
    assert_eq!((cut.messages, forgotten.since, forgotten.messages), (8, 7, 8));
    assert!(forgotten.summary.contains("8 earlier messages"), "{}", forgotten.summary);
    assert!(transcript.messages()[1].content.contains(&forgotten.summary));

    assert!(transcript.cut(0, Compaction::Overflow));
    assert_eq!(roles(&transcript), [Role::System, Role::System, User]);
    assert_eq!(transcript.forgotten().unwrap().0, Cut { trigger: Compaction::Overflow, messages: 10 });
    assert!(!transcript.cut(0, Compaction::Overflow), "the message of this turn stays");
    assert_eq!(transcript.bytes(), weight(&transcript));
}

#[test]
fn what_fits_is_not_cut_and_a_summary_stays() {
    let mut transcript = conversation("It was about letters.");
    let fits = transcript.bytes();
    assert!(!transcript.cut(fits, Compaction::Budget));
    assert!(transcript.cut(fits - 1, Compaction::Budget));
    let (cut, forgotten) = transcript.forgotten().unwrap();
    assert_eq!(cut.messages, 4);
    assert!(forgotten.summary.starts_with("It was about letters.\n\n[4 earlier"), "{}", forgotten.summary);
}
