//! Tools of servers with many: the model is shown them when it has searched for them.

use serde_json::{Value, json};

use crate::mcp::program;
use crate::support::{Behaviour, Gateway, Upstream, wait_for};

/// The model searches.
const SEARCH: &str = r#"{"id":"x","object":"chat.completion","model":"m","choices":[{"index":0,"finish_reason":"tool_calls","message":{"role":"assistant","content":"","tool_calls":[{"id":"c1","type":"function","function":{"name":"tool_search_tool_bm25","arguments":"{\"query\":\"crash\"}"}}]}}],"usage":{"prompt_tokens":1,"completion_tokens":1}}"#;

/// The tools of servers that the model was shown with the last request.
fn shown(upstream: &Upstream) -> Vec<String> {
    let last = upstream.last();
    let names = last["tools"].as_array().unwrap().iter().filter_map(|tool| tool["function"]["name"].as_str());
    names.filter(|name| name.starts_with("mcp_")).map(str::to_owned).collect()
}

fn start(upstream: &Upstream, discovery: Value, servers: Value) -> Gateway {
    let gateway = Gateway::start(json!({
        "model_list": [upstream.model("m", "mock")],
        "agents": { "defaults": { "llm_retry_backoff_secs": 0, "max_llm_retries": 0 } },
        "tools": { "mcp": { "enabled": true, "discovery": discovery, "servers": servers } },
    }));
    wait_for("the tools", || gateway.chat("c", "/list tools").contains("mcp_fix_echo").then_some(()));
    gateway
}

#[test]
fn hidden_tools_are_shown_when_they_were_found_and_for_some_turns() {
    let upstream = Upstream::start(&[
        Behaviour::Answer("nothing yet"),
        Behaviour::Status(200, "", SEARCH),
        Behaviour::Answer("found"),
    ]);
    let gateway = start(&upstream, json!({ "enabled": true, "ttl": 2 }), json!({ "fix": program(&[]) }));
    gateway.chat("s", "hello");
    assert!(shown(&upstream).is_empty(), "{:?}", shown(&upstream));
    let tools = upstream.last()["tools"].to_string();
    assert!(tools.contains("tool_search_tool_bm25") && !tools.contains("tool_search_tool_regex"), "{tools}");
    assert!(tools.contains("There are tools of: fix (9)."), "{tools}");

    assert_eq!(gateway.chat("s", "look"), "found");
    assert_eq!(shown(&upstream), ["mcp_fix_crash"]);
    gateway.chat("other", "hello");
    assert!(shown(&upstream).is_empty(), "another conversation has not searched");
    gateway.chat("s", "again");
    assert_eq!(shown(&upstream), ["mcp_fix_crash"], "two turns");
    gateway.chat("s", "again");
    assert!(shown(&upstream).is_empty(), "two turns are over");
    let results = r#"picoclaw_tool_results_total{tool="tool_search_tool_bm25",status="success"}"#;
    assert_eq!(gateway.scrape().get(results), 1.0);
}

#[test]
fn a_server_may_be_shown_at_once_although_others_are_not() {
    let upstream = Upstream::start(&[Behaviour::Answer("fine")]);
    let mut open = program(&[]);
    open["deferred"] = json!(false);
    let servers = json!({ "fix": program(&[]), "open": open });
    let gateway = start(&upstream, json!({ "enabled": true, "use_regex": true }), servers);
    wait_for("the other server", || {
        gateway.chat("s", "hello");
        (!shown(&upstream).is_empty()).then_some(())
    });
    assert!(shown(&upstream).iter().all(|name| name.starts_with("mcp_open_")), "{:?}", shown(&upstream));
    assert!(upstream.last()["tools"].to_string().contains("tool_search_tool_regex"));
}

#[test]
fn a_hidden_tool_that_is_called_from_memory_works() {
    let gateway = Gateway::start(json!({ "tools": { "mcp": {
        "enabled": true, "discovery": { "enabled": true }, "servers": { "fix": program(&[]) },
    } } }));
    let call = r#"!tool mcp_fix_echo {"text":"still here"}"#;
    wait_for("the tool", || gateway.chat("s", call).contains("still here").then_some(()));
    let unknown = gateway.chat("s", "!tool mcp_fix_invented {}");
    assert!(unknown.contains("There is no tool named") && !unknown.contains("mcp_fix_echo"), "{unknown}");
}
