//! What is configured about a server.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use picoclaw_tools::http_client::in_full;

/// How a server is reached.
#[derive(Clone, PartialEq, Eq)]
pub enum Way {
    /// A program that is started, and spoken to over its standard streams.
    Program {
        /// The program, looked up in the `PATH`.
        command: String,
        /// Its arguments.
        arguments: Vec<String>,
        /// All variables that it sees.
        environment: BTreeMap<String, String>,
        /// A file with more of them, a `NAME=value` a line; those above win.
        environment_file: Option<PathBuf>,
        /// Where it runs; created when it does not exist.
        directory: PathBuf,
    },
    /// A URL with streamable HTTP.
    Http {
        /// The URL.
        url: String,
        /// Headers of each request.
        headers: BTreeMap<String, String>,
    },
}

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Variables, arguments and headers may be secret, and so may a URL.
        match self {
            Self::Program { command, .. } => {
                f.debug_struct("Program").field("command", command).finish_non_exhaustive()
            }
            Self::Http { .. } => f.debug_struct("Http").finish_non_exhaustive(),
        }
    }
}

impl Way {
    /// What goes wrong on this way, without its URL: there may be a key in it.
    pub(super) fn explain(&self, error: &dyn std::error::Error) -> String {
        let text = in_full(error);
        match self {
            Self::Http { url, .. } => text.replace(url.trim_end_matches('/'), "its url"),
            Self::Program { .. } => text,
        }
    }
}

/// A server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerSpec {
    /// What the operator calls it.
    pub name: String,
    /// How it is reached.
    pub way: Way,
    /// Characters of a text that go to the model; of what is longer the whole goes to a file.
    pub max_inline_chars: usize,
}
