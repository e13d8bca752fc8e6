//! The skills of a workspace: a directory each, with a `SKILL.md` that says in its front matter what it is for.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::files;

/// Most skills of a workspace.
const MAX_SKILLS: usize = 100;
/// Where the front matter must end, in bytes.
const MAX_FRONT_MATTER: u64 = 8 << 10;
/// Longest description, in characters.
const MAX_DESCRIPTION: usize = 400;

/// Instructions for a certain kind of task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skill {
    /// Its name.
    pub name: String,
    /// What it is for, on one line.
    pub description: String,
    /// Where its instructions are, from the workspace on.
    pub path: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct FrontMatter {
    name: String,
    description: String,
}

/// The files of the skills, in order.
pub(super) fn paths(workspace: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(workspace.join("skills")).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.take(10 * MAX_SKILLS).map(|e| e.path().join("SKILL.md")).collect();
    paths.sort_unstable();
    paths.truncate(MAX_SKILLS);
    paths
}

/// The skills; only those in the list unless it is empty.
pub(super) fn find(workspace: &Path, only: &[String]) -> Vec<Skill> {
    let skills = paths(workspace).into_iter().filter_map(|path| skill(&path));
    skills.filter(|skill| only.is_empty() || only.contains(&skill.name)).collect()
}

fn skill(path: &PathBuf) -> Option<Skill> {
    let text = files::read(path, MAX_FRONT_MATTER)?;
    let directory = path.parent()?.file_name()?.to_str()?.to_owned();
    let front = front_matter(&text).unwrap_or_default();
    let name = if front.name.trim().is_empty() { directory.clone() } else { one_line(&front.name) };
    let description = one_line(&front.description).chars().take(MAX_DESCRIPTION).collect();
    Some(Skill { name, description, path: format!("skills/{directory}/SKILL.md") })
}

fn front_matter(text: &str) -> Option<FrontMatter> {
    let rest = text.trim_start_matches('\u{feff}').strip_prefix("---")?.trim_start_matches(['\r', ' ']);
    let (front, _) = rest.strip_prefix('\n')?.split_once("\n---")?;
    serde_norway::from_str(front).ok()
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
