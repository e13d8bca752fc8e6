//! After any load, all sinks tell the same story, and it is the driver's.

use std::io::BufRead;
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use crate::support::{Agent, Client, Gateway, wait_for};

const CALLERS: usize = 32;

/// What a message does, and what it must be counted as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    Success,
    Failure,
    Tool,
    UnknownTool,
    Timeout,
    Cancelled,
}

/// A mix in which every sort is common enough to go wrong.
fn sort(n: usize) -> Sort {
    match n % 50 {
        7 | 19 | 33 => Sort::Failure,
        3 | 11 | 23 | 41 => Sort::Tool,
        29 => Sort::UnknownTool,
        17 => Sort::Timeout,
        37 => Sort::Cancelled,
        _ => Sort::Success,
    }
}

fn text(sort: Sort) -> &'static str {
    match sort {
        Sort::Success => "hello there",
        Sort::Failure => "!fail auth",
        Sort::Tool => r#"!tool list_dir {"path":"."}"#,
        Sort::UnknownTool => "!tool invented {}",
        Sort::Timeout => "!fail timeout",
        Sort::Cancelled => "!pace 1s\none two three four five six seven eight nine ten",
    }
}

fn run(messages: usize, ring: usize) {
    let agent = Agent::start();
    let sinks = json!([
        { "type": "prometheus" },
        { "type": "newrelic" },
        { "type": "jsonlog", "buffer": { "max_events": 100_000, "max_bytes": 67_108_864 } },
        { "type": "datadog", "options": { "address": agent.address, "flush_interval_seconds": 0.5 } },
    ]);
    let gateway = Gateway::start(json!({
        "telemetry": { "sinks": sinks, "ring": ring },
        // Summaries are requests too; how many there are depends on when each one is done.
        "agents": { "defaults": { "max_llm_retries": 1, "summarize_message_threshold": 1_000_000 } },
    }));
    let before = gateway.scrape();
    let next = Arc::new(AtomicUsize::new(0));
    let port = gateway.port;
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let next = Arc::clone(&next);
            std::thread::spawn(move || call(port, caller, messages, &next))
        })
        .collect();
    callers.into_iter().for_each(|caller| caller.join().unwrap());
    let count = |wanted: Sort| (0..messages).filter(|n| sort(*n) == wanted).count() as f64;
    let cancelled = r#"picoclaw_turns_total{origin="user",status="cancelled"}"#;
    wait_for("the last cancellation", || {
        (gateway.scrape().get(cancelled) == count(Sort::Cancelled)).then_some(())
    });

    let all = messages as f64;
    let tools = count(Sort::Tool) + count(Sort::UnknownTool);
    let completed = count(Sort::Success) + tools;
    let errors = count(Sort::Failure) + 2.0 * count(Sort::Timeout);
    let requests = all + tools + count(Sort::Timeout);
    let replies = all - count(Sort::Cancelled);

    let scrape = gateway.scrape();
    let turns =
        |status: &str| scrape.get(&format!(r#"picoclaw_turns_total{{origin="user",status="{status}"}}"#));
    assert_eq!(scrape.get("picoclaw_messages_total"), all);
    assert_eq!((turns("completed"), turns("failed")), (completed, count(Sort::Failure)));
    assert_eq!((turns("timeout"), turns("cancelled")), (count(Sort::Timeout), count(Sort::Cancelled)));
    assert_eq!(scrape.get(r#"picoclaw_provider_requests_total{provider="echo"}"#), requests);
    assert_eq!(scrape.get(r#"picoclaw_provider_errors_total{provider="echo"}"#), errors);
    assert_eq!(scrape.get(r#"picoclaw_provider_retries_total{provider="echo"}"#), count(Sort::Timeout));
    assert_eq!(scrape.get(r#"picoclaw_tool_calls_total{tool="list_dir"}"#), count(Sort::Tool));
    assert_eq!(scrape.get("picoclaw_tool_calls_unknown_total"), count(Sort::UnknownTool));
    assert_eq!(scrape.get("picoclaw_response_time_seconds_count"), replies);
    assert_eq!(scrape.get(r#"picoclaw_session_writes_total{outcome="success"}"#), completed);
    assert_eq!(scrape.get("picoclaw_session_count"), CALLERS as f64);
    for gauge in ["picoclaw_messages_active", "picoclaw_queue_depth"] {
        assert_eq!(scrape.get(gauge), 0.0, "{gauge}");
    }
    assert_eq!(scrape.get(r#"picoclaw_provider_requests_active{provider="echo"}"#), 0.0);

    let health = gateway.health();
    assert_eq!(health["messages_total"].as_f64(), Some(all));
    assert_eq!(health["provider_errors_total"].as_f64(), Some(errors));
    assert_eq!(health["turns_completed_total"].as_f64(), Some(completed));

    let lagged = scrape.get(r#"picoclaw_sink_events_total{sink="jsonlog",outcome="lagged"}"#);
    wait_for("the log to have each event, or to say that it is missing", || {
        log_is_exact(&gateway).then_some(())
    });
    if ring < 64 {
        assert!(scrape.sum("picoclaw_sink_gaps_total") > 0.0, "the ring was meant to be too small");
    } else {
        assert_eq!(lagged, 0.0);
    }
    let home = gateway.stop();
    let heard = agent.stop();
    assert_eq!(heard.count("picoclaw.messages"), all);
    assert_eq!(heard.count("picoclaw.provider.errors"), errors);
    assert_eq!(heard.count("picoclaw.provider.requests"), requests);
    assert_eq!(heard.observations["picoclaw.response_time"] as f64, replies);
    assert_eq!(heard.count("picoclaw.tool_calls"), count(Sort::Tool));
    heard.assert_growth(&before, &scrape);

    let log = home.log();
    let of = |kind: &str| log.iter().filter(|line| line["kind"] == kind).count() as f64;
    if lagged == 0.0 && ring >= 64 {
        assert_eq!(of("channel.message.received"), all);
        assert_eq!(of("agent.turn.end"), all);
        assert_eq!(of("agent.llm.response"), requests);
        assert_eq!(of("channel.message.outbound_sent"), replies);
    }
    let numbers: Vec<u64> = log.iter().map(|line| line["seq"].as_u64().unwrap()).collect();
    assert!(numbers.iter().zip(1..).all(|(number, expected)| *number == expected));
}

/// Whether the log's lines are what `/metrics` says of the sink. That can only be while nothing happens: the events of
/// the gateway's end come after the last scrape.
fn log_is_exact(gateway: &Gateway) -> bool {
    let scrape = gateway.scrape();
    let events = |outcome: &str| {
        scrape.get(&format!(r#"picoclaw_sink_events_total{{sink="jsonlog",outcome="{outcome}"}}"#))
    };
    let log = gateway.home.log();
    let (gaps, lines): (Vec<_>, Vec<_>) = log.iter().partition(|line| line["kind"] == "log.gap");
    let missing: f64 = gaps.iter().map(|line| line["missing"].as_f64().unwrap()).sum();
    missing == events("lagged") + events("dropped")
        && lines.len() as f64 == events("delivered")
        && missing + lines.len() as f64 + events("filtered") == scrape.get("picoclaw_telemetry_events_total")
}

/// One caller: takes the next message until there are no more, in a session of its own.
fn call(port: u16, caller: usize, messages: usize, next: &AtomicUsize) {
    let mut client = Client::connect(port);
    loop {
        let n = next.fetch_add(1, Ordering::SeqCst);
        if n >= messages {
            return;
        }
        let sort = sort(n);
        let body = json!({
            "session_id": format!("caller-{caller}"),
            "messages": [{ "role": "user", "content": text(sort) }],
            "stream": sort == Sort::Cancelled,
        });
        client.send("POST", "/v1/chat/completions", &[], body.to_string().as_bytes()).unwrap();
        if sort == Sort::Cancelled {
            // The caller goes away in the middle of the answer.
            assert!(client.stream.fill_buf().unwrap().starts_with(b"HTTP/1.1 200"));
            client.stream.get_ref().shutdown(Shutdown::Both).unwrap();
            client = Client::connect(port);
            continue;
        }
        let answer = client.read(false).unwrap();
        let expected = match sort {
            Sort::Failure => 502,
            Sort::Timeout => 504,
            _ => 200,
        };
        assert_eq!(answer.status, expected, "{sort:?}: {}", answer.text());
    }
}

#[test]
fn five_thousand_mixed_messages_are_counted_exactly_everywhere() {
    run(5_000, 4096);
}

#[test]
fn totals_are_exact_even_when_the_ring_overflows_all_the_time() {
    run(1_500, 4);
}
