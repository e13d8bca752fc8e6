//! Hooks watch and change what the agent does, and none of them can stall it.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Gateway, Home, wait_for};

/// Answers every call with what the environment says for its stage, and notes every line that it reads.
const HOOK: &str = r#"
import json, os, sys, time
notes = open(os.environ["NOTES"], "a")
answers = json.loads(os.environ.get("ANSWERS", "{}"))
for line in sys.stdin:
    notes.write(line)
    notes.flush()
    message = json.loads(line)
    if "id" not in message:
        continue
    stage = message["method"].removeprefix("hook.")
    answer = answers.get(stage, {"action": "continue", "approved": True})
    if answer == "hang":
        continue
    if answer == "die":
        sys.exit(3)
    if isinstance(answer, str):
        print(answer, flush=True)
        continue
    print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": answer}), flush=True)
"#;

const ALL: [&str; 5] = ["before_llm", "after_llm", "before_tool", "after_tool", "approve_tool"];

/// A gateway with one hook that gives these answers.
fn gateway(answers: Value, intercept: &[&str], observe: &[&str]) -> Gateway {
    let home = Home::new(json!({}));
    configure(&home, answers, intercept, observe);
    Gateway::start_in(home)
}

fn configure(home: &Home, answers: Value, intercept: &[&str], observe: &[&str]) {
    fs::write(home.join("hook.py"), HOOK).unwrap();
    fs::create_dir_all(home.join("workspace")).unwrap();
    home.configure(json!({ "hooks": {
        "defaults": { "interceptor_timeout_ms": 1000, "approval_timeout_ms": 1000 },
        "processes": { "guard": {
            "enabled": true,
            "command": ["python3", home.join("hook.py")],
            "env": { "ANSWERS": answers.to_string(), "NOTES": home.join("notes") },
            "intercept": intercept,
            "observe": observe,
        } },
    } }));
}

