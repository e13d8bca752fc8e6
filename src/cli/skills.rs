//! `picoclaw skills`: what the agent can look up how to do.

use std::fs;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use picoclaw_sinks::registry::known_types;
use serde_json::json;

use super::say;
use picoclaw::config::{self, Config, Environment};
use picoclaw::skills::{
    Builtin, FILE, Hit, InstallError, Package, Registries, Skill, builtin, is_name, remove,
};
use picoclaw::tools::Workspace;
use picoclaw_gateway::registries;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List the skills of the workspace.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print a skill.
    Show {
        /// Its name.
        name: String,
    },
    /// Install a skill into the workspace: from a folder with a SKILL.md, a repository, or a registry.
    Install {
        /// The folder; owner/repository, with a path in it if need be, or its address; or the name in --registry.
        #[arg(value_name = "FOLDER|REPOSITORY|NAME")]
        what: String,
        /// Where it comes from, when it is no folder.
        #[arg(short, long, default_value = "github", value_parser = ["github", "clawhub"])]
        registry: String,
        /// A version, branch or commit; the newest by default.
        #[arg(long, value_name = "VERSION")]
        version: Option<String>,
        /// Replace a skill of that name.
        #[arg(short, long)]
        force: bool,
    },
    /// Search for skills that could be installed, in the registry ClawHub.
    Search {
        /// What they are to be for.
        #[arg(required = true)]
        words: Vec<String>,
        /// Most of them.
        #[arg(short, long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=50))]
        limit: u64,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// List the skills that come with the gateway, or those in the directory PICOCLAW_BUILTIN_SKILLS.
    ListBuiltin,
    /// Install skills that come with the gateway.
    InstallBuiltin {
        /// Which; all of them if none is named.
        names: Vec<String>,
        /// Replace skills of these names.
        #[arg(short, long)]
        force: bool,
    },
    /// Remove a skill.
    Remove {
        /// Its name.
        name: String,
    },
}

