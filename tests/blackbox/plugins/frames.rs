//! A program that speaks nonsense is ended and started again, and the log says what was wrong with it.

use serde_json::json;

use crate::support::{Gateway, Home, plugin, with_sinks};

/// How a program in Python begins that is ready, and reads a frame.
pub(super) const READY: &str = r#"
import socket, struct, json, time, sys
s = socket.socket(fileno=0)
def send(kind, content): s.sendall(struct.pack("<IB", len(content) + 1, kind) + content)
def take():
    head = s.recv(5, socket.MSG_WAITALL)
    if len(head) < 5: sys.exit(0)
    length, kind = struct.unpack("<IB", head)
    return kind, s.recv(length - 1, socket.MSG_WAITALL)
take()
send(2, json.dumps({"protocol": 1}).encode())
while True:
    kind, content = take()
    if kind == 3: break
"#;

#[test]
fn nonsense_is_named_and_survived() {
    let python = super::python();
    for (name, program, word) in [
        ("exits at once", "import sys; sys.exit(3)".to_owned(), "exited with status 3"),
        (
            "noise",
            "import os, time; os.write(0, b'\\xff' * 64); time.sleep(60)".to_owned(),
            "a frame of 4294967295 bytes",
        ),
        (
            "no READY",
            "import os, time; os.write(0, b'\\x01\\0\\0\\0\\x05'); time.sleep(60)".to_owned(),
            "cannot be read",
        ),
        (
            "another protocol",
            READY.replace("\"protocol\": 1", "\"protocol\": 9"),
            "it speaks protocol 9, not 1",
        ),
        (
            "a wrong answer",
            format!("{READY}send(4, struct.pack('<QB', 99, 0)); time.sleep(60)"),
            "it answered question 99 before",
        ),
        (
            "half a frame",
            format!("{READY}s.sendall(b'\\x09\\0\\0\\0\\x04'); sys.exit(0)"),
            "exited with status 0",
        ),
        (
            "a frame of ours",
            format!("{READY}send(9, b'\\0' * 4); time.sleep(60)"),
            "that only the gateway sends",
        ),
        (
            "another code",
            format!("{READY}send(4, content[:8] + b'\\x63'); time.sleep(60)"),
            "code cannot be read",
        ),
    ] {
        let home = Home::new(json!({}));
        home.configure(with_sinks(&[plugin("p", json!({ "command": [python, "-c", program] }))]));
        let gateway = Gateway::start_in(home);
        let line = gateway.logged(word);
        assert!(line.contains("Plugin failed"), "{name}: {line}");
        gateway.chat("s", "x");
    }
}
