//! `picoclaw onboard`: a home directory to start with. What exists stays as it is, so it can be run again.

use std::fs;
use std::io::{ErrorKind, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use picoclaw_sinks::registry::known_types;
use serde_json::json;

use super::edit::{Editing, add_key, ask, ask_hidden, paths, read_secret, write_secrets};
use super::say;
use picoclaw::config::{self, Environment, PASSPHRASE, Paths, seal, ssh_key};

/// A configuration that answers without a key.
pub(super) const USUAL_CONFIG: &str = include_str!("onboard/config.json");

/// The files of a new workspace.
const WORKSPACE: [(&str, &str); 6] = [
    ("AGENT.md", include_str!("onboard/AGENT.md")),
    ("IDENTITY.md", include_str!("onboard/IDENTITY.md")),
    ("SOUL.md", include_str!("onboard/SOUL.md")),
    ("USER.md", include_str!("onboard/USER.md")),
    ("HEARTBEAT.md", include_str!("onboard/HEARTBEAT.md")),
    ("memory/MEMORY.md", include_str!("onboard/MEMORY.md")),
];

/// Providers that are offered, with a model of each.
const OFFERED: [(&str, &str); 6] = [
    ("openrouter", "openrouter/auto"),
    ("openai", "gpt-4o-mini"),
    ("anthropic", "claude-sonnet-4-5"),
    ("gemini", "gemini-2.5-flash"),
    ("deepseek", "deepseek-chat"),
    ("ollama", "llama3.2"),
];

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Ask nothing, even at a terminal.
    #[arg(short = 'y', long)]
    yes: bool,
    /// The model that answers: provider/model, such as openai/gpt-4o-mini.
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    /// The provider's key: a file, or - for the standard input.
    #[arg(long, value_name = "FILE", requires = "model")]
    key_file: Option<PathBuf>,
    /// Encrypt the keys with a passphrase, which is asked for unless it is in PICOCLAW_KEY_PASSPHRASE, and an SSH key.
    #[arg(long)]
    enc: bool,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mut environment = Environment::process();
    let asked = arguments.enc && environment.get(PASSPHRASE).is_none();
    if asked {
        environment = environment.with(PASSPHRASE, &ask_passphrase()?);
    }
    let paths = paths(&environment)?;
    let is_new = !paths.config_file.exists();
    if arguments.enc && !has_encrypted(&paths) {
        // Before the first secret is encrypted, so that it takes part in all of them.
        if let Some(key) = ssh_key(&environment).context("making an SSH key for the encryption")? {
            say(&format!("· {} takes part in the encryption: keep a copy of it", key.display()));
        }
    }
    fs::create_dir_all(paths.config_dir())
        .with_context(|| format!("creating {}", paths.config_dir().display()))?;
    fs::create_dir_all(&paths.home).with_context(|| format!("creating {}", paths.home.display()))?;
    create(&paths.config_file, USUAL_CONFIG, 0o600)?;

    // The workspace may be elsewhere.
    let workspace = match config::load(&environment, &known_types()) {
        Ok(loaded) => loaded.paths.workspace,
        Err(errors) => anyhow::bail!("{errors}"),
    };
    for (name, text) in WORKSPACE {
        create(&workspace.join(name), text, 0o644)?;
    }
    fs::create_dir_all(workspace.join("skills"))?;

    let interactive = is_new && !arguments.yes && arguments.model.is_none() && std::io::stdin().is_terminal();
    match &arguments.model {
        Some(model) => {
            let key = arguments.key_file.as_ref().map(|file| read_secret(Some(file), "The provider's key"));
            add_model(&environment, model, key.transpose()?.as_deref())?;
        }
        None if interactive => choose_model(&environment)?,
        None => {}
    }
    if arguments.enc {
        encrypt_secrets(&environment, &paths)?;
    }
    say("");
    say(&format!("PicoClaw is ready in {}.", paths.home.display()));
    say("  picoclaw agent -m \"Hello!\"    talk to it");
    say("  picoclaw gateway              start the gateway");
    say("  picoclaw model add            add a model");
    if asked {
        say(&format!("All of them, and the gateway, need the passphrase in {PASSPHRASE}."));
    }
    Ok(ExitCode::SUCCESS)
}

