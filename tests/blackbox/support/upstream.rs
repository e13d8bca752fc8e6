//! A provider that speaks the OpenAI protocol and fails on demand.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

/// What the next requests get.
#[derive(Clone, Debug)]
pub(crate) enum Behaviour {
    /// An answer with this text.
    Answer(&'static str),
    /// This status with these headers and body.
    Status(u16, &'static str, &'static str),
    /// A stream of events, word for word, that ends with the connection.
    Events(&'static str),
    /// Bytes that are no JSON, with status 200.
    Garbage,
    /// A stream that ends in the middle.
    Cut,
    /// Nothing, ever.
    Hang,
    /// The beginning of a stream, and then nothing more.
    Stall,
}

/// Listens until the end of the test.
pub(crate) struct Upstream {
    pub(crate) port: u16,
    behaviour: Arc<Mutex<Vec<Behaviour>>>,
    requests: Arc<AtomicUsize>,
    last: Arc<Mutex<Value>>,
}

impl Upstream {
    /// Each request takes the next behaviour; the last one stays.
    pub(crate) fn start(behaviour: &[Behaviour]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a socket");
        let upstream = Self {
            port: listener.local_addr().expect("an address").port(),
            behaviour: Arc::new(Mutex::new(behaviour.to_vec())),
            requests: Arc::default(),
            last: Arc::default(),
        };
        let (behaviour, requests) = (Arc::clone(&upstream.behaviour), Arc::clone(&upstream.requests));
        let last = Arc::clone(&upstream.last);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (behaviour, requests, last) =
                    (Arc::clone(&behaviour), Arc::clone(&requests), Arc::clone(&last));
                std::thread::spawn(move || serve(stream, &behaviour, &requests, &last));
            }
        });
        upstream
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    /// The last request's body.
    pub(crate) fn last(&self) -> Value {
        self.last.lock().expect("no panic").clone()
    }

    /// A model entry that leads here.
    pub(crate) fn model(&self, name: &str, provider: &str) -> Value {
        json!({
            "model_name": name,
            "provider": provider,
            "model": "test-model",
            "api_base": format!("http://127.0.0.1:{}/v1", self.port),
            "api_keys": ["sk-secret-of-the-test-0123456789"],
            "request_timeout": 1,
        })
    }
}

fn serve(stream: TcpStream, behaviour: &Mutex<Vec<Behaviour>>, requests: &AtomicUsize, last: &Mutex<Value>) {
    let _ = stream.set_nodelay(true);
    let mut reader = BufReader::new(stream);
    while let Some(body) = read_request(&mut reader) {
        requests.fetch_add(1, Ordering::SeqCst);
        let request: Value = serde_json::from_slice(&body).unwrap_or_default();
        let stream = request["stream"] == json!(true);
        *last.lock().expect("no panic") = request;
        let now = {
            let mut queue = behaviour.lock().expect("no panic");
            if queue.len() > 1 { queue.remove(0) } else { queue[0].clone() }
        };
        let out = reader.get_mut();
        let done = match now {
            Behaviour::Answer(text) if stream => stream_answer(out, text, true),
            Behaviour::Answer(text) => respond(out, 200, "", &completion(text)),
            Behaviour::Status(status, headers, body) => respond(out, status, headers, body),
            Behaviour::Events(events) => {
                let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
                let _ = out.write_all([head, events].concat().as_bytes());
                false
            }
            Behaviour::Garbage => respond(out, 200, "", "<html>what?</html>"),
            Behaviour::Cut if stream => stream_answer(out, "half of it", false),
            Behaviour::Cut => {
                let _ = out.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"choices\":[");
                false
            }
            Behaviour::Stall => {
                stream_answer(out, "half of it", false);
                std::thread::sleep(Duration::from_secs(60));
                false
            }
            Behaviour::Hang => {
                std::thread::sleep(Duration::from_secs(60));
                false
            }
        };
        if !done {
            return;
        }
    }
}

fn read_request(reader: &mut BufReader<TcpStream>) -> Option<Vec<u8>> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim().to_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(body)
}

fn completion(text: &str) -> String {
    json!({
        "id": "x", "object": "chat.completion", "model": "test-model",
        "choices": [{ "index": 0, "message": { "role": "assistant", "content": text }, "finish_reason": "stop" }],
        "usage": { "prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18 },
    })
    .to_string()
}

fn respond(out: &mut TcpStream, status: u16, headers: &str, body: &str) -> bool {
    let head = format!(
        "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{headers}\r\n",
        body.len()
    );
    out.write_all([head.as_bytes(), body.as_bytes()].concat().as_slice()).is_ok()
}

fn stream_answer(out: &mut TcpStream, text: &str, whole: bool) -> bool {
    let mut frames =
        vec!["HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n".to_owned()];
    for word in text.split_inclusive(' ') {
        let chunk =
            json!({ "choices": [{ "index": 0, "delta": { "content": word }, "finish_reason": null }] });
        frames.push(format!("data: {chunk}\n\n"));
    }
    if whole {
        let end = json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": "stop" }] });
        let usage = json!({ "choices": [], "usage": { "prompt_tokens": 11, "completion_tokens": 7 } });
        frames.push(format!("data: {end}\n\ndata: {usage}\n\ndata: [DONE]\n\n"));
    }
    for frame in frames {
        if out.write_all(frame.as_bytes()).is_err() {
            break;
        }
    }
    false
}
