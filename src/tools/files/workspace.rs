//! The fence: paths of a model lead into the workspace or nowhere.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, File, OpenOptions, OpenOptionsExt};

use super::super::output::ToolOutput;
use super::fence::Fence;

/// The directory that file tools are fenced to. Symbolic links and `..` cannot lead out of it: every step of a path
/// is resolved beneath the open directory.
#[derive(Clone, Debug)]
pub struct Workspace {
    path: Arc<Path>,
    private: Arc<[PathBuf]>,
}

impl Workspace {
    /// The workspace at this path, which is created when first used, without what lies at or below the `private` ones.
    pub fn new(path: &Path, private: &[PathBuf]) -> Self {
        Self { path: path.into(), private: private.into() }
    }

    /// Runs file work where it may block, with the open workspace.
    pub(super) async fn run(
        &self,
        work: impl FnOnce(&Open) -> Result<ToolOutput, ToolOutput> + Send + 'static,
    ) -> ToolOutput {
        let workspace = self.clone();
        let done = tokio::task::spawn_blocking(move || work(&workspace.open()?)).await;
        // A panic stays in its task; the model gets to know that the tool failed.
        done.unwrap_or_else(|_| Err(ToolOutput::error("the tool failed unexpectedly"))).into()
    }

    fn open(&self) -> Result<Open, ToolOutput> {
        let open = || {
            std::fs::create_dir_all(&self.path)?;
            Ok(Open {
                dir: Dir::open_ambient_dir(&self.path, ambient_authority())?,
                path: std::fs::canonicalize(&self.path)?,
                fence: Fence::new(&self.private),
            })
        };
        open().map_err(|error: io::Error| {
            ToolOutput::error(format!(
                "the workspace {} cannot be used: {error}; tell the operator",
                self.path.display()
            ))
        })
    }
}

/// The workspace, open.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) dir: Dir,
    path: PathBuf,
    fence: Fence,
}

impl Open {
    /// The path relative to the workspace. Absolute paths must lie in it.
    pub(super) fn relative(&self, path: &str) -> Result<PathBuf, ToolOutput> {
        if path.contains('\0') {
            return Err(ToolOutput::error("argument `path` contains a NUL character; remove it"));
        }
        let given = Path::new(path.trim());
        let relative = if given.is_absolute() {
            given.strip_prefix(&self.path).map_err(|_| self.outside(path))?
        } else {
            given
        };
        if self.fence.keeps_out(&self.path.join(relative)) {
            return Err(ToolOutput::denied(format!(
                "{path} is where the gateway keeps conversations or files of its own, which tools may not touch; use \
                 another path"
            )));
        }
        Ok(if relative.as_os_str().is_empty() { ".".into() } else { relative.to_owned() })
    }

    /// Opens a regular file for reading. Pipes and devices are refused, so that nothing hangs.
    pub(super) fn read(&self, path: &str) -> Result<File, ToolOutput> {
        let relative = self.relative(path)?;
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
        let file =
            self.dir.open_with(relative, &options).map_err(|error| self.failed("reading", path, &error))?;
        let metadata = file.metadata().map_err(|error| self.failed("reading", path, &error))?;
        if metadata.is_dir() {
            return Err(ToolOutput::error(format!("{path} is a directory; use list_dir")));
        }
        if !metadata.is_file() {
            return Err(ToolOutput::denied(format!("{path} is not a regular file; choose another one")));
        }
        Ok(file)
    }

    /// What to tell the model about an I/O error.
    pub(super) fn failed(&self, doing: &str, path: &str, error: &io::Error) -> ToolOutput {
        match error.kind() {
            // The fence's own error has no code of the operating system.
            io::ErrorKind::PermissionDenied if error.raw_os_error().is_none() => self.outside(path),
            io::ErrorKind::NotFound => ToolOutput::error(format!(
                "{path} does not exist in the workspace; see what does with list_dir"
            )),
            io::ErrorKind::NotADirectory => {
                ToolOutput::error(format!("a part of {path} is a file, not a directory"))
            }
            _ => ToolOutput::error(format!("{doing} {path}: {error}")),
        }
    }

    fn outside(&self, path: &str) -> ToolOutput {
        ToolOutput::denied(format!(
            "{path} leads out of the workspace {}, which is not allowed; use a path relative to the workspace",
            self.path.display()
        ))
    }
}
