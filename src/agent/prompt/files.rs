//! The files of the workspace that a prompt is made of.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::skills::Skill;
use crate::tools::Workspace;

/// Most bytes of one file.
pub(super) const MAX_FILE: u64 = 24 << 10;

/// The files with what they are for; of two names the first that exists.
const FILES: [(&[&str], &str); 5] = [
    (&["AGENT.md", "AGENTS.md"], "How you work"),
    (&["IDENTITY.md"], "Who you are"),
    (&["SOUL.md"], "How you speak"),
    (&["USER.md"], "Whom you speak with"),
    (&["memory/MEMORY.md"], "What you have noted down (memory/MEMORY.md)"),
];

/// What the files look like from outside: it differs when one of them has changed.
pub(super) fn stamp(workspace: &Workspace) -> u64 {
    let mut hasher = DefaultHasher::new();
    let names = FILES.iter().flat_map(|(names, _)| names.iter());
    for path in names.map(|name| workspace.path().join(name)).chain(workspace.skill_files()) {
        path.hash(&mut hasher);
        look(&path).hash(&mut hasher);
    }
    hasher.finish()
}

/// Length and time of the last change of a file; `None` for what is none.
fn look(path: &Path) -> Option<(u64, Option<SystemTime>)> {
    let metadata = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
    Some((metadata.len(), metadata.modified().ok()))
}

/// The prompt.
pub(super) fn compose(opening: &str, workspace: &Path, skills: &[Skill]) -> String {
    let mut text = opening.to_owned();
    for (names, title) in FILES {
        let found = names.iter().map(|name| workspace.join(name)).find_map(|path| read(&path, MAX_FILE));
        if let Some(found) = found.filter(|found| !found.trim().is_empty()) {
            let _ = write!(text, "\n\n## {title}\n\n{}", found.trim());
        }
    }
    if !skills.is_empty() {
        text.push_str(
            "\n\n## Skills\n\nBefore a task that one of these fits, read its file and follow it.\n",
        );
        for skill in skills {
            let Skill { name, description, .. } = skill;
            let _ = write!(text, "\n- {name} ({})", skill.path());
            if !description.is_empty() {
                let _ = write!(text, ": {description}");
            }
        }
    }
    text
}

/// The beginning of a file, and a note where it was cut; `None` when it cannot be read.
pub(super) fn read(path: &PathBuf, most: u64) -> Option<String> {
    // Opening a pipe would wait for whoever writes into it.
    look(path)?;
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(most + 1).read_to_end(&mut bytes).ok()?;
    let is_cut = bytes.len() as u64 > most;
    bytes.truncate(usize::try_from(most).unwrap_or(usize::MAX));
    let mut text = String::from_utf8_lossy(&bytes).into_owned();
    if is_cut {
        let _ = write!(text, "\n[cut here: only the first {most} bytes of this file are shown]");
    }
    Some(text)
}
