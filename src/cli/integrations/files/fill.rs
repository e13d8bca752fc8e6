//! Fills a file in.

use std::path::Path;

use super::auth;
use super::catalogue::Integration;
use super::words::{self, Word};
use picoclaw::config::SecretString;

/// What stands for the token.
const TOKEN: &str = "PICOCLAW_SCRAPE_TOKEN";

/// What there is to know about a gateway.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    /// `host:port` for programs on the same machine.
    pub address: String,
    /// The path of its metrics.
    pub metrics_path: String,
    /// The path of its health.
    pub health_path: String,
    /// The log file; none if it logs to a standard stream only.
    pub log_file: Option<String>,
    /// This program.
    pub program: String,
    /// Its home directory.
    pub home: String,
    /// Under which name it is scraped.
    pub job: String,
    /// What a scrape must show.
    pub token: Option<SecretString>,
    /// Whether the token itself is filled in.
    pub show_token: bool,
}

/// A file as it is needed here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Filled {
    /// Its text.
    pub text: String,
    /// Whether the token stands in it.
    pub is_secret: bool,
    /// What is left to do by hand, in words.
    pub notes: Vec<&'static str>,
}

/// Fills a file in for a gateway.
pub(crate) fn fill(file: &Integration, facts: &Facts) -> Filled {
    if file.is_guides() || file.folder().is_empty() {
        return Filled { text: file.text.to_owned(), is_secret: false, notes: Vec::new() };
    }
    let mut notes = Vec::new();
    let text = match facts.token {
        Some(_) => auth::uncomment(file.text),
        None => file.text.to_owned(),
    };
    let brings = Brings::of(file.folder());
    let mut all = vec![
        word("/metrics", &facts.metrics_path, words::url_path),
        word("/health", &facts.health_path, words::url_path),
        word("picoclaw", &facts.job, words::job),
    ];
    if !brings.gateway {
        all.push(word("127.0.0.1:18790", &facts.address, words::address));
        all.push(word("/usr/local/bin/picoclaw", &facts.program, words::file_path));
    }
    // Who brings the log along brings the home, too.
    if !brings.log {
        all.push(word("/var/lib/picoclaw", &facts.home, words::file_path));
    }
    match &facts.log_file {
        _ if brings.log => {}
        Some(log) => {
            let directory = Path::new(log).parent().map_or("/".into(), Path::to_string_lossy);
            all.push(word("/var/log/picoclaw", &directory, words::file_path));
            all.push(word("/var/log/picoclaw/picoclaw.log", log, words::file_path));
        }
        None if text.contains("/var/log/picoclaw") => {
            notes.push("the gateway writes no log file: set logging.output, or leave the parts about /var/log/picoclaw out");
        }
        None => {}
    }
    let mut is_secret = false;
    if let Some(token) = facts.token.as_ref().filter(|_| text.contains(TOKEN)) {
        if facts.show_token {
            is_secret = true;
            all.push(word(TOKEN, token.expose(), |_, _| true));
        } else {
            notes.push("PICOCLAW_SCRAPE_TOKEN stands for the token of gateway.metrics.auth: --show-secrets fills it in");
        }
    }
    Filled { text: words::replace(&text, &all), is_secret, notes }
}

fn word(usual: &'static str, here: &str, is_word: fn(&str, &str) -> bool) -> Word {
    Word { usual, here: here.to_owned(), is_word }
}

/// What a folder's files bring along, so that it is theirs and not that of the gateway here.
#[derive(Clone, Copy, Debug, Default)]
struct Brings {
    gateway: bool,
    log: bool,
}

impl Brings {
    fn of(folder: &str) -> Self {
        match folder {
            "docker" | "kubernetes" => Self { gateway: true, log: true },
            // The unit says itself where its service logs.
            "systemd" => Self { gateway: false, log: true },
            _ => Self::default(),
        }
    }
}
