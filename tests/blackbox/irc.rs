//! IRC, against a server that a test plays. `tests/consumers` has a real one.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Gateway, wait_for};

struct Server(TcpListener);

/// The server's end of a connection.
struct Peer(BufReader<TcpStream>);

impl Server {
    fn start() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    fn config(&self, more: Value) -> Value {
        let mut settings = json!({
            "server": self.0.local_addr().unwrap().to_string(), "nick": "pico", "channels": ["room"],
        });
        settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "channel_list": { "irc": {
            "enabled": true, "group_trigger": { "mention_only": true }, "settings": settings,
        } } })
    }

    fn accept(&self) -> Peer {
        let (stream, _) = self.0.accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        Peer(BufReader::new(stream))
    }

    /// The gateway's next connection, let in and in its room.
    fn welcome(&self) -> Peer {
        let mut peer = self.accept();
        assert_eq!(peer.until("NICK"), "NICK pico");
        peer.until("USER");
        peer.say(":server 001 pico :Welcome");
        assert_eq!(peer.until("JOIN"), "JOIN #room");
        peer
    }
}

impl Peer {
    fn say(&mut self, line: &str) {
        self.0.get_mut().write_all(format!("{line}\r\n").as_bytes()).unwrap();
    }

    /// The next line that begins so. What asks for a sign of life gets one.
    fn until(&mut self, begin: &str) -> String {
        loop {
            let mut line = String::new();
            assert!(self.0.read_line(&mut line).unwrap() > 0, "the gateway went away");
            let line = line.trim_end().to_owned();
            if let Some(token) = line.strip_prefix("PING :") {
                self.say(&format!(":server PONG server :{token}"));
            }
            if line.starts_with(begin) {
                return line;
            }
        }
    }
}

fn up(gateway: &Gateway) -> f64 {
    gateway.scrape().get(r#"picoclaw_channel_up{channel="irc"}"#)
}

fn outbound(gateway: &Gateway, outcome: &str) -> f64 {
    gateway.scrape().get(&format!(r#"picoclaw_outbound_messages_total{{channel="irc",outcome="{outcome}"}}"#))
}

#[test]
fn people_and_rooms_are_answered() {
    let server = Server::start();
    let gateway = Gateway::start(server.config(json!({})));
    let mut peer = server.welcome();
    wait_for("the channel", || (up(&gateway) == 1.0).then_some(()));
    peer.say(":ann!a@host PRIVMSG pico :hello");
    assert_eq!(peer.until("PRIVMSG"), "PRIVMSG ann :hello");
    peer.until("PING :said-1");
    peer.say(":ann!a@host PRIVMSG #room :not for you");
    peer.say(":pico!p@host PRIVMSG #room :pico: my own words");
    peer.say(":ann!a@host PRIVMSG #room :\u{1}VERSION\u{1}");
    peer.say("@time=now :ann!a@host PRIVMSG #room :Pico: one\u{1f600} two");
    assert_eq!(peer.until("PRIVMSG"), "PRIVMSG #room :one\u{1f600} two");
    peer.until("PING :said-2");
    peer.say(":server PING :alive?");
    assert_eq!(peer.until("PONG"), "PONG :alive?");
    wait_for("the counts", || (outbound(&gateway, "success") == 2.0).then_some(()));
    assert_eq!(gateway.scrape().get("picoclaw_messages_total"), 2.0);
    let stopping = std::thread::spawn(move || gateway.stop());
    assert_eq!(peer.until("QUIT"), "QUIT :Goodbye");
    drop(peer);
    stopping.join().unwrap();
}

#[test]
fn what_the_server_refuses_is_not_delivered() {
    let server = Server::start();
    let gateway = Gateway::start(server.config(json!({})));
    let mut peer = server.welcome();
    peer.say(":ann!a@host PRIVMSG pico :hello");
    assert_eq!(peer.until("PRIVMSG"), "PRIVMSG ann :hello");
    // It comes before the answer to the PING behind the line.
    peer.say(":server 401 pico ann :No such nick/channel");
    peer.until("PING");
    wait_for("the count", || (outbound(&gateway, "failure") == 1.0).then_some(()));
    let named = |line: &&Value| line["error"].as_str().is_some_and(|text| text.contains("No such nick"));
    wait_for("the reason", || gateway.home.log().iter().any(|line| named(&line)).then_some(()));
}

#[test]
fn a_taken_name_a_password_and_a_lost_connection_are_dealt_with() {
    let server = Server::start();
    let settings = json!({ "sasl_user": "pico", "sasl_password": "irc-secret-word" });
    let gateway = Gateway::start(server.config(settings));
    let mut peer = server.accept();
    peer.until("CAP LS");
    peer.say(":server CAP * LS :multi-prefix sasl");
    peer.until("NICK pico");
    peer.say(":server 433 * pico :Nickname is already in use");
    assert_eq!(peer.until("CAP REQ"), "CAP REQ :sasl");
    peer.say(":server CAP * ACK :sasl");
    assert_eq!(peer.until("AUTHENTICATE"), "AUTHENTICATE PLAIN");
    peer.say("AUTHENTICATE +");
    // `\0pico\0irc-secret-word` in base64.
    assert_eq!(peer.until("AUTHENTICATE"), "AUTHENTICATE AHBpY28AaXJjLXNlY3JldC13b3Jk");
    peer.say(":server 903 pico :SASL authentication successful");
    peer.until("CAP END");
    peer.say(":server 001 pico_ :Welcome");
    peer.until("JOIN #room");
    wait_for("the channel", || (up(&gateway) == 1.0).then_some(()));
    drop(peer);
    wait_for("the loss", || (up(&gateway) == 0.0).then_some(()));
    // It comes back by itself; this time the account is unknown.
    let mut peer = server.accept();
    peer.until("CAP LS");
    peer.say(":server 904 * :SASL authentication failed");
    let named = |line: &&Value| line["error"].as_str().is_some_and(|text| text.contains("sasl_password"));
    wait_for("the remedy", || gateway.home.log().iter().any(|line| named(&line)).then_some(()));
    assert!(!serde_json::to_string(&gateway.home.log()).unwrap().contains("irc-secret-word"));
}

#[test]
fn many_messages_at_once_do_not_keep_the_answers_from_going_out() {
    let server = Server::start();
    let gateway = Gateway::start(server.config(json!({})));
    let mut peer = server.welcome();
    wait_for("the channel", || (up(&gateway) == 1.0).then_some(()));
    for n in 0..100 {
        peer.say(&format!(":ann{n}!a@host PRIVMSG pico :hello"));
    }
    peer.say("PING :alive?");
    assert_eq!(peer.until("PONG"), "PONG :alive?");
    let rejected =
        || gateway.scrape().get(r#"picoclaw_messages_rejected_total{channel="irc",reason="busy"}"#);
    let accepted = || gateway.scrape().get("picoclaw_messages_total");
    wait_for("all of them", || (accepted() + rejected() == 100.0).then_some(()));
    assert!(rejected() > 0.0, "this is what it is about");
}

#[test]
fn a_server_that_cannot_be_reached_is_named_with_the_settings_to_look_at() {
    let server = Server::start();
    let (config, address) = (server.config(json!({})), server.0.local_addr().unwrap());
    drop(server);
    let gateway = Gateway::start(config);
    let line = wait_for("the failure in the log", || {
        gateway.home.log().into_iter().find(|line| line["kind"] == "channel.lifecycle.start_failed")
    });
    let error = line["error"].as_str().unwrap();
    assert!(error.starts_with(&format!("{address} cannot be reached: ")), "{error}");
    assert!(error.contains("settings.server"), "{error}");
}
