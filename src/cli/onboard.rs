//! `picoclaw onboard`: a home directory to start with. What exists stays as it is, so it can be run again.

use std::fs;
use std::io::{ErrorKind, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use picoclaw_sinks::registry::known_types;
use serde_json::json;

use super::edit::{Editing, add_key, ask, paths, read_secret};
use super::{complain, say};
use crate::config::{self, Environment};

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
    /// Encrypt the keys (not offered).
    #[arg(long, hide = true)]
    enc: bool,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    if arguments.enc {
        complain("note: keys are not encrypted; they stand in .security.yml, which only you can read");
    }
    let environment = Environment::process();
    let paths = paths(&environment)?;
    let is_new = !paths.config_file.exists();
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
            add_model(model, key.transpose()?.as_deref())?;
        }
        None if interactive => choose_model()?,
        None => {}
    }
    say("");
    say(&format!("PicoClaw is ready in {}.", paths.home.display()));
    say("  picoclaw agent -m \"Hello!\"    talk to it");
    say("  picoclaw gateway              start the gateway");
    say("  picoclaw model add            add a model");
    Ok(ExitCode::SUCCESS)
}

fn choose_model() -> anyhow::Result<()> {
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
    add_model(&format!("{provider}/{model}"), key.as_deref())
}

fn add_model(model: &str, key: Option<&str>) -> anyhow::Result<()> {
    let editing = Editing::begin()?;
    let name = model.rsplit('/').next().unwrap_or(model);
    let list = editing.file.get(&["model_list"]);
    if list.as_array().is_some_and(|list| list.iter().any(|known| known["model_name"] == name)) {
        say(&format!("· The model {name} is configured already."));
        return Ok(());
    }
    editing.file.push(&["model_list"], &json!({ "model_name": name, "model": model }))?;
    editing.file.set(&["agents", "defaults", "model_name"], &json!(name))?;
    if let Some(key) = key {
        add_key(&editing.paths, name, key)?;
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
