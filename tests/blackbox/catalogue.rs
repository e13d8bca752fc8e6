//! Every documented metric moves when what it tells of happens.

use std::collections::BTreeMap;
use std::fs;
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use picoclaw_telemetry::{Metric, MetricKind};
use serde_json::{Value, json};

use crate::support::{
    Agent, Behaviour, BotApi, Client, Fault, Gateway, Home, Scrape, Socket, Upstream, library, wait_for,
};

/// Says hello, hears nothing, and ends after a moment, again and again.
const HOOK: &str = r#"read line; echo '{"id":1,"result":{}}'; sleep 1"#;

const CHAT: &str = "/v1/chat/completions";

/// Metrics whose movement proves nothing, and what is checked instead.
const CONSTANT: [Metric; 12] = [
    // It beats a second after the start, before anybody could look: the tests of jobs see it.
    Metric::HeartbeatsTotal,
    // A disk that hangs, or takes no metadata: the tests of both say so.
    Metric::SessionDiskWait,
    Metric::SessionUpkeepFailuresTotal,
    // Only a defect of a sink moves it: the tests of the supervisor make sinks panic.
    Metric::SinkRestartsTotal,
    // These move by themselves; compared with what the system says of the process.
    Metric::EventLoopLag,
    Metric::ProcessCpu,
    Metric::ProcessResident,
    Metric::BuildInfo,
    Metric::ProcessStart,
    Metric::ProcessMaxFds,
    Metric::ProcessVirtual,
    Metric::ProcessThreads,
];

/// The series of a metric; of a histogram, how often something was observed.
fn series(scrape: &Scrape, metric: Metric) -> BTreeMap<String, f64> {
    let info = metric.info();
    let name = match info.kind {
        MetricKind::Histogram(_) => format!("{}_count", info.name),
        MetricKind::Counter | MetricKind::Gauge => info.name.to_owned(),
    };
    scrape.family(&name).map(|(name, value)| (name.to_owned(), value)).collect()
}

/// What has been seen to move.
struct Proof<'a> {
    gateway: &'a Gateway,
    moved: Vec<Metric>,
}

impl Proof<'_> {
    /// Does something and waits until it shows in all of these metrics.
    fn of(&mut self, metrics: &[Metric], action: impl FnOnce()) {
        self.of_growth(metrics, f64::NEG_INFINITY, action);
    }

    /// The same of metrics that also move by themselves: all series together must grow by this much.
    fn of_growth(&mut self, metrics: &[Metric], least: f64, action: impl FnOnce()) {
        let before = self.gateway.scrape();
        action();
        for metric in metrics {
            let then = series(&before, *metric);
            wait_for(metric.info().name, || {
                let now = series(&self.gateway.scrape(), *metric);
                if metric.info().kind != MetricKind::Gauge {
                    // A series may come into being, but none goes back or away.
                    assert!(then.iter().all(|(name, value)| now[name] >= *value), "{then:?} {now:?}");
                }
                let growth = now.values().sum::<f64>() - then.values().sum::<f64>();
                (now != then && growth >= least).then_some(())
            });
        }
        self.moved.extend(metrics);
    }
}

fn config(
    agent: &Agent,
    network: &BotApi,
    audit: &Path,
    drill: &Path,
    upstream: &Upstream,
    paid: &Upstream,
    models: usize,
) -> Value {
    let many = models > 1;
    let echo = |n| json!({ "model_name": format!("model-{n}"), "provider": "echo", "model": "echo" });
    let mut models: Vec<Value> = (0..models).map(echo).collect();
    models.insert(1, upstream.model("refused", "openai"));
    let mut paid = paid.model("paid", "groq");
    paid["price"] = json!({ "input_per_million": 1, "output_per_million": 2 });
    models.insert(1, paid.clone());
    paid["model_name"] = json!("unpriced");
    paid.as_object_mut().unwrap().remove("price");
    models.insert(1, paid);
    models.insert(1, json!({ "model_name": "limited", "model": "echo/echo", "rpm": 60 }));
    json!({
        "model_list": models,
        // A threshold that leaves every message to the usual model.
        "agents": { "defaults": { "routing": { "enabled": true, "light_model": "model-0", "threshold": 0 } } },
        "tools": {
            "media_cleanup": { "interval_minutes": 0.005 },
            "mcp": { "enabled": true, "servers": {
                "late": { "enabled": true, "command": audit.with_file_name("mcp-server") },
            } },
            "plugins": { "drill": {
                "path": drill,
                "config": { "drill": if many { "refuse_create" } else { "nothing" } },
            } },
        },
        "channel_list": {
            "pico": { "enabled": true, "settings": { "token": "t", "allow_token_query": true } },
            "telegram": network.channel(),
        },
        "hooks": { "defaults": { "observer_timeout_ms": 1 }, "processes": { "deaf": {
            "enabled": true, "observe": ["*"], "intercept": ["after_tool"],
            "command": ["sh", "-c", HOOK],
        } } },
        "telemetry": { "ring": 4, "sinks": [
            { "type": "prometheus" },
            { "type": "newrelic" },
            { "type": "datadog", "options": { "address": agent.address, "flush_interval_seconds": 0.2 } },
            { "type": "jsonlog", "name": "audit", "options": { "path": audit, "level": "debug" },
              "buffer": { "max_events": 20 }, "retry": { "initial_ms": 10, "max_ms": 50 } },
        ] },
    })
}

