//! A Bot API that fails on demand.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::wait_for;

pub(crate) const BOT_TOKEN: &str = "7:secret-of-the-test-bot";

/// What a call gets instead of its answer.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// A refusal.
    Refuse { code: u16, description: &'static str, retry_after: Option<u64> },
    /// The connection is closed.
    Close,
    /// Nothing, ever.
    Silence,
}

/// A call that arrived.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) method: String,
    /// The arguments; of a form its text.
    pub(crate) arguments: Value,
    pub(crate) at: Instant,
}

#[derive(Default)]
struct State {
    updates: Vec<Value>,
    calls: Vec<Call>,
    faults: Vec<(String, VecDeque<Fault>)>,
    sent: i64,
    files: Vec<(String, Vec<u8>)>,
}

/// Listens until the end of the test.
#[derive(Clone)]
pub(crate) struct BotApi {
    pub(crate) port: u16,
    state: Arc<(Mutex<State>, Condvar)>,
}

impl BotApi {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let api = Self { port: listener.local_addr().unwrap().port(), state: Arc::default() };
        let shared = api.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let api = shared.clone();
                std::thread::spawn(move || api.serve(stream));
            }
        });
        api
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.0.lock().unwrap()
    }

    /// A channel's entry that leads here.
    pub(crate) fn channel(&self) -> Value {
        json!({
            "enabled": true, "type": "telegram", "typing": { "enabled": false },
            "settings": {
                "token": BOT_TOKEN, "base_url": format!("http://127.0.0.1:{}", self.port), "poll_timeout": 1,
            },
        })
    }

    /// Somebody writes in a private chat.
    pub(crate) fn say(&self, user: i64, text: &str) {
        let chat = json!({ "id": user, "type": "private" });
        self.message(json!({ "from": { "id": user, "username": "ann" }, "chat": chat, "text": text }));
    }

    /// A message with these fields arrives.
    pub(crate) fn message(&self, message: Value) {
        let mut state = self.state();
        let id = 100 + state.updates.len();
        let mut message = message;
        message["message_id"] = json!(id);
        state.updates.push(json!({ "update_id": id, "message": message }));
        self.state.1.notify_all();
    }

    /// A file can be fetched under this id.
    pub(crate) fn offer(&self, id: &str, bytes: &[u8]) {
        self.state().files.push((id.to_owned(), bytes.to_vec()));
    }

    /// The next calls of a method get these, one each.
    pub(crate) fn fail(&self, method: &str, faults: &[Fault]) {
        self.state().faults.push((method.to_owned(), faults.to_vec().into()));
    }

    /// The calls of a method so far.
    pub(crate) fn calls(&self, method: &str) -> Vec<Call> {
        self.state().calls.iter().filter(|call| call.method == method).cloned().collect()
    }

    /// The arguments of the n-th call of a method, waited for.
    pub(crate) fn call(&self, method: &str, n: usize) -> Value {
        wait_for(method, || self.calls(method).get(n).map(|call| call.arguments.clone()))
    }

    fn serve(&self, stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        let mut reader = BufReader::new(stream);
        while let Some((path, body)) = read_request(&mut reader) {
            let Some(answer) = self.answer(&path, &body) else { return };
            let status = answer.get("error_code").and_then(Value::as_u64).unwrap_or(200);
            let text = match answer.get("raw") {
                Some(raw) => raw.as_str().unwrap().to_owned(),
                None => answer.to_string(),
            };
            let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n", text.len());
            if reader.get_mut().write_all(&[head.as_bytes(), text.as_bytes()].concat()).is_err() {
                return;
            }
        }
    }

    /// `None` closes the connection.
    fn answer(&self, path: &str, body: &[u8]) -> Option<Value> {
        if let Some(id) = path.strip_prefix(&format!("/file/bot{BOT_TOKEN}/")) {
            let file =
                self.state().files.iter().find(|(known, _)| known == id).map(|(_, bytes)| bytes.clone());
            return Some(json!({ "raw": String::from_utf8(file?).unwrap() }));
        }
        let Some(method) = path.strip_prefix(&format!("/bot{BOT_TOKEN}/")) else {
            return Some(json!({ "ok": false, "error_code": 401, "description": "Unauthorized" }));
        };
        let arguments =
            serde_json::from_slice(body).unwrap_or_else(|_| json!({ "form": String::from_utf8_lossy(body) }));
        let fault = {
            let mut state = self.state();
            let call = Call { method: method.to_owned(), arguments: arguments.clone(), at: Instant::now() };
            state.calls.push(call);
            let faults = state.faults.iter_mut().filter(|(of, _)| of == method);
            faults.filter_map(|(_, queue)| queue.pop_front()).next()
        };
        match fault {
            Some(Fault::Close) => return None,
            Some(Fault::Silence) => loop {
                std::thread::park();
            },
            Some(Fault::Refuse { code, description, retry_after }) => {
                let mut refusal = json!({ "ok": false, "error_code": code, "description": description });
                if let Some(seconds) = retry_after {
                    refusal["parameters"] = json!({ "retry_after": seconds });
                }
                return Some(refusal);
            }
            None => {}
        }
        let result = match method {
            "getMe" => json!({ "id": 7, "is_bot": true, "username": "pico_bot", "first_name": "Pico" }),
            "getUpdates" => self.updates(&arguments),
            "sendChatAction" => json!(true),
            "getFile" => json!({ "file_path": arguments["file_id"] }),
            _ => {
                let mut state = self.state();
                state.sent += 1;
                json!({ "message_id": 1000 + state.sent })
            }
        };
        Some(json!({ "ok": true, "result": result }))
    }

    fn updates(&self, arguments: &Value) -> Value {
        let until = Instant::now() + Duration::from_secs(arguments["timeout"].as_u64().unwrap_or(0));
        let mut state = self.state();
        // What is below the offset is acknowledged and forgotten.
        loop {
            let from = arguments["offset"].as_i64().unwrap_or(0);
            let new: Vec<Value> = state
                .updates
                .iter()
                .filter(|update| update["update_id"].as_i64().unwrap() >= from)
                .cloned()
                .collect();
            let left = until.saturating_duration_since(Instant::now());
            if !new.is_empty() || left.is_zero() {
                return json!(new);
            }
            state = self.state.1.wait_timeout(state, left).unwrap().0;
        }
    }
}

fn read_request(reader: &mut BufReader<TcpStream>) -> Option<(String, Vec<u8>)> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok().filter(|length| *length > 0)?;
        let header = header.trim().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((path, body))
}
