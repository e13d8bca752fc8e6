//! `picoclaw skills`: what the agent can look up how to do.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use picoclaw_sinks::registry::known_types;
use serde_json::json;

use super::say;
use crate::config::{self, Environment};

/// A skill's own file.
const FILE: &str = "SKILL.md";
/// Most bytes and files of a skill that can be installed.
const LARGEST: u64 = 16 << 20;
const MOST_FILES: usize = 1_000;

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
    /// Copy a skill into the workspace: a folder with a SKILL.md.
    Install {
        /// The folder.
        folder: PathBuf,
        /// Replace a skill of that name.
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
    let loaded = config::load(&Environment::process(), &known_types())?;
    let skills = loaded.paths.workspace.join("skills");
    match command {
        Command::List { json } => list(&skills, json)?,
        Command::Show { name } => {
            let file = folder(&skills, &name)?.join(FILE);
            let text = fs::read_to_string(&file).with_context(|| unknown(&name))?;
            say(text.trim_end());
        }
        Command::Install { folder, force } => install(&skills, &folder, force)?,
        Command::Remove { name } => {
            let folder = folder(&skills, &name)?;
            anyhow::ensure!(folder.join(FILE).is_file(), unknown(&name));
            fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))?;
            say(&format!("✓ Removed the skill {name}."));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn unknown(name: &str) -> String {
    format!("there is no skill \"{name}\": `picoclaw skills list` shows them")
}

/// The folder of a skill. A name leads nowhere else.
fn folder(skills: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let plain = !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', '\0']);
    anyhow::ensure!(plain, "\"{name}\" is no name of a skill");
    Ok(skills.join(name))
}

fn list(skills: &Path, json: bool) -> anyhow::Result<()> {
    let mut found = Vec::new();
    for entry in fs::read_dir(skills).into_iter().flatten().flatten() {
        if let Ok(text) = fs::read_to_string(entry.path().join(FILE)) {
            found.push((entry.file_name().to_string_lossy().into_owned(), description(&text)));
        }
    }
    found.sort();
    if json {
        let found: Vec<_> =
            found.iter().map(|(name, what)| json!({ "name": name, "description": what })).collect();
        say(&serde_json::to_string_pretty(&found)?);
        return Ok(());
    }
    if found.is_empty() {
        say(&format!("No skills in {}.", skills.display()));
    }
    for (name, what) in found {
        say(format!("{name}: {what}").trim_end_matches([':', ' ']));
    }
    Ok(())
}

/// What a skill says of itself: `description` in its front matter, else its first line of text.
fn description(text: &str) -> String {
    let mut lines = text.lines();
    if lines.next().map(str::trim) == Some("---") {
        let matter: String =
            lines.by_ref().take_while(|line| line.trim() != "---").flat_map(|line| [line, "\n"]).collect();
        let matter: serde_json::Value = serde_norway::from_str(&matter).unwrap_or_default();
        if let Some(what) = matter["description"].as_str() {
            return what.split_whitespace().collect::<Vec<_>>().join(" ");
        }
    } else {
        lines = text.lines();
    }
    let said = lines.map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
    said.unwrap_or_default().to_owned()
}

fn install(skills: &Path, from: &Path, force: bool) -> anyhow::Result<()> {
    anyhow::ensure!(
        from.is_dir(),
        "{} is no folder on this machine; fetch the skill first, then install its folder",
        from.display()
    );
    anyhow::ensure!(from.join(FILE).is_file(), "{} has no {FILE}", from.display());
    let from = fs::canonicalize(from)?;
    let name = from.file_name().context("the folder has no name")?.to_string_lossy().into_owned();
    let to = folder(skills, &name)?;
    anyhow::ensure!(force || !to.exists(), "there is a skill \"{name}\" already: --force replaces it");
    fs::create_dir_all(skills)?;
    let beside = skills.join(format!(".{name}.new"));
    if beside.exists() {
        fs::remove_dir_all(&beside)?;
    }
    let mut left = (MOST_FILES, LARGEST);
    let copied = copy(&from, &beside, &mut left);
    if copied.is_err() {
        let _ = fs::remove_dir_all(&beside);
    }
    copied.with_context(|| format!("copying {}", from.display()))?;
    if to.exists() {
        fs::remove_dir_all(&to)?;
    }
    fs::rename(&beside, &to)?;
    say(&format!("✓ Installed the skill {name}."));
    Ok(())
}

/// Links are left out: they could lead to anything of this machine.
fn copy(from: &Path, to: &Path, left: &mut (usize, u64)) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        let target = to.join(entry.file_name());
        if kind.is_dir() {
            copy(&entry.path(), &target, left)?;
        } else if kind.is_file() {
            let size = entry.metadata()?.len();
            anyhow::ensure!(left.0 > 0 && size <= left.1, "it is larger than {MOST_FILES} files or 16 MiB");
            *left = (left.0 - 1, left.1 - size);
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_skill_says_what_it_is() {
        assert_eq!(description("---\nname: x\ndescription: >\n  Two\n  lines\n---\n# X\ntext"), "Two lines");
        assert_eq!(description("# X\n\nDoes it.\nMore."), "Does it.");
        assert_eq!(description("---\nname: x\n---\n# X\nDoes it."), "Does it.");
        assert_eq!(description(""), "");
    }

    #[test]
    fn names_stay_in_the_folder() {
        for name in ["", "..", ".x", "a/b", "/etc"] {
            assert!(folder(Path::new("/w"), name).is_err(), "{name}");
        }
        assert_eq!(folder(Path::new("/w"), "a").unwrap(), Path::new("/w/a"));
    }
}