fn notes(gateway: &Gateway) -> Vec<Value> {
    let text = fs::read_to_string(gateway.home.join("notes")).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn calls(gateway: &Gateway, outcome: &str) -> f64 {
    gateway.scrape().get(&format!(r#"picoclaw_hook_calls_total{{hook="guard",outcome="{outcome}"}}"#))
}

const LIST: &str = r#"!tool list_dir {"path":"."}"#;

#[test]
fn a_hook_is_asked_at_every_stage_and_may_say_nothing() {
    let gateway = gateway(json!({}), &ALL, &[]);
    gateway.chat("s", LIST);
    let methods: Vec<String> =
        notes(&gateway).iter().map(|note| note["method"].as_str().unwrap().to_owned()).collect();
    assert_eq!(
        methods,
        [
            "hook.hello",
            "hook.before_llm",
            "hook.after_llm",
            "hook.before_tool",
            "hook.approve_tool",
            "hook.after_tool",
            "hook.before_llm",
            "hook.after_llm"
        ]
    );
    let hello = notes(&gateway)[0].clone();
    assert_eq!(
        hello["params"],
        json!({ "name": "guard", "version": 1, "modes": ["llm", "tool", "approve"] })
    );
    let before_tool = notes(&gateway)[3].clone();
    assert_eq!(before_tool["params"]["tool"], "list_dir");
    assert_eq!(before_tool["params"]["arguments"], json!({ "path": "." }));
    assert_eq!(calls(&gateway, "ok"), 7.0);
    assert_eq!(gateway.scrape().get(r#"picoclaw_hook_up{hook="guard"}"#), 1.0);
    assert_eq!(gateway.scrape().get(r#"picoclaw_hook_call_duration_seconds_count{hook="guard"}"#), 7.0);
}

#[test]
fn what_a_hook_decides_is_done() {
    let changed =
        json!({ "action": "modify", "request": { "messages": [{ "role": "user", "content": "changed" }] } });
    let gateway1 = gateway(json!({ "before_llm": changed }), &["before_llm"], &[]);
    assert_eq!(gateway1.chat("s", "original"), "changed");

    let answer = json!({ "action": "modify", "response": { "response": { "content": "another" } } });
    let gateway2 = gateway(json!({ "after_llm": answer }), &["after_llm"], &[]);
    assert_eq!(gateway2.chat("s", "original"), "another");
    let body = json!({ "stream": true, "messages": [{ "role": "user", "content": "original" }] });
    let streamed = gateway2.post("/v1/chat/completions", &[], &body.to_string()).text();
    assert!(streamed.contains("another") && !streamed.contains("original"), "{streamed}");

    let denied = json!({ "action": "deny_tool", "reason": "not today" });
    let gateway3 = gateway(json!({ "before_tool": denied }), &["before_tool"], &[]);
    assert!(gateway3.chat("s", LIST).contains("not today"));
    let series = r#"picoclaw_tool_results_total{tool="list_dir",status="denied"}"#;
    assert_eq!(gateway3.scrape().get(series), 1.0);

    let refused = json!({ "approved": false, "reason": "ask me first" });
    let gateway4 = gateway(json!({ "approve_tool": refused }), &["approve_tool"], &[]);
    assert!(gateway4.chat("s", LIST).contains("ask me first"));
    assert_eq!(gateway4.scrape().get(series), 1.0);

    let own = json!({ "action": "respond", "result": { "for_llm": "from the hook" } });
    let gateway5 = gateway(json!({ "before_tool": own }), &["before_tool"], &[]);
    assert!(gateway5.chat("s", "!tool of_the_hook {}").contains("from the hook"));

    let after = json!({ "action": "modify", "result": { "result": { "for_llm": "veiled" } } });
    let gateway6 = gateway(json!({ "after_tool": after }), &["after_tool"], &[]);
    assert!(gateway6.chat("s", LIST).contains("veiled"));

    let abort = json!({ "action": "abort_turn", "reason": "enough" });
    let gateway7 = gateway(json!({ "before_llm": abort }), &["before_llm"], &[]);
    let answer = gateway7.say("s", "x");
    assert!(answer.status >= 500 && answer.text().contains("enough"), "{}", answer.text());
    assert_eq!(gateway7.scrape().get(r#"picoclaw_turns_total{origin="user",status="failed"}"#), 1.0);
    assert_eq!(gateway7.scrape().sum("picoclaw_provider_errors_total"), 0.0, "no provider is to blame");
}

#[test]
fn a_hook_that_fails_changes_nothing_but_who_must_approve_has_not() {
    let gateway1 = gateway(json!({ "before_llm": "hang" }), &["before_llm"], &[]);
    assert_eq!(gateway1.chat("s", "goes on"), "goes on");
    assert_eq!(calls(&gateway1, "timeout"), 1.0);

    let gateway2 = gateway(json!({ "approve_tool": "hang" }), &["approve_tool"], &[]);
    assert!(gateway2.chat("s", LIST).contains("no approval"));

    let gateway3 = gateway(json!({ "before_llm": { "action": "explode" } }), &["before_llm"], &[]);
    assert_eq!(gateway3.chat("s", "goes on"), "goes on");

    // It dies each time that it is asked, and comes back.
    let gateway4 = gateway(json!({ "before_llm": "die" }), &["before_llm"], &[]);
    wait_for("the hook", || {
        (gateway4.scrape().get(r#"picoclaw_hook_up{hook="guard"}"#) == 1.0).then_some(())
    });
    assert_eq!(gateway4.chat("s", "goes on"), "goes on");
    wait_for("its end to be noticed", || {
        (gateway4.scrape().get(r#"picoclaw_hook_failures_total{hook="guard"}"#) >= 1.0).then_some(())
    });
    wait_for("it to be back", || {
        (gateway4.scrape().get(r#"picoclaw_hook_up{hook="guard"}"#) == 1.0).then_some(())
    });
}

#[test]
fn a_hook_hears_of_what_it_wants_to() {
    let gateway = gateway(json!({}), &[], &["agent.turn.*"]);
    wait_for("the hook", || (gateway.scrape().get(r#"picoclaw_hook_up{hook="guard"}"#) == 1.0).then_some(()));
    gateway.chat("s", LIST);
    let heard = wait_for("the end of the turn", || {
        let kinds: Vec<Value> = notes(&gateway).iter().map(|note| note["params"]["kind"].clone()).collect();
        kinds.contains(&json!("agent.turn.end")).then_some(kinds)
    });
    assert_eq!(heard[1..], [json!("agent.turn.start"), json!("agent.turn.end")]);
    let end = notes(&gateway)[2].clone();
    assert!(end.get("id").is_none() && end["params"]["payload"]["status"] == "completed", "{end}");
    assert_eq!(end["params"]["scope"]["channel"], "http");
}

#[test]
fn what_a_hook_hears_names_the_agent_where_it_is_known_and_no_other() {
    let home = Home::new(json!({}));
    configure(&home, json!({}), &[], &["*"]);
    let mut config: Value =
        serde_json::from_str(&fs::read_to_string(home.join("config.json")).unwrap()).unwrap();
    config["agents"] = json!({
        "list": [{ "id": "front", "default": true }, { "id": "support" }],
        "dispatch": { "rules": [{ "agent": "support", "when": { "chat": "direct:help" } }] },
    });
    home.configure(config);
    let gateway = Gateway::start_in(home);
    wait_for("the hook", || (gateway.scrape().get(r#"picoclaw_hook_up{hook="guard"}"#) == 1.0).then_some(()));
    gateway.chat("help", LIST);
    let agents = |kind: &str| -> Vec<Value> {
        let of_kind = notes(&gateway).into_iter().filter(|note| note["params"]["kind"] == kind);
        of_kind.map(|note| note["params"]["scope"]["agent_id"].clone()).collect()
    };
    wait_for("the reply", || (!agents("channel.message.outbound_sent").is_empty()).then_some(()));
    for kind in ["agent.turn.start", "agent.tool.exec_start", "agent.tool.exec_end", "agent.turn.end"] {
        assert_eq!(agents(kind), ["support"], "{kind}");
    }
    for kind in ["channel.message.received", "channel.message.outbound_sent"] {
        assert_eq!(agents(kind), [Value::Null], "{kind}");
    }
}

#[test]
fn hooks_come_and_go_with_a_reload() {
    let gateway = Gateway::start(json!({}));
    let denied = json!({ "action": "deny_tool", "reason": "not today" });
    configure(&gateway.home, json!({ "before_tool": denied }), &["before_tool"], &[]);
    assert_eq!(gateway.reload().status, 200);
    assert!(gateway.chat("s", LIST).contains("not today"));
    let process = gateway.children();
    assert_eq!(process.len(), 1);
    gateway.home.configure(json!({}));
    assert_eq!(gateway.reload().status, 200);
    assert!(!gateway.chat("s", LIST).contains("not today"));
    assert!(gateway.scrape().get(r#"picoclaw_hook_up{hook="guard"}"#).is_nan(), "it is not down but gone");
    wait_for("its process to end", || gateway.children().is_empty().then_some(()));
}

#[test]
fn a_hook_that_cannot_be_started_is_said() {
    let missing =
        json!({ "enabled": true, "command": ["/nowhere/hook"], "intercept": ["before_llm", "approve_tool"] });
    let gateway = Gateway::start(json!({ "hooks": { "processes": { "guard": missing } } }));
    wait_for("the complaint", || {
        (gateway.scrape().get(r#"picoclaw_hook_failures_total{hook="guard"}"#) >= 1.0).then_some(())
    });
    assert_eq!(gateway.chat("s", "goes on"), "goes on");
    assert!(calls(&gateway, "unavailable") >= 1.0);
}
