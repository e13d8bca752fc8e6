//! `install_skill`: a skill of a registry becomes one of the workspace.

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::arguments::Arguments;
use super::output::ToolOutput;
use super::tool::Tool;
use crate::skills::{InstallError, Registries};
use picoclaw_chat::ToolSpec;

/// How long it may take: what it says of itself, then its archive.
const PATIENCE: Duration = Duration::from_secs(130);

/// Installs skills of registries.
#[derive(Clone, Debug)]
pub struct InstallSkill {
    workspace: PathBuf,
    registries: Registries,
}

impl InstallSkill {
    /// The tool for this workspace.
    pub fn new(workspace: impl Into<PathBuf>, registries: Registries) -> Self {
        Self { workspace: workspace.into(), registries }
    }

    async fn install(&self, arguments: Value) -> Result<ToolOutput, ToolOutput> {
        let arguments = Arguments::new(arguments)?;
        let slug = arguments.text("slug", "the skill's name in its registry")?.trim().to_owned();
        let registry = arguments.optional_text("registry")?.filter(|name| !name.is_empty());
        let registry = registry.unwrap_or("github").to_owned();
        let version = arguments.optional_text("version")?.unwrap_or_default();
        let replace = arguments.flag("force")?;
        let fetched =
            self.registries.fetch(&registry, &slug, version).await.map_err(|error| failed(&error))?;
        let workspace = self.workspace.clone();
        let (name, version, suspicious) = (fetched.name, fetched.version, fetched.suspicious);
        let put = tokio::task::spawn_blocking(move || fetched.package.put(&workspace, &name, replace)).await;
        let skill = put
            .unwrap_or_else(|error| Err(InstallError::Io(std::io::Error::other(error))))
            .map_err(|error| failed(&error))?;
        let warning = if suspicious { "Its registry calls it suspicious: tell the person.\n" } else { "" };
        Ok(ToolOutput::success(format!(
            "Installed {slug} ({version}) from {registry}: {}\n{warning}Read {} before you use it.",
            skill.description,
            skill.path()
        )))
    }
}

fn failed(error: &InstallError) -> ToolOutput {
    match error {
        InstallError::Exists(name) => {
            ToolOutput::error(format!("there is a skill {name} already; with force it is replaced"))
        }
        error => ToolOutput::error(error.to_string()),
    }
}

#[async_trait]
impl Tool for InstallSkill {
    fn spec(&self) -> ToolSpec {
        ToolSpec {
            name: "install_skill".to_owned(),
            description: format!(
                "Install a skill into the workspace, from a registry ({}). Look with find_skills first. Nothing of it is \
                 run.",
                self.registries.names().join(", ")
            ),
            parameters: json!({
                "type": "object",
                "properties": {
                    "slug": {"type": "string", "description": "The skill: owner/repository, with a path in it if need be, for github; its name for clawhub."},
                    "version": {"type": "string", "description": "A version, branch or commit; the newest by default."},
                    "registry": {"type": "string", "description": "The registry; github by default."},
                    "force": {"type": "boolean", "description": "Whether to replace a skill of that name; false by default."},
                },
                "required": ["slug"],
            }),
        }
    }

    async fn call(&self, arguments: Value) -> ToolOutput {
        self.install(arguments).await.into()
    }

    fn patience(&self) -> Option<Duration> {
        Some(PATIENCE)
    }
}
