//! A conversation at the terminal: lines can be edited, earlier ones come back with the arrow keys, and Ctrl-C stops an
//! answer, not the program.

use std::path::Path;

use anyhow::Context as _;
use rustyline::config::Configurer;
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{Config, Editor};

use super::{Answering, write_out};
use crate::{complain, in_full, say};

/// As many lines are remembered.
const REMEMBERED: usize = 1_000;
const PROMPT: &str = "You: ";

type Lines = Editor<(), FileHistory>;

/// What the person typed.
enum Typed {
    Line(String),
    /// Ctrl-C: the line is given up.
    GivenUp,
    /// Ctrl-D.
    End,
}

/// Talks until the person leaves. Lines are remembered in `history`.
pub(super) async fn talk(agent: &dyn Answering, history: &Path) -> anyhow::Result<()> {
    let mut lines = open(history)?;
    say("Enter sends a message, Ctrl-C stops an answer, Ctrl-D or `exit` leaves.");
    let mut leaving = false;
    loop {
        let (typed, back) = tokio::task::spawn_blocking(move || (read(&mut lines), lines)).await?;
        lines = back;
        match typed.context("reading a line from the terminal")? {
            Typed::End => break,
            Typed::GivenUp if leaving => break,
            Typed::GivenUp => {
                say("(once more to leave)");
                leaving = true;
                continue;
            }
            Typed::Line(line) => match line.trim() {
                "" => {}
                "exit" | "quit" => break,
                message => answer(agent, message).await,
            },
        }
        leaving = false;
    }
    // Who talks does not care whether lines are remembered.
    let _ = lines.save_history(history);
    Ok(())
}

/// Answers one message; Ctrl-C stops that.
async fn answer(agent: &dyn Answering, message: &str) {
    tokio::select! {
        result = agent.answer(message) => {
            if let Err(error) = result {
                complain(&in_full(&error));
            }
        }
        _ = tokio::signal::ctrl_c() => {
            write_out("\n");
            say("(stopped)");
        }
    }
}

fn open(history: &Path) -> anyhow::Result<Lines> {
    let config = Config::builder().max_history_size(REMEMBERED)?.auto_add_history(false).build();
    let mut lines = Lines::with_config(config)?;
    lines.set_history_ignore_space(true);
    // Without a file there is nothing to remember yet.
    let _ = lines.load_history(history);
    Ok(lines)
}

fn read(lines: &mut Lines) -> Result<Typed, ReadlineError> {
    match lines.readline(PROMPT) {
        Ok(line) => {
            lines.add_history_entry(line.as_str())?;
            Ok(Typed::Line(line))
        }
        Err(ReadlineError::Interrupted) => Ok(Typed::GivenUp),
        Err(ReadlineError::Eof) => Ok(Typed::End),
        Err(error) => Err(error),
    }
}
