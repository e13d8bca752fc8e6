//! What a model can do beside writing text.
//!
//! | Tool | Arguments | Bounds |
//! |---|---|---|
//! | `read_file` | `path`, then `offset`, `length` or `start_line`, `max_lines` | 64 KiB at once |
//! | `write_file` | `path`, `content`, `overwrite` | 1 MiB |
//! | `edit_file` | `path`, `old_text`, `new_text` | files of 8 MiB |
//! | `append_file` | `path`, `content` | 1 MiB at once |
//! | `list_dir` | `path` | 1,000 entries |
//! | `load_image` | `path` | 20 MiB |
//! | `exec` | `action`, `command`, `sessionId`, `data`, `keys`, `background`, `pty`, `cwd`, `timeout` | 60 s, 64 KiB of output, 16 background commands |
//! | `message` | `content`, `channel`, `chat_id`, `reply_to_message_id`, `media` | 32 KiB, 10 files |
//! | `send_file` | `path`, `filename`, `caption`, `channel`, `chat_id` | 20 MiB |
//! | `find_skills` | `query`, `limit` | 20 skills |
//! | `install_skill` | `slug`, `version`, `registry`, `force` | 16 MiB, 1,000 files |
//! | `tool_search_tool_bm25`, `tool_search_tool_regex` | `query`, `pattern` | 5 tools, only with deferred tools |
//! | `web_search` | `query`, `count`, `range` | 10 results |
//! | `web_fetch` | `url`, `maxChars` | 2 MiB read, 5 redirects, public addresses only |
//!
//! Those for files are fenced to the workspace, unless an operator allows more. Names and arguments are those that
//! existing session histories contain. A tool never fails as a Rust function: what went wrong is a text for the model,
//! which can then try again.
//!
//! * [`skills`]: instructions for certain tasks, which models read with these tools.
//! * [`process`]: the programs that tools and MCP servers are. [`http_client`]: the way out to addresses that an operator
//!   has configured.

mod arguments;
mod caller;
mod exec;
mod files;
mod find_skills;
pub mod http_client;
mod install_skill;
mod message;
mod output;
mod patterns;
pub mod process;
pub mod skills;
mod tool;
mod tool_search;
mod toolbox;
mod web_fetch;
mod web_search;

pub use caller::Caller;
pub use exec::Exec;
pub use exec::{Denials, ExecOptions, Sessions as BackgroundCommands, environment as command_environment};
pub use files::{
    AppendFile, EditFile, ListDir, LoadImage, Reach, ReadFile, ReadFileOptions, Workspace, WriteFile,
};
pub use find_skills::FindSkills;
pub use install_skill::InstallSkill;
pub use message::{SendFile, SendMessage};
pub use output::ToolOutput;
pub use patterns::Patterns;
pub use tool::Tool;
pub use tool_search::{ToolSearch, ToolSearchOptions};
pub use toolbox::{Messages, Toolbox, ToolboxOptions};
pub(crate) use web_fetch::public_client;
pub use web_fetch::{AllowedHosts, InvalidHost, WebFetch, WebFetchOptions};
pub use web_search::{Engine as SearchEngine, EngineKind as SearchEngineKind, WebSearch};
