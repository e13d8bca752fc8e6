//! What the commands that change the configuration have in common.

use std::fs;
use std::io::{IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use picoclaw_sinks::registry::known_types;
use serde_json::Value;

use super::say;
use picoclaw::config::{ConfigFile, Environment, PASSPHRASE, Paths, encrypt, write_file};
use picoclaw::pidfile;

/// The configuration, where it is, and what surrounds it.
pub(super) struct Editing {
    pub(super) environment: Environment,
    pub(super) paths: Paths,
    pub(super) file: ConfigFile,
}

impl Editing {
    /// Opens the configuration of this process' environment.
    pub(super) fn begin() -> anyhow::Result<Self> {
        Self::begin_in(Environment::process())
    }

    /// The same in another environment.
    pub(super) fn begin_in(environment: Environment) -> anyhow::Result<Self> {
        let paths = paths(&environment)?;
        fs::create_dir_all(paths.config_dir())
            .with_context(|| format!("creating {}", paths.config_dir().display()))?;
        let file = ConfigFile::open(&paths.config_file)?;
        Ok(Self { environment, paths, file })
    }

    /// Saves it, says what was done, and what has to follow.
    pub(super) fn finish(self, done: &str) -> anyhow::Result<()> {
        let backup = self.file.save(&self.environment, &known_types())?;
        say(&format!("✓ {done}"));
        if let Some(backup) = backup {
            say(&format!("  The file before is {}.", backup.display()));
        }
        tell_gateway(&self.paths);
        Ok(())
    }
}

/// Where things are.
pub(super) fn paths(environment: &Environment) -> anyhow::Result<Paths> {
    Paths::find(environment).context("PICOCLAW_HOME is not set, and the user has no home directory")
}

/// Says how a gateway that runs gets to know of a change.
pub(super) fn tell_gateway(paths: &Paths) {
    if pidfile::running(&paths.pid_file).is_some() {
        say("  The running gateway goes on as before until `picoclaw reload`.");
    }
}

/// A secret, from a file or, with `-` or without a file, from the standard input. It is asked for at a terminal.
pub(super) fn read_secret(file: Option<&Path>, what: &str) -> anyhow::Result<String> {
    let text = match file {
        Some(file) if file != Path::new("-") => {
            fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?
        }
        _ if std::io::stdin().is_terminal() => ask_hidden(&format!("{what}: "))?,
        _ => {
            let mut text = String::new();
            std::io::stdin().lock().take(64 << 10).read_to_string(&mut text)?;
            text
        }
    };
    let text = text.trim().to_owned();
    anyhow::ensure!(!text.is_empty() && !text.contains(char::is_whitespace), "{what}: expected one word");
    Ok(text)
}

/// Asks for a line; an empty one stands for the usual answer.
pub(super) fn ask(question: &str, usual: &str) -> anyhow::Result<String> {
    let hint = if usual.is_empty() { String::new() } else { format!(" [{usual}]") };
    prompt(&format!("{question}{hint}: "));
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    let line = line.trim();
    Ok(if line.is_empty() { usual } else { line }.to_owned())
}

/// Asks for a line that is not shown.
pub(super) fn ask_hidden(question: &str) -> anyhow::Result<String> {
    use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
    prompt(question);
    let stdin = std::io::stdin();
    let before = tcgetattr(&stdin)?;
    let mut hidden = before.clone();
    hidden.local_modes.remove(LocalModes::ECHO);
    tcsetattr(&stdin, OptionalActions::Flush, &hidden)?;
    let mut line = String::new();
    let read = stdin.read_line(&mut line);
    tcsetattr(&stdin, OptionalActions::Flush, &before)?;
    say("");
    read?;
    Ok(line)
}

fn prompt(text: &str) {
    let mut out = std::io::stdout().lock();
    // A reader who has gone away is no error.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Adds the key of a model to `.security.yml`, whose other lines stay as they are. Where the environment has a passphrase it
/// is encrypted, as the existing PicoClaw does it.
///
/// # Errors
/// When the file has a form into which the key cannot be added; it then stays as it is.
pub(super) fn add_key(
    environment: &Environment,
    paths: &Paths,
    model: &str,
    key: &str,
) -> anyhow::Result<()> {
    let key = match environment.get(PASSPHRASE) {
        Some(_) => encrypt(key, environment).map_err(anyhow::Error::msg)?,
        None => key.to_owned(),
    };
    let file = &paths.security_file;
    let before = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error).with_context(|| format!("reading {}", file.display())),
    };
    let after = with_key(&before, model, &key)
        .with_context(|| format!("{}: add the key of {model} by hand, under model_list", file.display()))?;
    write_secrets(file, &after)
}

/// Replaces `.security.yml`, at once.
pub(super) fn write_secrets(file: &Path, text: &str) -> anyhow::Result<()> {
    let beside: PathBuf = file.with_extension("yml.new");
    write_file(&beside, text, 0o600)
        .and_then(|()| fs::rename(&beside, file))
        .with_context(|| format!("writing {}", file.display()))
}

/// `None` when the result would not say exactly that much more.
fn with_key(before: &str, model: &str, key: &str) -> Option<String> {
    let quote = |text: &str| serde_json::to_string(text).ok();
    let parse = |text: &str| -> Option<Value> {
        if text.trim().is_empty() { Some(Value::Null) } else { serde_norway::from_str(text).ok() }
    };
    let mut expected = parse(before)?;
    if expected.is_null() {
        expected = Value::Object(serde_json::Map::new());
    }
    expected.as_object()?;
    if !expected["model_list"][model].is_null() {
        return None;
    }
    expected["model_list"][model]["api_keys"] = serde_json::json!([key]);
    let entry = |indent: &str| {
        Some(format!("{indent}{}:\n{indent}  api_keys:\n{indent}    - {}\n", quote(model)?, quote(key)?))
    };
    let line = before.lines().position(|line| line.trim_end() == "model_list:");
    let after = match line {
        Some(at) => {
            let next = before.lines().nth(at + 1).unwrap_or_default();
            let indent: String = next.chars().take_while(|c| *c == ' ').collect();
            let indent = if indent.is_empty() { "  " } else { &indent };
            let mut lines: Vec<String> = before.lines().map(|line| format!("{line}\n")).collect();
            lines.insert(at + 1, entry(indent)?);
            lines.concat()
        }
        None => {
            let gap = if before.is_empty() || before.ends_with('\n') { "" } else { "\n" };
            format!("{before}{gap}model_list:\n{}", entry("  ")?)
        }
    };
    (parse(&after)? == expected).then_some(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_added_and_all_else_stays() {
        assert_eq!(with_key("", "a", "k").unwrap(), "model_list:\n  \"a\":\n    api_keys:\n      - \"k\"\n");
        let before = "# mine\nmodel_list:\n    b: # old\n        api_keys: [x]\nweb: {}\n";
        let after = with_key(before, "a", "k").unwrap();
        assert_eq!(after.replace("    \"a\":\n      api_keys:\n        - \"k\"\n", ""), before);
        assert_eq!(with_key(before, "b", "k"), None, "it has one already");
        assert_eq!(with_key("model_list: {b: {api_keys: [x]}}\n", "a", "k"), None, "a form of its own");
        assert_eq!(with_key("- 1\n", "a", "k"), None);
    }
}
