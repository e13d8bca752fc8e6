//! What a skill says of itself, in the front matter of its `SKILL.md`.

use serde::Deserialize;

/// Where the skills are, in the workspace.
pub const DIRECTORY: &str = "skills";
/// A skill's own file.
pub const FILE: &str = "SKILL.md";
/// How much of that file is looked at, in bytes.
pub const MAX_HEAD: u64 = 8 << 10;
/// Longest name and longest description, in characters.
const MAX_NAME: usize = 64;
const MAX_DESCRIPTION: usize = 400;

/// Instructions for a certain kind of task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skill {
    /// Its name: what it calls itself, else that of its directory.
    pub name: String,
    /// What it is for, on one line.
    pub description: String,
    /// The name of its directory.
    pub directory: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct FrontMatter {
    name: String,
    description: String,
}

impl Skill {
    /// The skill in this directory, whose file begins with this text. Without front matter the first line describes it.
    pub(crate) fn parse(text: &str, directory: String) -> Self {
        let text = text.trim_start_matches('\u{feff}');
        let (front, body) = split(text).unwrap_or(("", text));
        let front: FrontMatter = serde_norway::from_str(front).unwrap_or_default();
        let name = one_line(&front.name, MAX_NAME);
        let description = match one_line(&front.description, MAX_DESCRIPTION) {
            none if none.is_empty() => first_line(body),
            given => given,
        };
        Self { name: if name.is_empty() { directory.clone() } else { name }, description, directory }
    }

    /// Where its instructions are, from the workspace on.
    pub fn path(&self) -> String {
        format!("{DIRECTORY}/{}/{FILE}", self.directory)
    }
}

/// The front matter and what follows it.
fn split(text: &str) -> Option<(&str, &str)> {
    let rest = text.strip_prefix("---")?.trim_start_matches(['\r', ' ']).strip_prefix('\n')?;
    match rest.strip_prefix("---") {
        Some(body) => Some(("", body)),
        None => rest.split_once("\n---"),
    }
}

/// The first line of text, or of a heading where there is nothing else.
fn first_line(body: &str) -> String {
    let lines = || body.lines().map(str::trim).filter(|line| !line.is_empty());
    let text = lines().find(|line| !line.starts_with('#')).or_else(|| lines().next());
    one_line(text.unwrap_or_default().trim_start_matches('#'), MAX_DESCRIPTION)
}

fn one_line(text: &str, most: usize) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(most).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> (String, String) {
        let skill = Skill::parse(text, "dir".to_owned());
        (skill.name, skill.description)
    }

    #[test]
    fn a_skill_says_what_it_is() {
        let named = |name: &str, what: &str| (name.to_owned(), what.to_owned());
        assert_eq!(
            said("---\nname: x\ndescription: >\n  Two\n  lines\n---\n# X\ntext"),
            named("x", "Two lines")
        );
        assert_eq!(said("---\r\nname: \"x\"\r\n---\r\n# X\r\nDoes it."), named("x", "Does it."));
        assert_eq!(said("\u{feff}---\nname: x\n---\n"), named("x", ""));
        assert_eq!(said("# X\n\nDoes it.\nMore."), named("dir", "Does it."));
        assert_eq!(said("# Only a heading"), named("dir", "Only a heading"));
        assert_eq!(said("---\nname: [\n---\nStill told."), named("dir", "Still told."));
        assert_eq!(said("---\n---\nStill told."), named("dir", "Still told."));
        assert_eq!(said(""), named("dir", ""));
        assert_eq!(said(&format!("# {}", "é".repeat(1000))).1.chars().count(), MAX_DESCRIPTION);
        assert_eq!(Skill::parse("", "a".to_owned()).path(), "skills/a/SKILL.md");
    }
}
