use serde_json::{Value, json};

use super::*;

fn answer(value: Value) -> wire::Answer {
    serde_json::from_value(value).expect("an answer")
}

fn assemble(chunks: impl IntoIterator<Item = Value>) -> Completion {
    let mut assembly = Answer::default();
    for chunk in chunks {
        assembly.add(answer(chunk)).expect("adds up");
    }
    assembly.complete()
}

fn delta(mut delta: Value) -> Value {
    let delta = delta.take();
    json!({"choices": [{"index": 0, "delta": delta, "finish_reason": null}]})
}

#[test]
fn pieces_add_up() {
    let completion = assemble([
        delta(json!({"role": "assistant", "content": ""})),
        delta(json!({"reasoning_content": "h", "content": null})),
        delta(json!({"reasoning": "m"})),
        delta(json!({"content": "Hel"})),
        delta(json!({"content": "lo", "tool_calls": null})),
        json!({"choices": [{"index": 1, "delta": {"content": "another"}}]}),
        json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "length"}], "usage": null}),
        json!({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 2.0, "total_tokens": 11}}),
    ]);
    assert_eq!(completion.content, "Hello");
    assert_eq!(completion.reasoning.as_deref(), Some("hm"));
    assert_eq!(completion.finish, FinishReason::Length);
    assert_eq!(completion.usage, Some(Usage::new(9, 2)));
}

#[test]
fn texts_come_in_parts_or_as_refusals() {
    let parts = json!([{"type": "thinking", "thinking": []}, {"type": "text", "text": "a"}, "b", null]);
    assert_eq!(assemble([delta(json!({"content": parts}))]).content, "ab");
    assert_eq!(assemble([delta(json!({"content": null, "refusal": "no"}))]).content, "no");
}

fn calls(fragments: impl IntoIterator<Item = Value>) -> Vec<(String, String, String)> {
    let completion = assemble(fragments.into_iter().map(|calls| delta(json!({"tool_calls": calls}))));
    assert_eq!(completion.finish, FinishReason::ToolCalls);
    let read = |call: ToolCall| (call.id, call.function.name, call.function.arguments);
    completion.tool_calls.into_iter().map(read).collect()
}

fn expected(list: &[(&str, &str, &str)]) -> Vec<(String, String, String)> {
    list.iter().map(|(id, name, arguments)| ((*id).into(), (*name).into(), (*arguments).into())).collect()
}

#[test]
fn fragments_of_calls_find_their_call() {
    let interleaved = calls([
        json!([{"index": 0, "id": "a", "type": "function", "function": {"name": "x", "arguments": ""}}]),
        json!([{"index": 1, "id": "b", "function": {"name": "y", "arguments": "{\"k\""}}]),
        json!([{"index": 0, "id": "", "function": {"name": null, "arguments": "{}"}}]),
        json!([{"index": 1, "function": {"name": "y", "arguments": ":1}"}}]),
    ]);
    assert_eq!(interleaved, expected(&[("a", "x", "{}"), ("b", "y", "{\"k\":1}")]));
}

#[test]
fn servers_without_indices_and_ids_are_understood() {
    let whole = calls([
        json!([{"id": "a", "function": {"name": "x", "arguments": "{"}}, {"function": {"arguments": "}"}}]),
        json!([{"function": {"name": "y", "arguments": {"k": 1}}}, {"function": {"name": "y"}}]),
        json!([{"id": "a", "function": {"arguments": " "}}]),
    ]);
    assert_eq!(whole, expected(&[("a", "x", "{} "), ("call_1", "y", "{\"k\":1}"), ("call_2", "y", "")]));
}

#[test]
fn calls_that_share_an_index_are_told_apart() {
    let both = calls([
        json!([{"index": 0, "id": "a", "function": {"name": "x", "arguments": "{}"}}]),
        json!([{"index": 0, "id": "b", "function": {"name": "x", "arguments": "{\"k\""}}]),
        json!([{"index": 0, "function": {"arguments": ":1}"}}]),
    ]);
    assert_eq!(both, expected(&[("a", "x", "{}"), ("b", "x", "{\"k\":1}")]));
    // Some give every fragment an id of its own.
    let one = calls([
        json!([{"index": 0, "id": "a", "function": {"name": "x", "arguments": "{\"k\""}}]),
        json!([{"index": 0, "id": "b", "function": {"name": "x", "arguments": ":1}"}}]),
        json!([{"index": 0, "id": "c", "function": {"name": null, "arguments": " "}}]),
    ]);
    assert_eq!(one, expected(&[("a", "x", "{\"k\":1} ")]));
}

#[test]
fn signatures_of_calls_are_kept() {
    let call = json!({"index": 0, "id": "a", "function": {"name": "x"}, "extra_content": {"google": 1}});
    let completion = assemble([delta(json!({"tool_calls": [call]}))]);
    assert_eq!(completion.tool_calls[0].other["extra_content"], json!({"google": 1}));
}

#[test]
fn faults_are_told() {
    let mut assembly = Answer::default();
    let failed = json!({"choices": [{"delta": {}, "finish_reason": "error"}]});
    assert_eq!(assembly.add(answer(failed)), Err(super::failed()));
    let many: Vec<Value> = (0..=MAX_CALLS).map(|index| json!({"index": index, "id": "x"})).collect();
    assert_eq!(assembly.add(answer(delta(json!({"tool_calls": many})))), Err(Fault::too_many_calls()));
}

#[test]
fn an_answer_without_choices_shows() {
    let mut assembly = Answer::default();
    for empty in [json!({}), json!({"choices": null}), json!({"choices": []})] {
        assembly.add(answer(empty)).expect("nothing to fault");
    }
    assert!(!assembly.has_begun() && !assembly.is_finished());
}