/// Puts a program there, at once.
fn install_mcp_server(path: &Path) {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/blackbox/support/mcp_server.py");
    let new = path.with_extension("new");
    fs::write(&new, format!("#!/bin/sh\nexec python3 '{}'\n", fixture.display())).unwrap();
    fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).unwrap();
    fs::rename(new, path).unwrap();
}

/// The file of the only session.
fn only_session(home: &Home) -> PathBuf {
    let files = fs::read_dir(home.join("workspace/sessions")).unwrap().map(|file| file.unwrap().path());
    let mut sessions = files.filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
    sessions.next().unwrap()
}

/// Sends a message and leaves it unanswered.
fn begin(gateway: &Gateway, session: &str, text: &str) -> Client {
    let mut client = gateway.client();
    let body = json!({ "session_id": session, "messages": [{ "role": "user", "content": text }] });
    client.send("POST", CHAT, &[], body.to_string().as_bytes()).unwrap();
    client
}

/// Does something while many callers send messages.
fn under_load(gateway: &Gateway, action: impl FnOnce()) {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for caller in 0..16 {
            let done = &done;
            scope.spawn(move || {
                while !done.load(Ordering::SeqCst) {
                    gateway.chat(&format!("caller-{caller}"), "x");
                }
            });
        }
        // Should the action fail, the callers must end too.
        let result = catch_unwind(AssertUnwindSafe(action));
        done.store(true, Ordering::SeqCst);
        result.unwrap_or_else(|failure| resume_unwind(failure));
    });
}

