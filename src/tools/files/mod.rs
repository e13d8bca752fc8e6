//! The tools that work on files in the workspace.

mod append_file;
mod attachment;
mod edit_file;
mod fence;
mod list_dir;
mod load_image;
mod reach;
mod read_file;
mod skills;
mod target;
mod workspace;
mod write_file;

pub use append_file::AppendFile;
pub use edit_file::EditFile;
pub use list_dir::ListDir;
pub use load_image::LoadImage;
pub use reach::Reach;
pub use read_file::{ReadFile, ReadFileOptions};
pub use workspace::Workspace;
pub use write_file::WriteFile;

#[cfg(test)]
mod tests;
