//! The fence: paths of a model lead into the workspace, where the operator allows more, or nowhere.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, File, OpenOptions, OpenOptionsExt};

use super::super::exec::words;
use super::super::output::ToolOutput;
use super::fence::{Fence, real};
use super::reach::{Access, Reach};

/// The directory that file tools are fenced to. Symbolic links and `..` cannot lead out of it: every step of a path
/// is resolved beneath the open directory. What an operator allows beyond it is decided by where a path really leads.
#[derive(Clone, Debug)]
pub struct Workspace {
    path: Arc<Path>,
    private: Arc<[PathBuf]>,
    reach: Reach,
}

impl Workspace {
    /// The workspace at this path, which is created when first used, without what lies at or below the `private` ones.
    pub fn new(path: &Path, private: &[PathBuf]) -> Self {
        Self { path: path.into(), private: private.into(), reach: Reach::default() }
    }

    /// The same with more around it.
    #[must_use]
    pub fn reaching(self, reach: Reach) -> Self {
        Self { reach, ..self }
    }

    /// Runs file work where it may block, with the open workspace.
    pub(super) async fn run(
        &self,
        work: impl FnOnce(&Open) -> Result<ToolOutput, ToolOutput> + Send + 'static,
    ) -> ToolOutput {
        self.with(work).await.into()
    }

    /// The same for what is no output yet.
    pub(super) async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Open) -> Result<T, ToolOutput> + Send + 'static,
    ) -> Result<T, ToolOutput> {
        let workspace = self.clone();
        let done = tokio::task::spawn_blocking(move || work(&workspace.open()?)).await;
        // A panic stays in its task; the model gets to know that the tool failed.
        done.unwrap_or_else(|_| Err(ToolOutput::error("the tool failed unexpectedly")))
    }

    /// Whether a command may name these words, as far as they are paths, when it runs in this directory, whose absolute
    /// path this is.
    pub(crate) async fn admit_command(
        &self,
        directory: String,
        words: Vec<String>,
    ) -> Result<PathBuf, ToolOutput> {
        self.with(move |open| {
            let directory = open.directory(&directory)?;
            words.iter().try_for_each(|word| open.admit_word(&directory, word)).map(|()| directory)
        })
        .await
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn open(&self) -> Result<Open, ToolOutput> {
        let open = || {
            std::fs::create_dir_all(&self.path)?;
            Ok(Open {
                dir: Dir::open_ambient_dir(&self.path, ambient_authority())?,
                path: std::fs::canonicalize(&self.path)?,
                fence: Fence::new(&self.private),
                reach: self.reach.clone(),
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
    dir: Dir,
    path: PathBuf,
    fence: Fence,
    reach: Reach,
}

/// A path beneath a directory that nothing leads out of.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) dir: Dir,
    pub(super) path: PathBuf,
}

impl Open {
    /// Where a path of the model leads, if that is allowed.
    pub(super) fn place(&self, path: &str, access: Access) -> Result<Place, ToolOutput> {
        if path.contains('\0') {
            return Err(ToolOutput::error("argument `path` contains a NUL character; remove it"));
        }
        let given = Path::new(path.trim());
        let written = self.path.join(given);
        if self.fence.keeps_out(&written) {
            return Err(private(path));
        }
        let failed = |error: io::Error| self.failed("opening", path, &error);
        let real = real(&written);
        let Ok(inside) = real.strip_prefix(&self.path) else {
            return match real.strip_prefix("/") {
                Ok(below) if self.reach.allows(&real, access) => Ok(Place {
                    dir: Dir::open_ambient_dir("/", ambient_authority()).map_err(failed)?,
                    path: or_dot(below),
                }),
                _ => Err(self.outside(path)),
            };
        };
        // As it is written, so that a link stays what it is: nothing leads out, even if one changes meanwhile.
        let beneath =
            if given.is_absolute() { given.strip_prefix(&self.path).unwrap_or(inside) } else { given };
        Ok(Place { dir: self.dir.try_clone().map_err(failed)?, path: or_dot(beneath) })
    }

    /// The absolute path of a directory for commands.
    fn directory(&self, path: &str) -> Result<PathBuf, ToolOutput> {
        let place = self.place(path, Access::Read)?;
        let found = place.dir.metadata(&place.path).map_err(|error| self.failed("using", path, &error))?;
        if !found.is_dir() {
            return Err(ToolOutput::error(format!("{path} is not a directory; give one for `cwd`")));
        }
        Ok(real(&self.path.join(path.trim())))
    }

    /// Refuses a word of a command that names something private, or something beyond what may be reached.
    fn admit_word(&self, directory: &Path, word: &str) -> Result<(), ToolOutput> {
        let named = directory.join(word);
        // A single name is more often a word of a text than a file.
        if word.contains('/') && self.fence.keeps_out(&named) {
            return Err(private(word));
        }
        let leads_away = word.starts_with('/') || word.split('/').any(|step| step == "..");
        if !words::is_in_home(word) && !leads_away || words::is_harmless(word) {
            return Ok(());
        }
        let real = real(&named);
        let inside = leads_away && real.starts_with(&self.path);
        let reached = [Access::Read, Access::Write].iter().any(|access| self.reach.allows(&real, *access));
        // Where a home is only the shell knows.
        let allowed = if words::is_in_home(word) { self.reach.everywhere } else { inside || reached };
        if allowed { Ok(()) } else { Err(self.outside(word)) }
    }

    /// Where a path of the model leads, from the workspace on; `None` when that is not within it.
    pub(super) fn within(&self, path: &str) -> Option<String> {
        let real = real(&self.path.join(path.trim()));
        Some(real.strip_prefix(&self.path).ok()?.to_str()?.to_owned())
    }

    /// Opens a regular file for reading. Pipes and devices are refused, so that nothing hangs.
    pub(super) fn read(&self, path: &str) -> Result<File, ToolOutput> {
        let Place { dir, path: beneath } = self.place(path, Access::Read)?;
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
        let file = dir.open_with(beneath, &options).map_err(|error| self.failed("reading", path, &error))?;
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
        let more = if self.reach.is_nothing() { "" } else { " beyond what the operator has allowed" };
        ToolOutput::denied(format!(
            "{path} leads out of the workspace {}{more}, which is not allowed; use a path relative to the workspace",
            self.path.display()
        ))
    }
}

fn private(path: &str) -> ToolOutput {
    ToolOutput::denied(format!(
        "{path} is where the gateway keeps conversations or files of its own, which tools may not touch; use another path"
    ))
}

/// The path; the directory itself instead of none.
fn or_dot(path: &Path) -> PathBuf {
    if path.as_os_str().is_empty() { ".".into() } else { path.to_owned() }
}