#[test]
fn every_metric_moves() {
    let agent = Agent::start();
    let network = BotApi::start();
    let upstream = Upstream::start(&[Behaviour::Status(401, "Retry-After: 2\r\n", "{}")]);
    let paid = Upstream::start(&[Behaviour::Status(
        200,
        "",
        r#"{"choices":[{"message":{"content":"x"}}],"usage":{"prompt_tokens":9,"completion_tokens":1,
            "prompt_tokens_details":{"cached_tokens":4}}}"#,
    )]);
    let home = Home::new(json!({}));
    let disk = home.join("disk");
    let audit = disk.join("audit.log");
    let drill = library(&home, "drill");
    home.configure(config(&agent, &network, &audit, &drill, &upstream, &paid, 1));
    // A session of before this start, whose file cannot be read.
    let gateway = Gateway::start_in(home);
    gateway.chat("unreadable", "x");
    let home = gateway.stop();
    let file = only_session(&home);
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    let gateway = Gateway::start_in(home);
    // The bot is not there at once.
    let well = r#"picoclaw_channel_up{channel="telegram"}"#;
    wait_for("all channels", || (gateway.scrape().get(well) == 1.0).then_some(()));
    let mut proof = Proof { gateway: &gateway, moved: Vec::new() };

    proof.of(
        &[
            Metric::MessagesTotal,
            Metric::ChannelMessagesTotal,
            Metric::ChannelLastActivity,
            Metric::TurnsTotal,
            Metric::AgentTurnsTotal,
            Metric::TurnsRoutedTotal,
            Metric::ResponseTime,
            Metric::ProviderRequestsTotal,
            Metric::ProviderRequestDuration,
            Metric::ProviderTokensTotal,
            Metric::ProviderLastSuccess,
            Metric::SessionCount,
            Metric::SessionWritesTotal,
            Metric::SessionWriteDuration,
            Metric::LogLinesTotal,
            Metric::TelemetryEventsTotal,
            Metric::SinkEventsTotal,
            Metric::SinkLastSuccess,
            Metric::SinkFlushSeconds,
        ],
        || drop(gateway.chat("s", "x")),
    );
    // An MCP server whose program is not there, and then is.
    proof.of(&[Metric::McpServerRestartsTotal, Metric::McpServerConsecutiveFailures], || {});
    proof.of(&[Metric::McpServerUp, Metric::McpServerTools], || install_mcp_server(&disk.join("mcp-server")));
    wait_for("the end of its issue", || {
        (gateway.scrape().get(r#"picoclaw_health_status{status="healthy"}"#) == 1.0).then_some(())
    });
    proof.of(&[Metric::ProviderFirstToken], || {
        let body = json!({ "stream": true, "messages": [{ "role": "user", "content": "one two" }] });
        assert_eq!(gateway.post(CHAT, &[], &body.to_string()).status, 200);
    });
    proof.of(&[Metric::ToolCallsTotal, Metric::ToolResultsTotal, Metric::ToolDuration], || {
        drop(gateway.chat("s", r#"!tool list_dir {"path":"."}"#));
    });
    proof.of(&[Metric::PluginRestartsTotal], || {
        drop(gateway.chat("s", r#"!tool obey {"drill":"segfault"}"#));
    });
    proof.of(&[Metric::HookUp, Metric::HookFailuresTotal, Metric::HookEventsDroppedTotal], || {
        wait_for("events that the hook misses while it is down", || {
            drop(gateway.chat("s", "x"));
            (gateway.scrape().sum("picoclaw_hook_events_dropped_total") > 0.0).then_some(())
        });
    });
    proof.of(&[Metric::HookCallsTotal, Metric::HookCallDuration], || {
        drop(gateway.chat("s", r#"!tool list_dir {"path":"."}"#));
    });
    proof.of(&[Metric::ToolCallsUnknownTotal], || drop(gateway.chat("s", "!tool invented {}")));
    // The hook ends again and again, and with it down nothing could change.
    wait_for("a moment of health", || {
        (gateway.scrape().get(r#"picoclaw_health_status{status="healthy"}"#) == 1.0).then_some(())
    });
    proof.of(
        &[
            Metric::ProviderErrorsTotal,
            Metric::ProviderFailuresTotal,
            Metric::ProviderRetriesTotal,
            Metric::ProviderConsecutiveFailures,
            Metric::HealthState,
        ],
        || assert_eq!(gateway.say("s", "!fail 500").status, 502),
    );
    drop(gateway.chat("s", "better"));
    let ask = |model: &str| {
        let body = json!({ "model": model, "messages": [{ "role": "user", "content": "x" }] });
        gateway.post(CHAT, &[], &body.to_string()).status
    };
    proof.of(&[Metric::ProviderCooldownsTotal, Metric::ProviderCooldownActive], || {
        assert_eq!(ask("refused"), 502);
    });
    proof.of(&[Metric::ProviderSkipsTotal], || assert_eq!(ask("refused"), 502));
    proof.of(&[Metric::ProviderCooldownActive], || {});
    proof.of(&[Metric::CostUsdTotal, Metric::ProviderCachedTokensTotal], || assert_eq!(ask("paid"), 200));
    proof.of(&[Metric::CostUnknownTotal], || assert_eq!(ask("unpriced"), 200));
    proof.of(&[Metric::ProviderThrottledTotal], || {
        (0..63).for_each(|_| assert_eq!(ask("limited"), 200));
    });
    let spawn = r#"!tool spawn {"task":"!hang"}"#;
    proof.of(&[Metric::SubturnsActive], || drop(gateway.chat("crew", spawn)));
    proof.of(&[Metric::SubturnsActive], || drop(gateway.chat("crew", "/stop")));
    proof.of(&[Metric::CommandsTotal], || drop(gateway.chat("s", "/help")));
    proof.of(&[Metric::MessagesJoinedTotal], || {
        let speak = |text: &str| {
            let message = json!([{ "role": "user", "content": text }]);
            let metadata = json!({ "session_id": "joined", "steer": true });
            gateway.post(CHAT, &[], &json!({ "metadata": metadata, "messages": message }).to_string()).status
        };
        std::thread::scope(|scope| {
            let first = scope.spawn(|| speak("!slow 1s\nx"));
            wait_for("the turn", || (gateway.scrape().get("picoclaw_messages_active") == 1.0).then_some(()));
            assert_eq!((speak("y"), first.join().unwrap()), (200, 200));
        });
    });
    proof.of(&[Metric::CompactionsTotal], || drop(gateway.say("s", "!fail context_overflow")));

    let mut client = None;
    proof.of(&[Metric::ChannelClients], || {
        client = Some(Socket::connect(gateway.port, "/pico/ws?token=t", &[]).unwrap().0);
    });
    proof.of(&[Metric::OutboundMessagesTotal, Metric::ImagesTotal], || {
        let image = "data:image/gif;base64,R0lGODlhIGFuZCBwaXhlbHMh";
        let message = json!({ "type": "message.send", "payload": { "content": "x", "media": image } });
        client.take().unwrap().send(message);
    });

    proof.of(&[Metric::MediaRemovalsTotal], || {
        let folder = gateway.home.join("workspace/media/inbound");
        std::fs::create_dir_all(&folder).unwrap();
        let stray = std::fs::File::create(folder.join("stray")).unwrap();
        stray.set_modified(std::time::SystemTime::now() - std::time::Duration::from_secs(3600)).unwrap();
    });

    let refuse = |code, retry_after| Fault::Refuse { code, description: "as the test wants", retry_after };
    proof.of(&[Metric::OutboundPending, Metric::OutboundRetriesTotal], || {
        network.fail("sendMessage", &[refuse(429, Some(3))]);
        network.say(42, "x");
    });
    proof.of(&[Metric::ChannelUp, Metric::ChannelFailuresTotal], || {
        network.fail("getUpdates", &[refuse(409, None)]);
    });

    let mut waiting = Vec::new();
    proof.of(&[Metric::MessagesActive, Metric::ProviderRequestsActive], || {
        waiting.push(begin(&gateway, "busy", "!hang"));
    });
    proof.of(&[Metric::QueueDepth, Metric::HttpConnections], || waiting.push(begin(&gateway, "busy", "x")));
    proof.of(&[Metric::MessagesActive, Metric::QueueDepth], || {
        waiting.iter().for_each(|client| client.stream.get_ref().shutdown(Shutdown::Both).unwrap());
    });
    proof.of(&[Metric::MessagesRejectedTotal], || {
        let body = r#"{"model":"nobody","messages":[{"role":"user","content":"x"}]}"#;
        assert_eq!(gateway.post(CHAT, &[], body).status, 404);
    });
    proof.of(&[Metric::HttpRejectedTotal], || assert_eq!(gateway.post("/reload", &[], "").status, 401));

    proof.of(&[Metric::SessionReadFailuresTotal, Metric::SessionConsecutiveFailures], || {
        assert_eq!(gateway.say("unreadable", "x").status, 503);
    });

    let jobs = gateway.home.join("workspace/cron/jobs.json");
    proof.of(
        &[
            Metric::CronJobs,
            Metric::CronRunsTotal,
            Metric::CronRunDuration,
            Metric::CronLastSuccess,
            Metric::CronMissedTotal,
        ],
        || {
            let job = json!({ "id": "a", "enabled": true, "schedule": { "kind": "at", "atMs": 1 },
                              "payload": { "message": "x" }, "state": { "nextRunAtMs": 1 } });
            fs::create_dir_all(jobs.parent().unwrap()).unwrap();
            fs::write(&jobs, json!({ "version": 1, "jobs": [job] }).to_string()).unwrap();
        },
    );
    proof.of(&[Metric::CronRunsActive], || {
        drop(gateway.chat("s", r#"!tool cron {"action":"add","message":"!hang","at_seconds":1}"#));
    });
    proof.of(&[Metric::CronStoreFailuresTotal], || fs::write(&jobs, "{").unwrap());

    under_load(&gateway, || proof.of(&[Metric::SinkGapsTotal, Metric::SinkLagEvents], || {}));
    // The log's directory goes away and a file takes its place, as if the disk were gone.
    let lost = [
        Metric::SinkSendErrorsTotal,
        Metric::SinkRetriesTotal,
        Metric::SinkBufferEvents,
        Metric::SinkEventsDroppedTotal,
        Metric::SinkUp,
    ];
    under_load(&gateway, || {
        proof.of(&lost, || {
            fs::remove_dir_all(&disk).unwrap();
            fs::write(&disk, "").unwrap();
        });
    });
    proof.of(&[Metric::SinkUp], || {
        fs::remove_file(&disk).unwrap();
        drop(gateway.chat("s", "x"));
    });

    let reload =
        [Metric::ConfigReloadsTotal, Metric::ConfigReloadTime, Metric::LabelOverflowsTotal, Metric::PluginUp];
    proof.of(&reload, || {
        gateway.home.configure(config(&agent, &network, &audit, &drill, &upstream, &paid, 200));
        assert_eq!(gateway.reload().status, 200);
    });
    proof.of(&[Metric::ConfigReloadSuccessful], || {
        fs::write(gateway.home.join("config.json"), "{").unwrap();
        assert_eq!(gateway.reload().status, 500);
    });
    let mut idle = Vec::new();
    // A scrape is a connection too, but only one.
    proof.of_growth(&[Metric::ProcessOpenFds, Metric::HttpConnections], 19.0, || {
        idle.extend((0..20).map(|_| gateway.client()));
    });

    let expected: Vec<_> = Metric::ALL.iter().filter(|metric| !CONSTANT.contains(metric)).collect();
    let missing: Vec<_> = expected.into_iter().filter(|metric| !proof.moved.contains(metric)).collect();
    assert!(missing.is_empty(), "{missing:?}");

    let scrape = gateway.scrape();
    assert_eq!(scrape.sum("picoclaw_sink_restarts_total"), 0.0);
    gateway.stop();
    assert_eq!(agent.stop().gauges["picoclaw.channel.up"], 0.0);
}

#[test]
fn facts_about_the_process_are_those_of_the_system() {
    let began = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    let gateway = Gateway::start(json!({}));
    let file = |name: &str| fs::read_to_string(format!("/proc/{}/{name}", gateway.pid())).unwrap();
    let number = |text: &str, key: &str| -> f64 {
        let line = text.lines().find(|line| line.starts_with(key)).unwrap_or_else(|| panic!("no {key}"));
        line[key.len()..].split_whitespace().next().unwrap().parse().unwrap()
    };
    // Both move a little: threads that wait for files come and go.
    let close = |name: &str, expected: &dyn Fn() -> f64| {
        wait_for(name, || {
            let expected = expected();
            ((gateway.scrape().get(name) - expected).abs() <= 0.2 * expected).then_some(())
        });
    };
    close("process_resident_memory_bytes", &|| 1024.0 * number(&file("status"), "VmRSS:"));
    close("process_virtual_memory_bytes", &|| 1024.0 * number(&file("status"), "VmSize:"));
    close("process_threads", &|| number(&file("status"), "Threads:"));
    close("process_open_fds", &|| {
        fs::read_dir(format!("/proc/{}/fd", gateway.pid())).unwrap().count() as f64
    });
    // Ticks of a hundredth of a second, as Linux shows them to programs: fields 14 and 15, the name may have spaces.
    let cpu = || -> f64 {
        let stat = file("stat");
        let fields = stat.rsplit_once(')').unwrap().1.split_whitespace();
        fields.skip(11).take(2).map(|ticks| ticks.parse::<f64>().unwrap() / 100.0).sum()
    };
    wait_for("a tenth of a second of work", || {
        gateway.chat("s", "x");
        (cpu() > 0.1).then_some(())
    });
    let before = cpu();
    let told = gateway.scrape().get("process_cpu_seconds_total");
    assert!((before - 0.03..=cpu() + 0.03).contains(&told), "{told} is not between {before} and {}", cpu());
    assert_eq!(gateway.scrape().get("process_max_fds"), number(&file("limits"), "Max open files"));
    let start = gateway.scrape().get("process_start_time_seconds");
    assert!((start - began).abs() < 5.0, "{start} instead of {began}");
    let lag = || gateway.scrape().get("picoclaw_event_loop_lag_seconds");
    wait_for("an idle loop to be on time", || (lag() < 0.5).then_some(()));
    gateway.signal("STOP");
    let stopped = Instant::now();
    wait_for("some time to pass", || (stopped.elapsed() > Duration::from_millis(2500)).then_some(()));
    gateway.signal("CONT");
    wait_for("the loop to say that it was late", || (lag() > 0.5).then_some(()));
    let version = format!(r#"picoclaw_build_info{{build_version="{}","#, env!("CARGO_PKG_VERSION"));
    let scrape = gateway.scrape();
    assert!(scrape.family("picoclaw_build_info").all(|(name, one)| name.starts_with(&version) && one == 1.0));
}
