//! The tools that work on files in the workspace.

mod fence;
mod list_dir;
mod read_file;
mod workspace;
mod write_file;

pub use list_dir::ListDir;
pub use read_file::ReadFile;
pub use workspace::Workspace;
pub use write_file::WriteFile;

#[cfg(test)]
mod tests;
