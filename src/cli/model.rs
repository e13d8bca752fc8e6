//! `picoclaw model`: which models there are, which one answers, and a new one.

use std::path::PathBuf;
use std::process::ExitCode;

use picoclaw_sinks::registry::known_types;
use serde_json::{Map, Value, json};

use super::edit::{Editing, add_key, read_secret};
use super::say;
use picoclaw::config::{self, Config, Environment, ModelConfig};

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Arguments {
    /// The model that answers from now on; without it they are listed.
    name: Option<String>,
    /// List them as JSON.
    #[arg(long, conflicts_with = "name")]
    json: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Add a model to the configuration; its key goes into .security.yml.
    Add(Box<Add>),
}

#[derive(Debug, clap::Args)]
struct Add {
    /// The name by which it is called.
    name: String,
    /// The provider and the provider's name of the model, such as openai/gpt-4o-mini.
    model: String,
    /// The provider's address, instead of the usual one.
    #[arg(long, value_name = "URL")]
    api_base: Option<String>,
    /// The provider's key: a file, or - for the standard input.
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Ask for the provider's key.
    #[arg(short, long, conflicts_with = "key_file")]
    key: bool,
    /// Let it answer from now on.
    #[arg(short, long)]
    default: bool,
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    match (arguments.command, arguments.name) {
        (Some(Command::Add(add)), _) => self::add(&add)?,
        (None, Some(name)) => choose(&name)?,
        (None, None) => list(arguments.json)?,
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn list(json: bool) -> anyhow::Result<()> {
    let loaded = config::load(&Environment::process(), &known_types())?;
    if json {
        say(&serde_json::to_string_pretty(&described(&loaded.config))?);
        return Ok(());
    }
    let default = loaded.config.default_model();
    for model in &loaded.config.model_list {
        let mark = if model.model_name == default { "*" } else { "-" };
        let off = if model.enabled { "" } else { ", disabled" };
        say(&format!("{mark} {} ({}{off})", model.model_name, describe(model)));
    }
    Ok(())
}

/// The models for programs.
pub(super) fn described(config: &Config) -> Vec<Value> {
    let default = config.default_model();
    let describe = |model: &ModelConfig| {
        json!({
            "name": model.model_name,
            "provider": model.provider_name(),
            "model": model.upstream_id(),
            "keys": model.keys().count(),
            "enabled": model.enabled,
            "default": model.enabled && model.model_name == default,
        })
    };
    config.model_list.iter().map(describe).collect()
}

/// A model for people.
pub(super) fn describe(model: &ModelConfig) -> String {
    let provider = model.provider_name();
    match (provider, model.keys().count()) {
        (config::ECHO, _) => "built in, needs no key".to_owned(),
        (_, 0) => format!("provider {provider}, no key"),
        (_, 1) => format!("provider {provider}, one key"),
        (_, n) => format!("provider {provider}, {n} keys"),
    }
}

fn choose(name: &str) -> anyhow::Result<()> {
    let editing = Editing::begin()?;
    editing.file.set(&["agents", "defaults", "model_name"], &json!(name))?;
    editing.finish(&format!("{name} answers when nobody names a model."))
}

fn add(add: &Add) -> anyhow::Result<()> {
    let editing = Editing::begin()?;
    let taken = editing.file.get(&["model_list"]);
    let taken = taken.as_array().is_some_and(|list| list.iter().any(|model| model["model_name"] == add.name));
    anyhow::ensure!(!taken, "there is a model \"{}\" already: choose another name", add.name);
    let key = match (&add.key_file, add.key) {
        (None, false) => None,
        (file, _) => Some(read_secret(file.as_deref(), "The provider's key")?),
    };
    let mut entry = Map::new();
    entry.insert("model_name".into(), json!(add.name));
    entry.insert("model".into(), json!(add.model));
    if let Some(base) = &add.api_base {
        entry.insert("api_base".into(), json!(base));
    }
    editing.file.push(&["model_list"], &Value::Object(entry))?;
    if add.default {
        editing.file.set(&["agents", "defaults", "model_name"], &json!(add.name))?;
    }
    if let Some(key) = &key {
        add_key(&editing.environment, &editing.paths, &add.name, key)?;
    }
    editing.finish(&format!("Added the model {} ({}).", add.name, add.model))
}