pub(super) fn run(command: Command) -> anyhow::Result<ExitCode> {
    let environment = Environment::process();
    let loaded = config::load(&environment, &known_types())?;
    let workspace = &loaded.paths.workspace;
    let skills = workspace.join("skills");
    match command {
        Command::List { json } => {
            list(&skills, &Workspace::new(workspace, &loaded.paths.private()).read_skills(), json)?;
        }
        Command::Show { name } => {
            anyhow::ensure!(is_name(&name), unknown(&name));
            let file = skills.join(&name).join(FILE);
            let text = fs::read_to_string(&file).with_context(|| unknown(&name))?;
            say(text.trim_end());
        }
        Command::Install { what, registry, version, force } => {
            let folder = PathBuf::from(&what);
            if folder.is_dir() {
                install_folder(workspace, &folder, force)?;
            } else {
                let version = version.unwrap_or_default();
                install(&loaded.config, workspace, (&what, &registry, &version), force)?;
            }
        }
        Command::Search { words, limit, json } => search(&loaded.config, &words.join(" "), limit, json)?,
        Command::ListBuiltin => {
            for Builtin { skill, .. } in builtins(&environment)? {
                let installed = skills.join(&skill.directory).exists();
                let mark = if installed { ", installed" } else { "" };
                say(&format!("{}: {}{mark}", skill.directory, skill.description));
            }
        }
        Command::InstallBuiltin { names, force } => {
            install_builtin(workspace, &builtins(&environment)?, &names, force)?;
        }
        Command::Remove { name } => {
            let removed = remove(workspace, &name).with_context(|| format!("removing the skill {name}"))?;
            anyhow::ensure!(removed, unknown(&name));
            say(&format!("✓ Removed the skill {name}."));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn unknown(name: &str) -> String {
    format!("there is no skill \"{name}\": `picoclaw skills list` shows them")
}

fn list(at: &Path, skills: &[Skill], json: bool) -> anyhow::Result<()> {
    if json {
        let found: Vec<_> = skills
            .iter()
            .map(|skill| json!({ "name": skill.directory, "description": skill.description }))
            .collect();
        say(&serde_json::to_string_pretty(&found)?);
        return Ok(());
    }
    if skills.is_empty() {
        say(&format!("No skills in {}.", at.display()));
    }
    for Skill { directory, description, .. } in skills {
        say(format!("{directory}: {description}").trim_end_matches([':', ' ']));
    }
    Ok(())
}

fn install_folder(workspace: &Path, folder: &Path, force: bool) -> anyhow::Result<()> {
    let folder = fs::canonicalize(folder)?;
    let name = folder.file_name().context("the folder has no name")?.to_string_lossy().into_owned();
    let package = Package::of_directory(&folder).with_context(|| format!("{}", folder.display()))?;
    put(workspace, &package, &name, force)
}

fn install(
    config: &Config,
    workspace: &Path,
    (slug, registry, version): (&str, &str, &str),
    force: bool,
) -> anyhow::Result<()> {
    let fetched = blocking(known(config)?.fetch(registry, slug, version))??;
    if fetched.suspicious {
        say(&format!("! {registry} calls this skill suspicious: read it before you let an agent use it."));
    }
    put(workspace, &fetched.package, &fetched.name, force)
}

fn builtins(environment: &Environment) -> anyhow::Result<Vec<Builtin>> {
    let directory = environment.get("PICOCLAW_BUILTIN_SKILLS").map(Path::new);
    builtin(directory)
        .with_context(|| format!("PICOCLAW_BUILTIN_SKILLS: {}", directory.unwrap_or(Path::new("")).display()))
}

fn install_builtin(
    workspace: &Path,
    builtins: &[Builtin],
    names: &[String],
    force: bool,
) -> anyhow::Result<()> {
    let known = |name: &String| builtins.iter().any(|one| one.skill.directory == *name);
    if let Some(name) = names.iter().find(|name| !known(name)) {
        anyhow::bail!(
            "no skill \"{name}\" comes with the gateway: `picoclaw skills list-builtin` shows them"
        );
    }
    for Builtin { skill, package } in builtins {
        let name = &skill.directory;
        if !names.is_empty() && !names.contains(name) {
            continue;
        }
        match put(workspace, package, name, force) {
            // One that is there is no reason not to install the others.
            Err(_) if !force && workspace.join("skills").join(name).exists() => {
                say(&format!("· {name} is there already: --force replaces it"));
            }
            done => done?,
        }
    }
    Ok(())
}

fn put(workspace: &Path, package: &Package, name: &str, force: bool) -> anyhow::Result<()> {
    match package.put(workspace, name, force) {
        Ok(Skill { description, .. }) => say(&format!("✓ Installed the skill {name}: {description}")),
        Err(InstallError::Exists(name)) => {
            anyhow::bail!("there is a skill \"{name}\" already: --force replaces it")
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

fn search(config: &Config, query: &str, limit: u64, json: bool) -> anyhow::Result<()> {
    let registries = known(config)?;
    anyhow::ensure!(
        registries.names().contains(&"clawhub"),
        "tools.skills.registries.clawhub is switched off, and no other registry can be searched"
    );
    let hits = blocking(registries.search(query, limit))?.map_err(anyhow::Error::msg)?;
    if json {
        let hits: Vec<_> = hits
            .iter()
            .map(|Hit { registry, slug, summary }| json!({ "registry": registry, "slug": slug, "summary": summary }))
            .collect();
        say(&serde_json::to_string_pretty(&hits)?);
        return Ok(());
    }
    if hits.is_empty() {
        say("No skill fits.");
    }
    for Hit { registry, slug, summary } in hits {
        say(&format!("{slug}: {summary}\n  picoclaw skills install --registry {registry} {slug}"));
    }
    Ok(())
}

fn known(config: &Config) -> anyhow::Result<Registries> {
    let registries = registries(config).context("tools.web.private_host_whitelist")?;
    registries.context("all of tools.skills.registries are switched off")
}

fn blocking<T>(work: impl Future<Output = T>) -> anyhow::Result<T> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work))
}
