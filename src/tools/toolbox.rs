//! The tools that a gateway offers.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use super::exec::{Exec, ExecOptions};
use super::files::{
    AppendFile, EditFile, ListDir, LoadImage, Reach, ReadFile, ReadFileOptions, Workspace, WriteFile,
};
use super::find_skills::FindSkills;
use super::install_skill::InstallSkill;
use super::message::{SendFile, SendMessage};
use super::tool::Tool;
use super::tool_search::{ToolSearch, ToolSearchOptions};
use super::web_fetch::{WebFetch, WebFetchOptions};
use super::web_search::{Engine, WebSearch};
use crate::skills::Registries;
use picoclaw_chat::ToolSpec;
use picoclaw_chat::courier::Courier;

/// How messages are sent to chats.
#[derive(Clone)]
pub struct Messages {
    /// Who takes them there.
    pub courier: Arc<dyn Courier>,
    /// The channels that the model is told of.
    pub channels: Vec<String>,
    /// Whether there is `message`.
    pub message: bool,
    /// Whether its messages may carry files.
    pub files_in_messages: bool,
    /// Whether there is `send_file`.
    pub send_file: bool,
}

impl fmt::Debug for Messages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Messages").field("channels", &self.channels).finish_non_exhaustive()
    }
}

/// Which built-in tools there are, and within which bounds.
#[derive(Clone, Debug)]
pub struct ToolboxOptions {
    /// The directory that file tools are fenced to; created when first used.
    pub workspace: PathBuf,
    /// Files and directories that file tools may not touch although they lie in the workspace.
    pub private: Vec<PathBuf>,
    /// How far file tools reach beyond the workspace.
    pub reach: Reach,
    /// How `read_file` works; `None` leaves it out.
    pub read_file: Option<ReadFileOptions>,
    /// Whether there is `write_file`.
    pub write_file: bool,
    /// Whether there is `edit_file`.
    pub edit_file: bool,
    /// Whether there is `append_file`.
    pub append_file: bool,
    /// Whether there is `list_dir`.
    pub list_dir: bool,
    /// Most bytes of an image for `load_image`; `None` leaves it out.
    pub load_image: Option<u64>,
    /// How `exec` works; `None` leaves it out.
    pub exec: Option<ExecOptions>,
    /// Whether there is `find_skills`.
    pub find_skills: bool,
    /// Where skills come from, for `find_skills` and `install_skill`; `None` leaves the latter out.
    pub registries: Option<Registries>,
    /// Who takes messages to chats; `None` leaves out `message` and `send_file`.
    pub messages: Option<Messages>,
    /// The engines of `web_search`, in the order in which they are asked; none leave it out.
    pub search: Vec<Engine>,
    /// The proxy through which they are asked; empty for that of the environment.
    pub search_proxy: String,
    /// How `web_fetch` works; `None` leaves it out.
    pub web_fetch: Option<WebFetchOptions>,
}

impl ToolboxOptions {
    /// All built-in tools with their defaults.
    pub fn all(workspace: impl Into<PathBuf>) -> Self {
        Self {
            workspace: workspace.into(),
            private: Vec::new(),
            reach: Reach::default(),
            read_file: Some(ReadFileOptions::default()),
            write_file: true,
            edit_file: true,
            append_file: true,
            list_dir: true,
            load_image: Some(20 << 20),
            exec: Some(ExecOptions::default()),
            find_skills: true,
            registries: None,
            messages: None,
            search: Vec::new(),
            search_proxy: String::new(),
            web_fetch: Some(WebFetchOptions::default()),
        }
    }

    /// The workspace with its fence.
    pub fn fenced(&self) -> Workspace {
        Workspace::new(&self.workspace, &self.private).reaching(self.reach.clone())
    }
}

/// Tools by name. Cheap to clone.
#[derive(Clone, Default)]
pub struct Toolbox {
    tools: Arc<BTreeMap<String, Arc<dyn Tool>>>,
    specs: Arc<[ToolSpec]>,
}

