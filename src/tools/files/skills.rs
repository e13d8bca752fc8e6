//! The skills of the workspace: directories with a `SKILL.md`.

use std::io::Read;

use super::super::output::ToolOutput;
use super::reach::Access;
use super::workspace::{Open, Workspace};

/// Where they are.
const DIRECTORY: &str = "skills";
/// Most of them.
const MAX_SKILLS: usize = 200;
/// How much of a skill is looked at, in bytes.
const MAX_HEAD: u64 = 4 << 10;
/// Longest description, in characters.
const MAX_DESCRIPTION: usize = 300;

/// Instructions for special work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::tools) struct Skill {
    pub(in crate::tools) name: String,
    pub(in crate::tools) description: String,
    /// Relative to the workspace.
    pub(in crate::tools) path: String,
}

impl Workspace {
    /// The skills, in no order.
    pub(in crate::tools) async fn skills(&self) -> Result<Vec<Skill>, ToolOutput> {
        self.with(list).await
    }
}

fn list(open: &Open) -> Result<Vec<Skill>, ToolOutput> {
    let place = open.place(DIRECTORY, Access::Read)?;
    // Without the directory there are none.
    let Ok(entries) = place.dir.read_dir(&place.path) else { return Ok(Vec::new()) };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let read = |directory: String| {
        let path = format!("{DIRECTORY}/{directory}/SKILL.md");
        let mut head = Vec::new();
        open.read(&path).ok()?.into_std().take(MAX_HEAD).read_to_end(&mut head).ok()?;
        Some(describe(&String::from_utf8_lossy(&head), directory, path))
    };
    Ok(names.filter_map(read).take(MAX_SKILLS).collect())
}

/// What the front matter says; without one the first line.
fn describe(text: &str, directory: String, path: String) -> Skill {
    let front = text.strip_prefix("---\n").and_then(|rest| rest.split_once("\n---"));
    let field = |name: &str| {
        let (front, _) = front?;
        let value = front.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        Some(value.trim().trim_matches(['"', '\'']).to_owned()).filter(|value| !value.is_empty())
    };
    let first = || {
        let body = front.map_or(text, |(_, body)| body.trim_start_matches("---"));
        let line = body.lines().map(|line| line.trim_start_matches('#').trim()).find(|line| !line.is_empty());
        line.unwrap_or_default().to_owned()
    };
    let description: String =
        field("description").unwrap_or_else(first).chars().take(MAX_DESCRIPTION).collect();
    Skill { name: field("name").unwrap_or(directory), description, path }
}
