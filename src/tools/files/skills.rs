//! The skills of the workspace: the one place that reads them.

use std::fs;
use std::io::Read;
use std::path::PathBuf;

use super::super::output::ToolOutput;
use super::workspace::{Open, Workspace};
use crate::skills::{DIRECTORY, FILE, MAX_HEAD, Skill};

/// Most skills of a workspace.
const MAX_SKILLS: usize = 200;

impl Workspace {
    /// The skills, by directory in order.
    pub async fn skills(&self) -> Result<Vec<Skill>, ToolOutput> {
        let workspace = self.clone();
        self.with(move |open| Ok(workspace.list(open))).await
    }

    /// The same, where it may block. What cannot be read is left out.
    pub fn read_skills(&self) -> Vec<Skill> {
        // Looking for skills does not create a workspace.
        let open = self.path().is_dir().then(|| self.open().ok()).flatten();
        open.map_or_else(Vec::new, |open| self.list(&open))
    }

    /// Where the files of skills would be, in order, without a look at them; may block.
    pub fn skill_files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path().join(DIRECTORY)).into_iter().flatten().flatten();
        let mut paths: Vec<PathBuf> =
            entries.take(10 * MAX_SKILLS).map(|entry| entry.path().join(FILE)).collect();
        paths.sort_unstable();
        paths.truncate(MAX_SKILLS);
        paths
    }

    fn list(&self, open: &Open) -> Vec<Skill> {
        let read = |path: &PathBuf| {
            let directory = path.parent()?.file_name()?.to_str()?;
            // What begins with a dot is on its way in or out.
            if directory.starts_with('.') {
                return None;
            }
            let mut head = Vec::new();
            let file = open.read(&format!("{DIRECTORY}/{directory}/{FILE}")).ok()?;
            file.into_std().take(MAX_HEAD).read_to_end(&mut head).ok()?;
            Some(Skill::parse(&String::from_utf8_lossy(&head), directory.to_owned()))
        };
        self.skill_files().iter().filter_map(read).collect()
    }
}