impl Toolbox {
    /// The built-in tools.
    pub fn built_in(options: &ToolboxOptions) -> Self {
        let workspace = options.fenced();
        let mut tools: Vec<Arc<dyn Tool>> = Vec::new();
        if let Some(options) = options.read_file {
            tools.push(Arc::new(ReadFile::new(workspace.clone(), options)));
        }
        if options.write_file {
            tools.push(Arc::new(WriteFile::new(workspace.clone())));
        }
        if options.edit_file {
            tools.push(Arc::new(EditFile::new(workspace.clone())));
        }
        if options.append_file {
            tools.push(Arc::new(AppendFile::new(workspace.clone())));
        }
        if options.list_dir {
            tools.push(Arc::new(ListDir::new(workspace.clone())));
        }
        if let Some(most) = options.load_image {
            tools.push(Arc::new(LoadImage::new(workspace.clone(), most)));
        }
        if let Some(options) = &options.exec {
            tools.push(Arc::new(Exec::new(workspace.clone(), options.clone())));
        }
        if options.find_skills {
            tools.push(Arc::new(FindSkills::new(workspace.clone(), options.registries.clone())));
        }
        if let Some(registries) = &options.registries {
            tools.push(Arc::new(InstallSkill::new(&options.workspace, registries.clone())));
        }
        if let Some(messages) = &options.messages {
            let courier = &messages.courier;
            if messages.message {
                let tool = SendMessage::new(Arc::clone(courier), workspace.clone(), &messages.channels);
                tools.push(Arc::new(if messages.files_in_messages { tool.with_files() } else { tool }));
            }
            if messages.send_file {
                tools.push(Arc::new(SendFile::new(Arc::clone(courier), workspace)));
            }
        }
        if !options.search.is_empty() {
            tools.push(Arc::new(WebSearch::new(&options.search).through(&options.search_proxy)));
        }
        if let Some(options) = &options.web_fetch {
            tools.push(Arc::new(WebFetch::new(options)));
        }
        Self::new(tools)
    }

    /// These tools; of two with the same name the later one.
    pub fn new(tools: impl IntoIterator<Item = Arc<dyn Tool>>) -> Self {
        let tools: BTreeMap<_, _> = tools.into_iter().map(|tool| (tool.spec().name, tool)).collect();
        let specs = tools.values().map(|tool| tool.spec()).collect();
        Self { tools: Arc::new(tools), specs }
    }

    /// These tools and more. Names that are taken keep their tool: nothing may pose as a built-in one.
    #[must_use]
    pub fn with(&self, more: Vec<Arc<dyn Tool>>) -> Self {
        let (taken, new): (Vec<_>, Vec<_>) =
            more.into_iter().partition(|tool| self.get(&tool.spec().name).is_some());
        for tool in taken {
            tracing::warn!(tool = tool.spec().name, "A tool has the name of another one and is left out.");
        }
        Self::new(self.tools.values().cloned().chain(new))
    }

    /// These tools, and searches for those among them that the model is not shown at once, if there are any.
    #[must_use]
    pub fn searchable(self, options: ToolSearchOptions) -> Self {
        let hidden: Vec<(String, ToolSpec)> =
            self.tools.values().filter_map(|tool| Some((tool.deferred()?.to_owned(), tool.spec()))).collect();
        if hidden.is_empty() {
            return self;
        }
        let searches = ToolSearch::of(options, &hidden).into_iter();
        self.with(searches.map(|search| Arc::new(search) as Arc<dyn Tool>).collect())
    }

    /// All tools for the model, by name in order, whether or not it is shown them at once.
    pub fn specs(&self) -> &[ToolSpec] {
        &self.specs
    }

    /// The tool with this name, unless the model invented it.
    pub fn get(&self, name: &str) -> Option<&Arc<dyn Tool>> {
        self.tools.get(name)
    }

    /// The names in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tools.keys().map(String::as_str)
    }
}

impl fmt::Debug for Toolbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_are_found_by_name() {
        let toolbox = Toolbox::built_in(&ToolboxOptions::all("workspace"));
        assert_eq!(
            toolbox.names().collect::<Vec<_>>(),
            [
                "append_file",
                "edit_file",
                "exec",
                "find_skills",
                "list_dir",
                "load_image",
                "read_file",
                "web_fetch",
                "write_file"
            ]
        );
        assert!(toolbox.get("read_file").is_some() && toolbox.get("invented").is_none());
        for spec in toolbox.specs() {
            assert_eq!(toolbox.get(&spec.name).unwrap().spec(), *spec);
            assert_eq!(spec.parameters["type"], "object");
            for required in spec.parameters["required"].as_array().unwrap() {
                assert!(spec.parameters["properties"][required.as_str().unwrap()]["description"].is_string());
            }
        }
    }

    #[test]
    fn tools_can_be_left_out() {
        let options =
            ToolboxOptions { web_fetch: None, write_file: false, ..ToolboxOptions::all("workspace") };
        let toolbox = Toolbox::built_in(&options);
        assert_eq!(
            toolbox.names().collect::<Vec<_>>(),
            ["append_file", "edit_file", "exec", "find_skills", "list_dir", "load_image", "read_file"]
        );
    }
}