/// Asks for the passphrase, twice.
fn ask_passphrase() -> anyhow::Result<String> {
    anyhow::ensure!(
        std::io::stdin().is_terminal(),
        "--enc needs a passphrase: set {PASSPHRASE}, or call it at a terminal"
    );
    let ask = |question| ask_hidden(question).map(|line| line.trim_end_matches(['\r', '\n']).to_owned());
    let passphrase = ask("A passphrase for the keys (it is not shown): ")?;
    anyhow::ensure!(!passphrase.is_empty(), "an empty passphrase protects nothing");
    anyhow::ensure!(passphrase == ask("Once more: ")?, "these were two different passphrases");
    Ok(passphrase)
}

/// Whether secrets are encrypted already, maybe without an SSH key.
fn has_encrypted(paths: &Paths) -> bool {
    [&paths.security_file, &paths.config_file]
        .iter()
        .any(|file| fs::read_to_string(file).is_ok_and(|text| text.contains("enc://")))
}

/// Encrypts what stands in `.security.yml`, with an SSH key that is made if there is none.
fn encrypt_secrets(environment: &Environment, paths: &Paths) -> anyhow::Result<()> {
    let file = &paths.security_file;
    let before = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error).with_context(|| format!("reading {}", file.display())),
    };
    let (after, sealed) =
        seal(&before, environment).map_err(|error| anyhow::anyhow!("{}: {error}", file.display()))?;
    if sealed > 0 {
        write_secrets(file, &after)?;
    }
    say(&format!("✓ {}: all secrets in it are encrypted", file.display()));
    Ok(())
}

fn choose_model(environment: &Environment) -> anyhow::Result<()> {
    say("Which provider shall answer?");
    for (number, (provider, _)) in OFFERED.iter().enumerate() {
        say(&format!("  {}  {provider}", number + 1));
    }
    say("  0  none for now: the built-in model echo repeats what you say");
    let answer = ask("Number or name", "0")?;
    let number = answer.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
    let chosen =
        number.and_then(|at| OFFERED.get(at)).or_else(|| OFFERED.iter().find(|(name, _)| *name == answer));
    let Some((provider, model)) = chosen else { return Ok(()) };
    let model = ask("Model", model)?;
    let key = match *provider {
        "ollama" => None,
        _ => Some(read_secret(None, "The provider's key (it is not shown)")?),
    };
    add_model(environment, &format!("{provider}/{model}"), key.as_deref())
}

fn add_model(environment: &Environment, model: &str, key: Option<&str>) -> anyhow::Result<()> {
    let editing = Editing::begin_in(environment.clone())?;
    let name = model.rsplit('/').next().unwrap_or(model);
    let list = editing.file.get(&["model_list"]);
    if list.as_array().is_some_and(|list| list.iter().any(|known| known["model_name"] == name)) {
        say(&format!("· The model {name} is configured already."));
        return Ok(());
    }
    editing.file.push(&["model_list"], &json!({ "model_name": name, "model": model }))?;
    editing.file.set(&["agents", "defaults", "model_name"], &json!(name))?;
    if let Some(key) = key {
        add_key(&editing.environment, &editing.paths, name, key)?;
    }
    editing.finish(&format!("The model {name} answers."))
}

/// Creates a file, unless it exists.
fn create(path: &Path, text: &str, mode: u32) -> anyhow::Result<()> {
    let failed = || format!("creating {}", path.display());
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory).with_context(failed)?;
    }
    match fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path) {
        Ok(mut file) => {
            file.write_all(text.as_bytes()).with_context(failed)?;
            say(&format!("✓ {}", path.display()));
            Ok(())
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            say(&format!("· {} exists", path.display()));
            Ok(())
        }
        Err(error) => Err(error).with_context(failed),
    }
}
