//! `find_skills`: the instructions that lie in the workspace's `skills`.

use async_trait::async_trait;
use serde_json::{Value, json};

use super::arguments::Arguments;
use super::files::Workspace;
use super::output::ToolOutput;
use super::tool::Tool;
use crate::skills::{Hit, Registries, Skill};
use picoclaw_chat::ToolSpec;

/// Most skills shown.
const MAX_SHOWN: u64 = 20;

/// Finds skills in the workspace.
#[derive(Clone, Debug)]
pub struct FindSkills {
    workspace: Workspace,
    registries: Option<Registries>,
}

impl FindSkills {
    /// The tool for this workspace, and for what could be installed into it.
    pub fn new(workspace: Workspace, registries: Option<Registries>) -> Self {
        Self { workspace, registries }
    }
}

#[async_trait]
impl Tool for FindSkills {
    fn spec(&self) -> ToolSpec {
        ToolSpec {
            name: "find_skills".to_owned(),
            description: "Find skills: instructions for special work, which you read with read_file before \
                          you begin."
                .to_owned(),
            parameters: json!({
                "type": "object",
                "properties": {
                    "query": {"type": "string", "description": "What you want to do; empty for all skills."},
                    "limit": {"type": "integer", "minimum": 1, "maximum": 20, "description": "Most skills; 5 by default."},
                },
                "required": ["query"],
            }),
        }
    }

    async fn call(&self, arguments: Value) -> ToolOutput {
        self.find(arguments).await.into()
    }
}

impl FindSkills {
    async fn find(&self, arguments: Value) -> Result<ToolOutput, ToolOutput> {
        let arguments = Arguments::new(arguments)?;
        let query = arguments.text("query", "what you want to do")?.to_lowercase();
        let limit = arguments.number("limit")?.filter(|limit| *limit > 0).unwrap_or(5).min(MAX_SHOWN);
        let mut skills: Vec<(usize, Skill)> = self
            .workspace
            .skills()
            .await?
            .into_iter()
            .map(|skill| (matches(&skill, &query), skill))
            .filter(|(matches, _)| *matches > 0)
            .collect();
        skills.sort_by(|(a, one), (b, other)| b.cmp(a).then_with(|| one.directory.cmp(&other.directory)));
        let more = match &self.registries {
            Some(registries) if !query.is_empty() => elsewhere(registries, &query, limit).await,
            _ => String::new(),
        };
        if skills.is_empty() {
            return Ok(ToolOutput::success(format!("no installed skill fits{more}")));
        }
        let line = |(_, skill): &(usize, Skill)| {
            format!("{}: {}\n  {}\n", skill.name, skill.description, skill.path())
        };
        let found: String = skills.iter().take(limit as usize).map(line).collect();
        Ok(ToolOutput::success(format!("{}{more}", found.trim_end())))
    }
}

/// What could be installed.
async fn elsewhere(registries: &Registries, query: &str, limit: u64) -> String {
    match registries.search(query, limit).await {
        Ok(hits) if hits.is_empty() => String::new(),
        Ok(hits) => hits.iter().fold(
            "\n\nNot installed; install_skill installs them:".to_owned(),
            |text, Hit { registry, slug, summary }| format!("{text}\n{registry}: {slug}: {summary}"),
        ),
        Err(error) => format!("\n\nWhat could be installed is not known: {error}"),
    }
}

/// How many words of the query a skill has; all have a query without words that say something.
fn matches(skill: &Skill, query: &str) -> usize {
    let text = format!("{} {} {}", skill.name, skill.description, skill.directory).to_lowercase();
    let mut words = query.split_whitespace().filter(|word| word.chars().count() > 2).peekable();
    if words.peek().is_none() {
        return 1;
    }
    words.filter(|word| text.contains(word)).count()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[tokio::test]
    async fn skills_are_found_by_what_they_are_for() {
        let home = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| {
            fs::create_dir_all(home.path().join("skills").join(name)).unwrap();
            fs::write(home.path().join("skills").join(name).join("SKILL.md"), text).unwrap();
        };
        let tool = FindSkills::new(Workspace::new(home.path(), &[]), None);
        let find = async |query: &str| tool.call(json!({"query": query})).await.text;
        assert_eq!(find("anything").await, "no installed skill fits");
        put("pdf", "---\nname: PDF\ndescription: \"Fill in PDF forms\"\n---\n# PDF\n");
        put("trips", "# Plan trips\n\nFinds trains and hotels.\n");
        fs::create_dir_all(home.path().join("skills/empty")).unwrap();
        assert_eq!(find("fill in a form").await, "PDF: Fill in PDF forms\n  skills/pdf/SKILL.md");
        assert_eq!(find("plan a trip").await, "trips: Finds trains and hotels.\n  skills/trips/SKILL.md");
        assert_eq!(find("").await.lines().count(), 4);
    }
}
