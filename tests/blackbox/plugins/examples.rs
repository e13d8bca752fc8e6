//! Every example does its work in both modes, and misses nothing.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use serde_json::{Value, json};

use super::numbers;
use crate::support::{Behaviour, Gateway, Home, Upstream, c_library, library, plugin, wait_for, with_sinks};

const MODES: [&str; 2] = ["process", "in_process"];

/// A gateway with one plugin, `p`.
fn gateway(home: Home, options: Value) -> Gateway {
    home.configure(with_sinks(&[plugin("p", options)]));
    Gateway::start_in(home)
}

#[test]
fn every_event_arrives_once_and_in_order() {
    for isolation in MODES {
        let home = Home::new(json!({}));
        let file = home.join("events");
        let options =
            json!({ "path": library(&home, "drill"), "isolation": isolation, "config": { "file": file } });
        let gateway = gateway(home, options);
        for n in 0..50 {
            gateway.chat("s", &format!("message {n}"));
        }
        let account = gateway.settled("p");
        let numbers = numbers(&file);
        assert_eq!(numbers.len() as f64, account.delivered, "{isolation}");
        assert!(numbers.is_sorted_by(|a, b| a < b), "{isolation}");
        assert_eq!((account.dropped, account.restarts, account.up), (0.0, 0.0, true));
        let home = gateway.stop();
        // The last events of the gateway's life arrive too.
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.lines().any(|line| line.ends_with(" gateway.shutdown")), "{isolation}: {text}");
        drop(home);
    }
}

#[test]
fn influx_writes_lines_to_a_file_and_over_udp() {
    for isolation in MODES {
        let home = Home::new(json!({}));
        let file = home.join("lines");
        let options =
            json!({ "path": library(&home, "influx"), "isolation": isolation, "config": { "file": file } });
        let gateway = gateway(home, options);
        gateway.chat("s", "x");
        let account = gateway.settled("p");
        let lines = fs::read_to_string(&file).unwrap();
        assert_eq!(lines.lines().count() as f64, account.delivered);
        let turn = lines.lines().find(|line| line.starts_with("picoclaw.agent.turn.end,")).unwrap();
        assert!(turn.contains(",level=info,") && turn.contains(",status=completed "), "{turn}");
        assert!(turn.contains("iterations=1i") && turn.contains("session_id=\""), "{turn}");

        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        receiver.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let home = Home::new(json!({}));
        let config = json!({ "udp": receiver.local_addr().unwrap().to_string() });
        let options = json!({ "path": library(&home, "influx"), "isolation": isolation, "config": config });
        let _gateway = self::gateway(home, options);
        let mut datagram = [0; 65536];
        let length = receiver.recv(&mut datagram).unwrap();
        assert!(length <= 1432 && datagram.starts_with(b"picoclaw."), "{isolation}");
    }
}

