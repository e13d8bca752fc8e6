//! What a model can do beside writing text.
//!
//! | Tool | Arguments | Bounds |
//! |---|---|---|
//! | `read_file` | `path`, then `offset`, `length` or `start_line`, `max_lines` | 64 KiB at once |
//! | `write_file` | `path`, `content`, `overwrite` | 1 MiB |
//! | `list_dir` | `path` | 1,000 entries |
//! | `web_fetch` | `url`, `maxChars` | 2 MiB read, 5 redirects, public addresses only |
//!
//! The first three are fenced to the workspace. Names and arguments are those that existing session histories contain.
//! A tool never fails as a Rust function: what went wrong is a text for the model, which can then try again.

mod arguments;
mod caller;
mod files;
mod output;
mod tool;
mod toolbox;
mod web_fetch;

pub use caller::Caller;
pub use files::{ListDir, ReadFile, Workspace, WriteFile};
pub use output::ToolOutput;
pub use tool::Tool;
pub use toolbox::{Toolbox, ToolboxOptions};
pub use web_fetch::{AllowedHosts, InvalidHost, WebFetch, WebFetchOptions};