/// Answers one request after the other and passes their bodies on; the first one fails.
fn receiver() -> (String, mpsc::Receiver<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/alerts", listener.local_addr().unwrap());
    let (sender, bodies) = mpsc::channel();
    std::thread::spawn(move || {
        for (n, stream) in listener.incoming().flatten().enumerate() {
            let mut reader = BufReader::new(stream);
            let mut length = 0;
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                if let Some(value) = line.strip_prefix("Content-Length: ") {
                    length = value.trim().parse().unwrap();
                }
                if line.trim().is_empty() {
                    break;
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let status = if n == 0 { "503 Busy" } else { "200 OK" };
            let stream = reader.get_mut();
            stream.write_all(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").as_bytes()).unwrap();
            if n > 0 && sender.send(serde_json::from_slice(&body).unwrap()).is_err() {
                return;
            }
        }
    });
    (url, bodies)
}

#[test]
fn webhook_tells_when_a_provider_fails_and_recovers() {
    for isolation in MODES {
        let (url, bodies) = receiver();
        let fail = Behaviour::Status(500, "", "{}");
        let upstream = Upstream::start(&[fail.clone(), fail, Behaviour::Answer("well again")]);
        let home = Home::new(json!({}));
        let options = json!({
            "path": library(&home, "webhook"), "isolation": isolation, "flush_interval_ms": 50,
            "config": { "url": url, "after": 2 },
        });
        let mut config = with_sinks(&[plugin("p", options)]);
        config["model_list"] = json!([upstream.model("gpt", "openai")]);
        home.configure(config);
        let gateway = Gateway::start_in(home);
        // Two attempts fail, and the third is answered.
        assert_eq!(gateway.chat("s", "x"), "well again");
        let told = |bodies: &mpsc::Receiver<Value>| bodies.recv_timeout(Duration::from_secs(30)).unwrap();
        let body = told(&bodies);
        assert_eq!((&body["provider"], &body["state"]), (&json!("openai"), &json!("failing")), "{isolation}");
        assert_eq!((&body["failures"], &body["reason"]), (&json!(2), &json!("server")));
        assert_eq!(told(&bodies)["state"], "recovered", "{isolation}");
    }
}

#[test]
fn the_c_plugin_counts_by_kind() {
    for isolation in MODES {
        let home = Home::new(json!({}));
        let file = home.join("counts");
        let path = c_library(&home, "counter/counter.c", "libcounter.so", &[]);
        let options = json!({
            "path": path, "isolation": isolation, "flush_interval_ms": 20, "config": { "file": file },
        });
        let gateway = gateway(home, options);
        for _ in 0..7 {
            gateway.chat("s", "x");
        }
        wait_for("the counts", || has_line(&file, "agent.turn.end 7").then_some(()));
        assert!(has_line(&file, "channel.message.received 7") && has_line(&file, "lost 0"), "{isolation}");
    }
}

fn has_line(file: &Path, line: &str) -> bool {
    fs::read_to_string(file).unwrap_or_default().lines().any(|found| found == line)
}

#[test]
fn a_python_program_speaks_the_frames_itself() {
    let home = Home::new(json!({}));
    let file = home.join("lines");
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("plugins/frames/frames.py");
    let python = std::env::split_paths("/usr/local/bin:/usr/bin").find(|dir| dir.join("python3").exists());
    let python = python.expect("python3 is installed").join("python3");
    let options = json!({ "command": [python, program], "config": { "file": file } });
    let gateway = gateway(home, options);
    gateway.chat("s", "x");
    let account = gateway.settled("p");
    let text = fs::read_to_string(&file).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len() as f64, account.delivered);
    let turn = lines.iter().find(|line| line["kind"] == "agent.turn.end").unwrap();
    assert_eq!((&turn["status"], &turn["iterations"]), (&json!("completed"), &json!(1)));
    assert!(turn["duration_ms"].is_number());
    // One that refuses says why.
    let home = gateway.stop();
    let options = json!({ "command": [python, program] });
    let gateway = self::gateway(home, options);
    gateway.logged("file: missing; give the path");
}

/// Two libraries with the same symbols, in one process.
#[test]
fn plugins_with_the_same_symbols_do_not_meet() {
    let home = Home::new(json!({}));
    let (one, two) = (home.join("one"), home.join("two"));
    let in_process =
        |path, file: &Path| json!({ "path": path, "isolation": "in_process", "config": { "file": file } });
    home.configure(with_sinks(&[
        plugin("one", in_process(library(&home, "influx"), &one)),
        plugin("two", in_process(library(&home, "drill"), &two)),
        plugin("three", in_process(library(&home, "drill"), &home.join("three"))),
    ]));
    let gateway = Gateway::start_in(home);
    gateway.chat("s", "x");
    let account = gateway.settled("two");
    gateway.settled("one");
    assert_eq!(numbers(&two).len() as f64, account.delivered);
    assert!(fs::read_to_string(&one).unwrap().starts_with("picoclaw."));
    assert!(!numbers(&gateway.home.join("three")).is_empty());
}
